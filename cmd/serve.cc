// p2pcp serve: a rendezvous of one's own. mosquitto as the broker, and p2pcp's
// own STUN server; both end with this process. A broker that ends before, or
// hangs, is started again.

#include <fmt/format.h>
#include <sys/epoll.h>

#include <optional>

#include "cmd/brokers/broker_watchdog.h"
#include "cmd/brokers/mosquitto_config.h"
#include "cmd/brokers/mosquitto_process.h"
#include "cmd/brokers/rendezvous_health.h"
#include "cmd/commands.h"
#include "cmd/product.h"
#include "cmd/service_manager.h"
#include "cmd/signals.h"
#include "cmd/text.h"
#include "net/stun/binding_responder.h"
#include "net/udp/event_loop.h"
#include "net/udp/interfaces.h"
#include "net/udp/udp_socket.h"

namespace p2pcp::cmd {
namespace {

// How often a broker that starts is tried, and for how long: the first is given
// up then, a later one is killed and started again.
constexpr Duration kReadyPoll = 20ms;
constexpr Duration kReadyTimeout = 10s;
// How often it is looked whether files of the user's are others.
constexpr Duration kFilesPoll = 2s;

// What to tell others to connect to: the bound address, or for a wildcard the
// machine's first address of that family.
IpAddress Reachable(const IpAddress& bound) {
  if (!bound.IsUnspecified()) return bound;
  for (const udp::LocalAddress& local : udp::ListInterfaces()) {
    if (local.ip.is_v6() == bound.is_v6() && !local.ip.IsLinkLocal()) {
      return local.ip;
    }
  }
  return *IpAddress::Parse(bound.is_v6() ? "::1" : "127.0.0.1");
}

class Server {
 public:
  Server(const Options& options, udp::EventLoop* loop, udp::UdpSocket stun,
         MosquittoProcess broker, ServiceManager* manager, Console* console)
      : options_(options),
        loop_(loop),
        stun_(std::move(stun)),
        broker_(std::move(broker)),
        manager_(manager),
        console_(console),
        watchdog_(loop, broker_.local_address(), kPace, [this] {
          KillBroker(fmt::format("has not answered for {}",
                                 FormatLatency(kPace.misses * kPace.call)));
        }) {}

  Result<ExitCode> Run() {
    loop_->Watch(signals_.fd(), EPOLLIN,
                 [this](std::uint32_t) { stopped_ = signals_.Take(); });
    loop_->Watch(stun_.fd(), EPOLLIN, [this](std::uint32_t) { Answer(); });
    began_ = started_ = loop_->Now();
    WatchBroker();
    while (!stopped_) {
      if (broker_ended_ && !announced_) {
        return Error{ErrorCode::kOther,
                     "mosquitto ended; its own message stands above"};
      }
      if (broker_ended_) PlanRestart();
      if (restart_at_ && loop_->Now() >= *restart_at_) Restart();
      std::optional<TimePoint> deadline = restart_at_;
      if (!broker_is_up_ && !restart_at_) {
        if (broker_.Accepts()) {
          if (Status status = Up(); !status.ok()) {
            return std::move(status).error();
          }
        } else if (loop_->Now() - started_ >= kReadyTimeout) {
          const std::string what =
              "takes no connections on " + broker_.address().ToString();
          if (!announced_) return Error{ErrorCode::kOther, "mosquitto " + what};
          KillBroker(what);
          started_ = loop_->Now();
        } else {
          deadline = loop_->Now() + kReadyPoll;
        }
      }
      loop_->RunOnce(deadline);
    }
    manager_->Stopping();
    console_->Line("stopped; " + HealthText(Health()));
    return *stopped_;
  }

 private:
  static constexpr BrokerWatchdog::Pace kPace = {};

  void WatchBroker() {
    loop_->Watch(broker_.pidfd(), EPOLLIN,
                 [this](std::uint32_t) { broker_ended_ = true; });
  }

  // As any other that ends, it is started again.
  void KillBroker(const std::string& why) {
    console_->Line("mosquitto " + why + "; killing it");
    broker_.Kill();
  }

  // Clients come again by themselves; the STUN server has no part in it.
  void PlanRestart() {
    watchdog_.Stop();
    broker_ended_ = broker_is_up_ = false;
    loop_->Unwatch(broker_.pidfd());
    const std::string why = broker_.Reap();
    const Duration delay = restart_delay_.AfterEnd(loop_->Now() - started_);
    restart_at_ = loop_->Now() + delay;
    console_->Line(
        fmt::format("mosquitto has ended ({}); starting it again in "
                    "{}",
                    why, FormatLatency(delay)));
    manager_->Status(HealthText(Health()));
  }

  void Restart() {
    restart_at_.reset();
    started_ = loop_->Now();
    ++restarts_;
    if (Status status = broker_.Restart(); !status.ok()) {
      restart_at_ = loop_->Now() + restart_delay_.AfterEnd(Duration{0});
      console_->Line(Escape(status.error().message));
      return;
    }
    WatchBroker();
  }

  // The broker takes connections.
  Status Up() {
    broker_is_up_ = true;
    watchdog_.Start();
    if (announced_) {
      console_->Line("mosquitto takes connections again");
      manager_->Status(HealthText(Health()));
      return {};
    }
    announced_ = true;
    if (Status status = Announce(); !status.ok()) return status;
    manager_->Ready(HealthText(Health()));
    TellHealth(0);
    LookAtFiles();
    return {};
  }

  // A certificate that was renewed, users that have come.
  void LookAtFiles() {
    loop_->SetTimer(loop_->Now() + kFilesPoll, [this] {
      if (broker_is_up_) {
        const Result<bool> taken = broker_.Refresh();
        if (!taken.ok()) {
          console_->Line("not taken, the old ones count on: " +
                         Escape(taken.error().message));
        } else if (*taken) {
          console_->Line("took certificate and users anew");
        }
      }
      LookAtFiles();
    });
  }

  // Each minute to the service manager, each hour to whoever reads the log.
  void TellHealth(int minutes) {
    loop_->SetTimer(loop_->Now() + 1min, [this, minutes] {
      const std::string text = HealthText(Health());
      manager_->Status(text);
      if ((minutes + 1) % 60 == 0) console_->Line(text);
      TellHealth(minutes + 1);
    });
  }

  RendezvousHealth Health() const {
    return {.up = loop_->Now() - began_,
            .broker_is_up = broker_is_up_,
            .restarts = restarts_,
            .stun_answers = responder_.stats().answered};
  }

  Status Announce() {
    const bool tls = !options_.tls_cert.empty();
    const std::string options =
        fmt::format("--broker {}://{}{} --stun {}\n", tls ? "mqtts" : "mqtt",
                    options_.password_file.empty() ? "" : "USER@",
                    Place(broker_.address()), Place(stun_.local_address()));
    console_->Line("serving; give both sides these options:");
    if (tls) {
      console_->Line(
          "(and --broker-ca FILE, if their systems don't know who has signed "
          "this certificate)");
    }
    if (!options_.password_file.empty()) {
      console_->Line(
          "(and --broker-password-file FILE, a file that holds the password)");
    }
    return WriteProduct(options);
  }

  // How others may call one of our sockets.
  std::string Place(SocketAddress bound) const {
    if (!options_.host.empty()) {
      return fmt::format("{}:{}", options_.host, bound.port);
    }
    bound.ip = Reachable(bound.ip);
    return bound.ToString();
  }

  void Answer() {
    for (const udp::ReceivedTrain& train : stun_.Receive()) {
      for (std::size_t at = 0; at < train.bytes.size();
           at += train.segment_size) {
        const ByteSpan request = train.bytes.subspan(
            at, std::min(train.segment_size, train.bytes.size() - at));
        std::array<std::byte, stun::BindingResponder::kMaxResponseSize>
            response;
        const std::size_t size =
            responder_.HandleDatagram(train.from, request, response);
        if (size == 0) continue;
        stun_.Send(train.from, ByteSpan(response).first(size), size);
      }
    }
  }

  const Options& options_;
  Signals signals_;
  udp::EventLoop* loop_;
  udp::UdpSocket stun_;
  MosquittoProcess broker_;
  ServiceManager* manager_;
  Console* console_;
  BrokerWatchdog watchdog_;
  stun::BindingResponder responder_;
  std::optional<ExitCode> stopped_;
  bool broker_ended_ = false;
  bool announced_ = false;
  bool broker_is_up_ = false;
  std::uint64_t restarts_ = 0;
  RestartDelay restart_delay_;
  TimePoint began_;
  TimePoint started_;  // The broker, last.
  std::optional<TimePoint> restart_at_;
};

}  // namespace

Result<ExitCode> RunServe(const Options& options, Console& console) {
  const auto ip = IpAddress::Parse(options.bind);
  if (!ip) {
    return Error{ErrorCode::kUsage, fmt::format("--bind {}: not an IP address",
                                                Escape(options.bind))};
  }
  const MosquittoOptions broker_options = {{*ip, options.broker_port},
                                           options.tls_cert,
                                           options.tls_key,
                                           options.password_file};
  if (options.print_config) {
    const auto text = StandaloneMosquittoConfig(broker_options);
    if (!text.ok()) return text.error();
    if (Status written = WriteProduct(*text); !written.ok()) {
      return std::move(written).error();
    }
    return ExitCode::kVerified;
  }
  ServiceManager manager;
  Result<std::unique_ptr<udp::EventLoop>> loop = udp::EventLoop::Create();
  if (!loop.ok()) return std::move(loop).error();
  Result<udp::UdpSocket> stun =
      udp::UdpSocket::Open({*ip, options.stun_port}, {});
  if (!stun.ok()) return Annotate(std::move(stun).error(), "STUN server");
  Result<MosquittoProcess> broker = MosquittoProcess::Start(broker_options);
  if (!broker.ok()) return std::move(broker).error();
  Server server(options, loop->get(), *std::move(stun), *std::move(broker),
                &manager, &console);
  return server.Run();
}

}  // namespace p2pcp::cmd

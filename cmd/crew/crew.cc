#include "cmd/crew/crew.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/wait.h>

#include <algorithm>
#include <utility>

#include "cmd/brokers/start_mqtt.h"
#include "cmd/servers.h"
#include "cmd/text.h"
#include "net/signaling/mqtt_client.h"

namespace p2pcp::cmd {
namespace {

// Between two drawings of the live line.
constexpr Duration kTick = 250ms;

ExitCode CodeOf(int status) {
  if (!WIFEXITED(status)) return ExitCode::kOther;
  for (const ExitCodeText& known : kExitCodes) {
    if (static_cast<int>(known.code) == WEXITSTATUS(status)) return known.code;
  }
  return ExitCode::kOther;
}

}  // namespace

ExitCode Worst(const std::vector<ExitCode>& codes) {
  for (const ExitCode code :
       {ExitCode::kIntegrity, ExitCode::kCannotWrite,
        ExitCode::kSourceUnreadable, ExitCode::kKeptBack}) {
    if (std::find(codes.begin(), codes.end(), code) != codes.end()) return code;
  }
  for (const ExitCode code : codes) {
    if (code != ExitCode::kVerified) return code;
  }
  return ExitCode::kVerified;
}

Crew::Crew(const Options& options, Console* console, Events* events,
           std::string idle, Handler handler)
    : options_(options),
      console_(console),
      events_(events),
      handler_(std::move(handler)),
      line_(std::move(idle)) {}

Crew::~Crew() { console_->ClearLive(); }

Result<std::unique_ptr<Crew>> Crew::Open(const Options& options,
                                         Console* console, Events* events,
                                         std::string idle, Handler handler) {
  std::unique_ptr<Crew> crew(
      new Crew(options, console, events, std::move(idle), std::move(handler)));
  if (Status opened = crew->Open(); !opened.ok()) {
    return std::move(opened).error();
  }
  return crew;
}

Status Crew::Open() {
  Result<std::unique_ptr<udp::EventLoop>> loop = udp::EventLoop::Create();
  if (!loop.ok()) return std::move(loop).error();
  loop_ = *std::move(loop);
  line_.Begin(loop_->Now());
  loop_->Watch(signals_.fd(), EPOLLIN, [this](std::uint32_t) {
    const auto code = signals_.Take();
    if (signals_.StateWanted()) TellState();
    if (signals_.Resized()) next_draw_ = loop_->Now();
    if (!code) return;
    if (!signal_) signal_ = code;
    for (auto& [number, worker] : workers_) {
      worker.process->Signal(*code == ExitCode::kInterrupted ? SIGINT
                                                             : SIGTERM);
    }
  });
  Result<Servers> servers = ChooseServers(options_);
  if (!servers.ok()) return std::move(servers).error();
  for (const std::string& warning : servers->warnings) console_->Line(warning);
  brokers_ = BrokerReport(servers->brokers);
  const std::size_t count = servers->brokers.size();
  Result<std::unique_ptr<signaling::MqttClient>> mqtt =
      StartMqtt(loop_->Now(), options_, std::move(servers->brokers));
  if (!mqtt.ok()) return std::move(mqtt).error();
  hub_ = std::make_unique<BrokerHub>(
      loop_.get(), *std::move(mqtt), count,
      BrokerHub::Handler{[this](std::size_t) {
                           brokers_.HandleUp();
                           handler_.on_up();
                         },
                         [this](std::size_t broker, const Error& error) {
                           brokers_.HandleDown(broker, error);
                           if (const auto warning = brokers_.TakeWarning()) {
                             console_->Line(*warning);
                           }
                         },
                         [this](std::string_view topic, ByteSpan payload) {
                           handler_.on_message(topic, payload);
                         }});
  // Where the system does not tell, TCP finds out in the end.
  Result<std::unique_ptr<udp::AddressWatch>> address_watch =
      udp::AddressWatch::Create(loop_.get(),
                                [this] { hub_->Redial(loop_->Now()); });
  if (address_watch.ok()) address_watch_ = *std::move(address_watch);
  return {};
}

void Crew::TellState() {
  console_->Error(fmt::format(
      "{} under way{}{}",
      workers_.size() == 1 ? "1 transfer"
                           : fmt::format("{} transfers", workers_.size()),
      brokers_.was_up() ? "" : "; no broker was reached yet",
      workers_.empty() ? "" : ":"));
  // Each says its own; what it says is passed on.
  for (auto& [number, worker] : workers_) worker.process->Signal(SIGUSR1);
}

unsigned Crew::FreePlace() const {
  unsigned place = 0;
  while (std::any_of(
      workers_.begin(), workers_.end(),
      [place](const auto& worker) { return worker.second.place == place; })) {
    ++place;
  }
  return place;
}

Status Crew::Start(WorkerTask task, std::optional<BrokerHub::Message> first) {
  const unsigned number = next_number_++;
  task.place = FreePlace();
  task.tells = console_->live();
  Result<udp::FileDescriptor> line = hub_->Attach(number, std::move(first));
  if (!line.ok()) return std::move(line).error();
  const std::string peer = task.peer;
  Result<std::unique_ptr<WorkerProcess>> process = WorkerProcess::Start(
      loop_.get(), WorkerArguments(task, options_.words), *std::move(line),
      {[this, number](std::string_view text) {
         line_.HandleOutput(number, text);
         events_->Relay(number, text);
       },
       [this, peer](std::string_view text) {
         // The error that main() prints; what comes before it is the peer's
         // name here.
         constexpr std::string_view kProgram = "p2pcp: ";
         if (text.starts_with(kProgram)) text.remove_prefix(kProgram.size());
         console_->Error(fmt::format("{}: {}", peer, text));
       },
       [this, number](int status) { HandleEnd(number, status); }});
  if (!process.ok()) {
    hub_->Detach(number);
    return std::move(process).error();
  }
  events_->Began(number, peer);
  line_.HandleBegan(loop_->Now(), number, peer);
  workers_[number] = Worker{peer, task.place, *std::move(process), {}};
  return {};
}

void Crew::HandleEnd(unsigned number, int status) {
  Worker& worker = workers_[number];
  worker.code = CodeOf(status);
  if (WIFSIGNALED(status)) {
    console_->Error(
        fmt::format("{}: the process of the transfer was ended by "
                    "signal {}",
                    worker.peer, WTERMSIG(status)));
  }
}

void Crew::Draw(TimePoint now) {
  if (now < next_draw_) return;
  console_->Live(line_.Render(now, console_->columns()));
  next_draw_ = now + kTick;
}

void Crew::Turn(TimePoint until) {
  if (console_->live()) {
    Draw(loop_->Now());
    until = std::min(until, next_draw_);
  }
  if (const auto due = hub_->PollTimeout()) until = std::min(until, *due);
  loop_->RunOnce(until);
  const TimePoint now = loop_->Now();
  if (hub_->PollTimeout().value_or(TimePoint::max()) <= now) {
    hub_->HandleTimeout(now);
  }
  for (auto next = workers_.begin(); next != workers_.end();) {
    const auto it = next++;
    if (!it->second.code) continue;
    const unsigned number = it->first;
    const Worker worker = std::move(it->second);
    workers_.erase(it);
    hub_->Detach(number);
    line_.HandleEnded(now, number);
    events_->Ended(number, worker.peer, *worker.code);
    handler_.on_ended(worker.peer, *worker.code);
  }
}

}  // namespace p2pcp::cmd

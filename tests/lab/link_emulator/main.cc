// link_emulator: a link between two network namespaces that treats packets as
// badly as it is told. The laboratory's kernels have no netem.
//
// It makes one TUN device in each namespace, prints "ready", and moves packets
// until it is sent SIGTERM or its parent dies; then it prints its statistics.

#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "net/base/random.h"
#include "net/base/result.h"
#include "net/base/time.h"
#include "tests/lab/link_emulator/emulator.h"
#include "tests/lab/link_emulator/options.h"
#include "tests/lab/link_emulator/tun.h"

namespace p2pcp::lab {
namespace {

constexpr int kDefaultMtu = 1500;
// Packets taken from a device before the other one gets its turn.
constexpr int kBatch = 64;
constexpr std::size_t kMaxCommand = 4096;
// A turn begins at most so often: what comes and is due meanwhile is moved
// together.
constexpr Duration kMinTurn = 100us;

void PrintUsage() {
  std::fprintf(
      stderr,
      "usage: link_emulator --a NETNS:DEVICE --b NETNS:DEVICE\n"
      "         [--control SOCKET] [--seed N] [--mtu N]\n"
      "         [--ab \"OPTION...\"] [--ba \"OPTION...\"] [--both \"...\"]\n"
      "NETNS is a file such as /run/netns/NAME. Options of a direction:\n%s"
      "SOCKET (SOCK_SEQPACKET) takes \"ab|ba|both OPTION...\" and \"stats\".\n",
      DescribeOptions().c_str());
}

TimePoint Now() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return TimePoint(std::chrono::seconds(time.tv_sec) + Duration(time.tv_nsec));
}

struct Arguments {
  std::array<std::string, 2> netns;
  std::array<std::string, 2> device;
  std::string control;
  std::uint64_t seed = 0;
  int mtu = kDefaultMtu;
  std::vector<std::string> commands;
};

template <typename T>
bool ParseInteger(std::string_view text, T& value) {
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end == text.data() + text.size();
}

std::optional<Arguments> ParseArguments(int argc, char** argv) {
  Arguments arguments;
  arguments.seed = SystemRandom().NextU64();
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view name = argv[i];
    const std::string_view value = argv[i + 1];
    if (name == "--a" || name == "--b") {
      const End end = name == "--b";
      const std::size_t colon = value.rfind(':');
      if (colon == std::string_view::npos) return std::nullopt;
      arguments.netns[end] = value.substr(0, colon);
      arguments.device[end] = value.substr(colon + 1);
    } else if (name == "--control") {
      arguments.control = value;
    } else if (name == "--seed") {
      if (!ParseInteger(value, arguments.seed)) return std::nullopt;
    } else if (name == "--mtu") {
      if (!ParseInteger(value, arguments.mtu)) return std::nullopt;
    } else if (name == "--ab" || name == "--ba" || name == "--both") {
      arguments.commands.push_back(std::string(name.substr(2)) + " " +
                                   std::string(value));
    } else {
      return std::nullopt;
    }
  }
  const bool mtu_fits =
      arguments.mtu >= 68 &&
      static_cast<std::size_t>(arguments.mtu) <= kMaxPacketSize;
  if (argc % 2 == 0 || arguments.device[0].empty() ||
      arguments.device[1].empty() || !mtu_fits) {
    return std::nullopt;
  }
  return arguments;
}

Result<int> Listen(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) {
    return Error{ErrorCode::kUsage,
                 "the path of the control socket is too "
                 "long: " +
                     path};
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  const int fd =
      socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0 ||
      bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) !=
          0 ||
      listen(fd, 8) != 0) {
    return ErrnoError(ErrorCode::kOther, path, errno);
  }
  return fd;
}

class Program {
 public:
  Program(const Arguments& arguments, Tun a, Tun b)
      : emulator_(arguments.seed, static_cast<std::size_t>(arguments.mtu)),
        tuns_{std::move(a), std::move(b)},
        epoll_(epoll_create1(EPOLL_CLOEXEC)) {}

  Emulator& emulator() { return emulator_; }

  // Until a signal comes in on signal_fd. control_fd may be -1.
  void Run(int signal_fd, int control_fd) {
    Watch(tuns_[0].fd());
    Watch(tuns_[1].fd());
    Watch(signal_fd);
    if (control_fd >= 0) Watch(control_fd);
    while (true) {
      std::array<epoll_event, 16> events;
      const int count = Wait(events);
      turn_began_ = Now();
      for (int i = 0; i < count; ++i) {
        const int fd = events[static_cast<std::size_t>(i)].data.fd;
        if (fd == signal_fd) return;
        if (fd == tuns_[0].fd()) {
          ReadFrom(0);
        } else if (fd == tuns_[1].fd()) {
          ReadFrom(1);
        } else if (fd == control_fd) {
          const int client = accept4(control_fd, nullptr, nullptr,
                                     SOCK_NONBLOCK | SOCK_CLOEXEC);
          if (client >= 0) Watch(client);
        } else {
          HandleClient(fd);
        }
      }
      Deliver();
      Rest();
    }
  }

 private:
  void Watch(int fd) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
  }

  // Until the next turn may begin.
  void Rest() {
    const TimePoint next = turn_began_ + kMinTurn;
    const auto since_boot = next.time_since_epoch();
    const timespec until{since_boot / 1s, (since_boot % 1s).count()};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr) ==
           EINTR) {
    }
  }

  int Wait(std::array<epoll_event, 16>& events) {
    timespec timeout{};
    timespec* timeout_pointer = nullptr;
    if (const std::optional<TimePoint> next = emulator_.PollTimeout()) {
      const Duration wait = std::max(*next - Now(), Duration::zero());
      timeout.tv_sec = wait / 1s;
      timeout.tv_nsec = (wait % 1s).count();
      timeout_pointer = &timeout;
    }
    return epoll_pwait2(epoll_, events.data(), static_cast<int>(events.size()),
                        timeout_pointer, nullptr);
  }

  void ReadFrom(End end) {
    for (int i = 0; i < kBatch; ++i) {
      PacketPtr packet = emulator_.pool().Get();
      packet->size = tuns_[end].Read(packet->buffer);
      if (packet->size == 0) return;
      emulator_.HandlePacket(Now(), end, std::move(packet));
    }
  }

  void Deliver() {
    const TimePoint now = Now();
    emulator_.HandleTimeout(now);
    for (End end = 0; end < 2; ++end) {
      while (const PacketPtr packet = emulator_.PollDelivery(now, end)) {
        tuns_[end].Write(packet->bytes());
      }
    }
  }

  void HandleClient(int fd) {
    std::array<char, kMaxCommand> buffer;
    const ssize_t size = recv(fd, buffer.data(), buffer.size(), 0);
    if (size <= 0) {
      close(fd);
      return;
    }
    const std::string answer = emulator_.HandleCommand(
        std::string_view(buffer.data(), static_cast<std::size_t>(size)));
    send(fd, answer.data(), answer.size(), MSG_NOSIGNAL);
  }

  Emulator emulator_;
  std::array<Tun, 2> tuns_;
  int epoll_;
  TimePoint turn_began_;
};

int Main(int argc, char** argv) {
  const std::optional<Arguments> arguments = ParseArguments(argc, argv);
  if (!arguments) {
    PrintUsage();
    return 2;
  }
  // Packets are due by the microsecond; the default slack is 50 (prctl(2)).
  prctl(PR_SET_TIMERSLACK, 1);
  // Whoever started this may be killed; nothing must be left behind.
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigprocmask(SIG_BLOCK, &signals, nullptr);
  const int signal_fd = signalfd(-1, &signals, SFD_CLOEXEC);

  std::array<std::optional<Tun>, 2> tuns;
  for (End end = 0; end < 2; ++end) {
    Result<Tun> tun = Tun::Open(arguments->netns[end], arguments->device[end],
                                arguments->mtu);
    if (!tun) {
      std::fprintf(stderr, "link_emulator: %s\n", tun.error().message.c_str());
      return 1;
    }
    tuns[end].emplace(*std::move(tun));
  }
  Program program(*arguments, *std::move(tuns[0]), *std::move(tuns[1]));
  for (const std::string& command : arguments->commands) {
    const std::string answer = program.emulator().HandleCommand(command);
    if (answer != "ok") {
      std::fprintf(stderr, "link_emulator: %s\n", answer.c_str());
      return 2;
    }
  }
  int control_fd = -1;
  if (!arguments->control.empty()) {
    Result<int> listening = Listen(arguments->control);
    if (!listening) {
      std::fprintf(stderr, "link_emulator: %s\n",
                   listening.error().message.c_str());
      return 1;
    }
    control_fd = *listening;
  }
  std::printf("ready seed=%llu\n",
              static_cast<unsigned long long>(arguments->seed));
  std::fflush(stdout);
  program.Run(signal_fd, control_fd);
  std::printf("%s\n", program.emulator().Stats().c_str());
  return 0;
}

}  // namespace
}  // namespace p2pcp::lab

int main(int argc, char** argv) { return p2pcp::lab::Main(argc, argv); }

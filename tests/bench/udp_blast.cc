// udp_blast: how fast datagrams move through the kernel alone, as the limit
// to hold every transfer against. No protocol, no encryption, no files.
//
//   bazel run -c opt //tests/bench:udp_blast
//
//   udp_blast [--seconds N] [--size BYTES] [--segments N] [--runs N]
//             [--window BYTES]
//       over loopback, each way of sending and receiving in turn, one thread
//       a side. The sender stays at most a window ahead of the receiver, as a
//       transport would; 0 lets it blast, and lose what the receiver misses.
//   udp_blast --listen ADDRESS:PORT [--no-gro]
//       receives and prints a line a second, until it is ended
//   udp_blast --to ADDRESS:PORT [--seconds N] [--no-gso] ...
//       sends to it, from another host or network namespace
//
// The rates count bytes of UDP payload that arrived. ns are of CPU time of the
// sending and of the receiving thread for each datagram sent or received; on
// loopback the sender's share includes the kernel's work of delivery.

#include <poll.h>
#include <sys/socket.h>
#include <time.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/result.h"
#include "net/base/socket_address.h"
#include "net/udp/syscalls.h"
#include "net/udp/train_bounds.h"
#include "net/udp/train_receiver.h"
#include "net/udp/train_sender.h"
#include "net/udp/udp_socket.h"

namespace p2pcp::udp {
namespace {

using Clock = std::chrono::steady_clock;

struct Arguments {
  double seconds = 2;
  int runs = 3;
  std::size_t size = 1472;
  std::size_t segments = 44;
  std::uint64_t window = 1 << 20;
  std::optional<SocketAddress> listen;
  std::optional<SocketAddress> to;
  bool gso = true;
  bool gro = true;
};

[[noreturn]] void Fail(const std::string& message) {
  std::fprintf(stderr, "udp_blast: %s\n", message.c_str());
  std::exit(2);
}

// One datagram a system call, as a program without batches would send: both
// batches of the sender come down to it.
class OneByOneSyscalls final : public Syscalls {
 public:
  int SendMmsg(int fd, mmsghdr* messages, unsigned count, int flags) override {
    for (unsigned i = 0; i < count; ++i) {
      const ssize_t sent = SendMsg(fd, messages[i].msg_hdr, flags);
      if (sent < 0) return i > 0 ? static_cast<int>(i) : static_cast<int>(sent);
    }
    return static_cast<int>(count);
  }
  int RecvMmsg(int fd, mmsghdr* messages, unsigned, int flags) override {
    return Syscalls::RecvMmsg(fd, messages, 1, flags);
  }
};

UdpSocket MustOpen(const SocketAddress& bind, UdpSocket::Options options) {
  Result<UdpSocket> socket = UdpSocket::Open(bind, options);
  if (!socket.ok()) Fail(socket.error().message);
  return std::move(socket).value();
}

double ThreadCpuSeconds() {
  timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) +
         static_cast<double>(time.tv_nsec) * 1e-9;
}

double Seconds(Clock::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

void AwaitEvent(const UdpSocket& socket, short events, int milliseconds) {
  pollfd waiting{socket.fd(), events, 0};
  poll(&waiting, 1, milliseconds);
}

struct SendReport {
  std::uint64_t datagrams = 0;
  double cpu_seconds = 0;
  bool gso = false;
};

// Sends trains as fast as the socket takes them until `end`, no further ahead
// of `received` bytes than the window where there is one.
SendReport Blast(UdpSocket& socket, const SocketAddress& to,
                 const Arguments& arguments, Clock::time_point end,
                 const std::atomic<std::uint64_t>* received) {
  const Bytes train(arguments.size * arguments.segments, std::byte{0x55});
  const double cpu = ThreadCpuSeconds();
  std::uint64_t sent_bytes = 0;
  Clock::time_point stalled = Clock::now();
  while (Clock::now() < end) {
    if (received != nullptr && arguments.window > 0) {
      const std::uint64_t arrived = received->load(std::memory_order_relaxed);
      if (sent_bytes + train.size() > arrived + arguments.window) {
        // What is not there after a while is lost.
        if (Clock::now() - stalled > std::chrono::milliseconds(100)) {
          sent_bytes = arrived;
        }
        std::this_thread::yield();
        continue;
      }
    }
    stalled = Clock::now();
    sent_bytes += train.size();
    ByteSpan rest = train;
    while (!rest.empty()) {
      const SendResult result = socket.Send(to, rest, arguments.size);
      rest =
          rest.subspan(std::min(result.segments * arguments.size, rest.size()));
      if (result.status == SendStatus::kSent) break;
      if (result.status != SendStatus::kWouldBlock) {
        Fail(std::string("send: ") + std::strerror(result.os_errno));
      }
      AwaitEvent(socket, POLLOUT, 100);
      if (Clock::now() >= end) break;
    }
  }
  return {socket.stats().sent.datagrams, ThreadCpuSeconds() - cpu,
          socket.gso_enabled()};
}

struct ReceiveReport {
  std::uint64_t datagrams = 0;
  std::uint64_t bytes = 0;
  std::uint64_t drops = 0;
  double cpu_seconds = 0;
  double seconds = 0;  // From the first to the last datagram.
};

ReceiveReport Drain(UdpSocket& socket, const std::atomic<bool>& stop,
                    std::atomic<std::uint64_t>& received) {
  const double cpu = ThreadCpuSeconds();
  std::optional<Clock::time_point> first;
  Clock::time_point last;
  while (true) {
    const bool ending = stop.load();
    if (socket.Receive().empty()) {
      if (ending) break;
      AwaitEvent(socket, POLLIN, 50);
      continue;
    }
    received.store(socket.stats().received.bytes, std::memory_order_relaxed);
    last = Clock::now();
    if (!first) first = last;
  }
  ReceiveReport report;
  const TrainReceiver::Stats stats = socket.stats().received;
  report.datagrams = stats.datagrams;
  report.bytes = stats.bytes;
  report.drops = socket.drops();
  report.cpu_seconds = ThreadCpuSeconds() - cpu;
  if (first) report.seconds = Seconds(last - *first);
  return report;
}

struct Mode {
  const char* name;
  bool gso;
  bool gro;
  bool batches;  // sendmmsg and recvmmsg.
};

// One run; returns Gbit/s that arrived.
double RunLoopback(const Arguments& arguments, const Mode& mode) {
  static OneByOneSyscalls one_by_one;
  UdpSocket::Options options;
  options.gso = mode.gso;
  options.gro = mode.gro;
  if (!mode.batches) options.syscalls = &one_by_one;
  const SocketAddress any{*IpAddress::Parse("127.0.0.1"), 0};
  UdpSocket receiver = MustOpen(any, options);
  UdpSocket sender = MustOpen(any, options);
  const SocketAddress to = receiver.local_address();

  std::atomic<bool> stop = false;
  std::atomic<std::uint64_t> progress = 0;
  ReceiveReport received;
  std::thread thread([&] { received = Drain(receiver, stop, progress); });
  const SendReport sent = Blast(
      sender, to, arguments,
      Clock::now() + std::chrono::duration_cast<Clock::duration>(
                         std::chrono::duration<double>(arguments.seconds)),
      &progress);
  stop = true;
  thread.join();

  const double rate =
      received.seconds > 0
          ? static_cast<double>(received.bytes) * 8e-9 / received.seconds
          : 0;
  const auto lost = static_cast<double>(sent.datagrams - received.datagrams);
  std::printf(
      "%-28s %7.2f Gbit/s  %5.1f %% lost  %6.0f ns tx  %6.0f ns rx\n",
      mode.name, rate,
      100 * lost /
          static_cast<double>(std::max<std::uint64_t>(sent.datagrams, 1)),
      sent.cpu_seconds * 1e9 /
          static_cast<double>(std::max<std::uint64_t>(sent.datagrams, 1)),
      received.cpu_seconds * 1e9 /
          static_cast<double>(std::max<std::uint64_t>(received.datagrams, 1)));
  if (mode.gso && !sent.gso) std::printf("  (the kernel refused to segment)\n");
  std::fflush(stdout);
  return rate;
}

void Loopback(const Arguments& arguments) {
  constexpr Mode kModes[] = {
      {"one datagram a call", false, false, false},
      {"sendmmsg, recvmmsg", false, false, true},
      {"UDP_SEGMENT", true, false, true},
      {"UDP_SEGMENT and UDP_GRO", true, true, true},
  };
  std::printf("loopback, %zu datagrams of %zu bytes a train, %.1f s a run\n",
              arguments.segments, arguments.size, arguments.seconds);
  std::vector<std::vector<double>> rates(std::size(kModes));
  for (int run = 0; run < arguments.runs; ++run) {
    for (std::size_t i = 0; i < std::size(kModes); ++i) {
      rates[i].push_back(RunLoopback(arguments, kModes[i]));
    }
  }
  std::printf("\n%-28s %8s %8s %8s  (Gbit/s)\n", "", "median", "min", "max");
  for (std::size_t i = 0; i < std::size(kModes); ++i) {
    std::sort(rates[i].begin(), rates[i].end());
    std::printf("%-28s %8.2f %8.2f %8.2f\n", kModes[i].name,
                rates[i][rates[i].size() / 2], rates[i].front(),
                rates[i].back());
  }
}

[[noreturn]] void Listen(const Arguments& arguments) {
  UdpSocket::Options options;
  options.gro = arguments.gro;
  UdpSocket socket = MustOpen(*arguments.listen, options);
  std::uint64_t bytes = 0;
  std::uint64_t drops = 0;
  Clock::time_point reported = Clock::now();
  while (true) {
    if (socket.Receive().empty()) AwaitEvent(socket, POLLIN, 100);
    const Clock::time_point now = Clock::now();
    if (now - reported < std::chrono::seconds(1)) continue;
    const std::uint64_t all = socket.stats().received.bytes;
    if (all != bytes) {
      std::printf(
          "%.3f Gbit/s, %llu dropped by the socket\n",
          static_cast<double>(all - bytes) * 8e-9 / Seconds(now - reported),
          static_cast<unsigned long long>(socket.drops() - drops));
      std::fflush(stdout);
    }
    bytes = all;
    drops = socket.drops();
    reported = now;
  }
}

void SendTo(const Arguments& arguments) {
  UdpSocket::Options options;
  options.gso = arguments.gso;
  const bool v6 = arguments.to->ip.is_v6();
  UdpSocket socket =
      MustOpen({*IpAddress::Parse(v6 ? "::" : "0.0.0.0"), 0}, options);
  const Clock::time_point begin = Clock::now();
  const SendReport report =
      Blast(socket, *arguments.to, arguments,
            begin + std::chrono::duration_cast<Clock::duration>(
                        std::chrono::duration<double>(arguments.seconds)),
            nullptr);
  const double seconds = Seconds(Clock::now() - begin);
  std::printf(
      "sent %.3f Gbit/s, %.0f ns of CPU a datagram%s\n",
      static_cast<double>(socket.stats().sent.bytes) * 8e-9 / seconds,
      report.cpu_seconds * 1e9 /
          static_cast<double>(std::max<std::uint64_t>(report.datagrams, 1)),
      report.gso ? "" : ", not segmented by the kernel");
}

Arguments ParseArguments(int argc, char** argv) {
  Arguments arguments;
  for (int i = 1; i < argc; ++i) {
    const std::string_view option = argv[i];
    if (option == "--no-gso") {
      arguments.gso = false;
      continue;
    }
    if (option == "--no-gro") {
      arguments.gro = false;
      continue;
    }
    if (i + 1 == argc) Fail("what is " + std::string(option) + "?");
    const char* const value = argv[++i];
    if (option == "--seconds") {
      arguments.seconds = std::atof(value);
    } else if (option == "--runs") {
      arguments.runs = std::atoi(value);
    } else if (option == "--size") {
      arguments.size = static_cast<std::size_t>(std::atoll(value));
    } else if (option == "--segments") {
      arguments.segments = static_cast<std::size_t>(std::atoll(value));
    } else if (option == "--window") {
      arguments.window = static_cast<std::uint64_t>(std::atoll(value));
    } else if (option == "--listen") {
      arguments.listen = SocketAddress::Parse(value);
      if (!arguments.listen) Fail("--listen ADDRESS:PORT");
    } else if (option == "--to") {
      arguments.to = SocketAddress::Parse(value);
      if (!arguments.to) Fail("--to ADDRESS:PORT");
    } else {
      Fail("what is " + std::string(option) + "?");
    }
  }
  if (arguments.size < 1 || arguments.size > kMaxTrainBytes ||
      arguments.segments < 1 || arguments.segments > 100'000 ||
      arguments.runs < 1 || !(arguments.seconds > 0)) {
    Fail("a number is out of range");
  }
  return arguments;
}

}  // namespace
}  // namespace p2pcp::udp

int main(int argc, char** argv) {
  const p2pcp::udp::Arguments arguments =
      p2pcp::udp::ParseArguments(argc, argv);
  if (arguments.listen) p2pcp::udp::Listen(arguments);
  if (arguments.to) {
    p2pcp::udp::SendTo(arguments);
  } else {
    p2pcp::udp::Loopback(arguments);
  }
}

// bare_pipe: what moving a file costs when there is nothing but the moving:
// pread, seal, GSO send; GRO receive, open, pwrite, read back and hash. No
// protocol: packets must come in order and none may get lost, which a window
// below the socket's buffer sees to on loopback and on veth pairs. The ceiling
// to hold p2pcp against, on the same machine in the same minute.
//
//   bazel run -c opt //tests/bench:bare_pipe -- FILE OUTPUT
//
//   bare_pipe [--window BYTES] [--runs N] FILE OUTPUT
//       over loopback, a thread a side; OUTPUT is deleted again
//   bare_pipe --listen ADDRESS:PORT OUTPUT
//       receives one file, from another network namespace
//   bare_pipe [--window BYTES] [--rate BYTES] --to ADDRESS:PORT FILE
//       sends it there, so many bytes a second at most
//
// Each side prints its wall time and the CPU time of its thread; on veth and
// loopback the sender's includes the kernel's work of delivery. ns are for each
// full packet.

#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/packet_number.h"
#include "net/base/result.h"
#include "net/base/socket_address.h"
#include "net/crypto/key.h"
#include "net/crypto/packet_aead.h"
#include "net/crypto/packet_cipher.h"
#include "net/udp/udp_socket.h"
#include "transfer/file/digest.h"

namespace p2pcp {
namespace {

using Clock = std::chrono::steady_clock;

// As p2pcp's: a datagram of 1472 bytes is a header of 12 (here the number alone
// is in it), the encrypted 9 bytes of a frame's header and 1435 of the file,
// and a tag of 16. Trains are as long as the kernel takes them.
constexpr std::size_t kHeader = 12;
constexpr std::size_t kFrame = 9;
constexpr std::size_t kData = 1435;
constexpr std::size_t kDatagram = kHeader + kFrame + kData + 16;
constexpr std::size_t kTrain = 44;
constexpr std::size_t kChunk = 256 << 10;
constexpr std::size_t kReadBack = 64 << 10;
// The receiver says how far it is whenever so much has come.
constexpr std::uint64_t kCreditStep = 128 << 10;

[[noreturn]] void Fail(const std::string& message) {
  std::fprintf(stderr, "bare_pipe: %s\n", message.c_str());
  std::exit(2);
}

[[noreturn]] void FailErrno(const std::string& message) {
  Fail(message + ": " + std::strerror(errno));
}

udp::UdpSocket MustOpen(const SocketAddress& bind) {
  Result<udp::UdpSocket> socket = udp::UdpSocket::Open(bind);
  if (!socket.ok()) Fail(socket.error().message);
  return std::move(socket).value();
}

void Await(const udp::UdpSocket& socket, short events) {
  pollfd waiting{socket.fd(), events, 0};
  if (poll(&waiting, 1, 5000) == 0) Fail("a datagram got lost");
}

// Both sides have the same, known to everybody: this is no protocol.
crypto::Suite ChooseSuite() {
  return crypto::HasAesHardware() ? crypto::Suite::kAes256Gcm
                                  : crypto::Suite::kChaCha20Poly1305;
}

void WriteUint(std::uint64_t value, std::byte* out, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) {
    out[i] = static_cast<std::byte>(value >> (8 * (size - 1 - i)));
  }
}

std::uint64_t ReadUint(const std::byte* in, std::size_t size) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < size; ++i) {
    value = value << 8 | std::to_integer<std::uint64_t>(in[i]);
  }
  return value;
}

struct Report {
  std::uint64_t bytes = 0;
  double seconds = 0;
  double user = 0;
  double system = 0;
};

class Meter {
 public:
  Meter() : begin_(Clock::now()) { getrusage(RUSAGE_THREAD, &usage_); }
  Report Stop(std::uint64_t bytes) const {
    rusage now;
    getrusage(RUSAGE_THREAD, &now);
    const auto seconds = [](const timeval& from, const timeval& to) {
      return static_cast<double>(to.tv_sec - from.tv_sec) +
             static_cast<double>(to.tv_usec - from.tv_usec) * 1e-6;
    };
    return {bytes, std::chrono::duration<double>(Clock::now() - begin_).count(),
            seconds(usage_.ru_utime, now.ru_utime),
            seconds(usage_.ru_stime, now.ru_stime)};
  }

 private:
  Clock::time_point begin_;
  rusage usage_;
};

void Print(const char* who, const Report& report) {
  const auto bytes = static_cast<double>(report.bytes);
  const double cpu = report.user + report.system;
  std::printf(
      "%-8s %.3f s  %6.2f Gbit/s  cpu %.3f s (%.2f user, %.2f system)  %5.0f "
      "ns a packet\n",
      who, report.seconds, bytes * 8e-9 / report.seconds, cpu, report.user,
      report.system, cpu * 1e9 / (bytes / kData));
  std::fflush(stdout);
}

// --- The sender ---

class PipeSender {
 public:
  // rate: bytes a second; 0: as fast as it goes.
  PipeSender(udp::UdpSocket* socket, const SocketAddress& to,
             std::uint64_t window, std::uint64_t rate)
      : socket_(*socket), to_(to), window_(window), rate_(rate) {}

  Report Run(const std::string& path) {
    const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    struct stat info;
    if (fd < 0 || fstat(fd, &info) != 0) FailErrno(path);
    size_ = static_cast<std::uint64_t>(info.st_size);
    const Meter meter;
    // The first packet says how much will come.
    std::array<std::byte, 8> total;
    WriteUint(size_, total.data(), total.size());
    Seal(0, total);
    Send();
    for (std::uint64_t at = 0; at < size_;) {
      const std::size_t have = ReadChunk(fd, at);
      for (std::size_t i = 0; i < have;) {
        const std::size_t size = std::min(kData, have - i);
        Seal(at + i, ByteSpan(chunk_).subspan(i, size));
        i += size;
      }
      at += have;
    }
    Send();
    while (credit_ < size_) AwaitCredit();
    close(fd);
    return meter.Stop(size_);
  }

 private:
  // A whole number of packets, but at the end.
  std::size_t ReadChunk(int fd, std::uint64_t at) {
    std::size_t have = 0;
    while (have < chunk_.size() && at + have < size_) {
      const ssize_t n = pread(fd, chunk_.data() + have, chunk_.size() - have,
                              static_cast<off_t>(at + have));
      if (n <= 0) FailErrno("read");
      have += static_cast<std::size_t>(n);
    }
    return have;
  }

  void Seal(std::uint64_t offset, ByteSpan data) {
    const MutableByteSpan out = MutableByteSpan(train_).subspan(train_size_);
    WriteUint(number_, out.data(), kHeader);
    WriteUint(offset, out.data() + kHeader, kFrame);
    const std::size_t size =
        sealer_.Seal(PacketNumber(number_++), out.first(kHeader),
                     out.subspan(kHeader, kFrame), data, out);
    train_size_ += size;
    end_ = offset + data.size();
    if (size < kDatagram || train_size_ == kTrain * kDatagram) Send();
  }

  void Send() {
    if (train_size_ == 0) return;
    while (end_ > credit_ + window_) AwaitCredit();
    if (rate_ > 0) {
      std::this_thread::sleep_until(
          begin_ + std::chrono::duration<double>(static_cast<double>(end_) /
                                                 static_cast<double>(rate_)));
    }
    ByteSpan rest = MutableByteSpan(train_).first(train_size_);
    const std::size_t segment = std::min(train_size_, kDatagram);
    while (!rest.empty()) {
      const udp::SendResult result = socket_.Send(to_, rest, segment);
      rest = rest.subspan(std::min(result.segments * segment, rest.size()));
      if (result.status == udp::SendStatus::kSent) break;
      if (result.status != udp::SendStatus::kWouldBlock) {
        Fail(std::string("send: ") + std::strerror(result.os_errno));
      }
      Await(socket_, POLLOUT);
    }
    train_size_ = 0;
  }

  void AwaitCredit() {
    for (;;) {
      for (const udp::ReceivedTrain& train : socket_.Receive()) {
        for (std::size_t at = 0; at + 8 <= train.bytes.size(); at += 8) {
          credit_ = std::max(credit_, ReadUint(train.bytes.data() + at, 8));
        }
        return;
      }
      Await(socket_, POLLIN);
    }
  }

  udp::UdpSocket& socket_;
  const SocketAddress to_;
  const std::uint64_t window_;
  const std::uint64_t rate_;
  const Clock::time_point begin_ = Clock::now();
  crypto::PacketSealer sealer_{ChooseSuite(), crypto::Key()};
  std::vector<std::byte> chunk_ =
      std::vector<std::byte>(kChunk / kData * kData);
  std::vector<std::byte> train_ = std::vector<std::byte>(kTrain * kDatagram);
  std::size_t train_size_ = 0;
  std::uint64_t number_ = 0;
  std::uint64_t end_ = 0;     // Of what is in the train.
  std::uint64_t credit_ = 0;  // What the receiver has.
  std::uint64_t size_ = 0;
};

// --- The receiver ---

class PipeReceiver {
 public:
  explicit PipeReceiver(udp::UdpSocket* socket) : socket_(*socket) {}

  // Times from the first packet on.
  Report Run(const std::string& path) {
    fd_ = open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd_ < 0) FailErrno(path);
    std::optional<Meter> meter;
    while (!size_ || received_ < *size_) {
      const auto trains = socket_.Receive();
      if (trains.empty()) {
        pollfd waiting{socket_.fd(), POLLIN, 0};
        const int ready = poll(&waiting, 1, meter ? 5000 : -1);
        if (ready == 0) Fail("a datagram got lost");
        continue;
      }
      if (!meter) meter.emplace();
      for (const udp::ReceivedTrain& train : trains) {
        for (std::size_t at = 0; at < train.bytes.size();
             at += train.segment_size) {
          Open(train.bytes.subspan(
              at, std::min(train.segment_size, train.bytes.size() - at)));
        }
      }
      const bool done = size_ && received_ == *size_;
      if (done) Flush();
      if (done || received_ - credited_ >= kCreditStep) {
        credited_ = received_;
        std::array<std::byte, 8> credit;
        WriteUint(credited_, credit.data(), credit.size());
        socket_.Send(trains.front().from, credit, credit.size());
      }
    }
    close(fd_);
    return meter->Stop(received_);
  }

  file::Digest digest() const { return hasher_.Finish(); }

 private:
  void Open(MutableByteSpan datagram) {
    if (datagram.size() < kHeader + kFrame) Fail("a strange datagram");
    const auto text =
        opener_.Open(PacketNumber(ReadUint(datagram.data() + kHeader - 8, 8)),
                     datagram.first(kHeader), datagram.subspan(kHeader));
    if (!text) Fail("a datagram is not authentic");
    const std::uint64_t offset = ReadUint(text->data(), kFrame);
    ByteSpan data = text->subspan(kFrame);
    if (!size_) {
      size_ = ReadUint(data.data(), 8);
      return;
    }
    if (offset != received_) Fail("a datagram got lost");
    received_ += data.size();
    while (!data.empty()) {
      const std::size_t n = std::min(data.size(), kChunk - filled_);
      std::memcpy(chunk_.get() + filled_, data.data(), n);
      filled_ += n;
      data = data.subspan(n);
      if (filled_ == kChunk) Flush();
    }
  }

  void Flush() {
    const auto at = static_cast<off_t>(written_);
    if (pwrite(fd_, chunk_.get(), filled_, at) !=
        static_cast<ssize_t>(filled_)) {
      FailErrno("write");
    }
    for (std::size_t i = 0; i < filled_; i += kReadBack) {
      const std::size_t n = std::min(kReadBack, filled_ - i);
      if (pread(fd_, back_.get(), n, at + static_cast<off_t>(i)) !=
          static_cast<ssize_t>(n)) {
        FailErrno("read back");
      }
      hasher_.Update({back_.get(), n});
    }
    written_ += filled_;
    filled_ = 0;
  }

  udp::UdpSocket& socket_;
  crypto::PacketOpener opener_{ChooseSuite(), crypto::Key()};
  file::Hasher hasher_;
  std::unique_ptr<std::byte[]> chunk_ = std::make_unique<std::byte[]>(kChunk);
  std::unique_ptr<std::byte[]> back_ = std::make_unique<std::byte[]>(kReadBack);
  int fd_ = -1;
  std::optional<std::uint64_t> size_;
  std::uint64_t received_ = 0;
  std::uint64_t credited_ = 0;
  std::uint64_t written_ = 0;
  std::size_t filled_ = 0;
};

file::Digest DigestOf(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) FailErrno(path);
  file::Hasher hasher;
  std::vector<std::byte> buffer(1 << 20);
  ssize_t n;
  while ((n = read(fd, buffer.data(), buffer.size())) > 0) {
    hasher.Update(ByteSpan(buffer).first(static_cast<std::size_t>(n)));
  }
  close(fd);
  return hasher.Finish();
}

struct Arguments {
  std::uint64_t window = 2 << 20;
  std::uint64_t rate = 0;
  int runs = 3;
  std::optional<SocketAddress> listen;
  std::optional<SocketAddress> to;
  std::vector<std::string> files;
};

void Loopback(const Arguments& arguments) {
  const SocketAddress any{*IpAddress::Parse("127.0.0.1"), 0};
  const file::Digest expected = DigestOf(arguments.files[0]);
  std::vector<double> rates;
  for (int run = 0; run < arguments.runs; ++run) {
    udp::UdpSocket in = MustOpen(any);
    udp::UdpSocket out = MustOpen(any);
    PipeReceiver receiver(&in);
    Report received;
    std::thread thread([&] { received = receiver.Run(arguments.files[1]); });
    const Report sent =
        PipeSender(&out, in.local_address(), arguments.window, arguments.rate)
            .Run(arguments.files[0]);
    thread.join();
    Print("sender", sent);
    Print("receiver", received);
    if (receiver.digest() != expected) Fail("what arrived is not what left");
    unlink(arguments.files[1].c_str());
    rates.push_back(static_cast<double>(sent.bytes) * 8e-9 / sent.seconds);
  }
  std::sort(rates.begin(), rates.end());
  std::printf("median %.2f Gbit/s, %.2f to %.2f\n", rates[rates.size() / 2],
              rates.front(), rates.back());
}

Arguments ParseArguments(int argc, char** argv) {
  Arguments arguments;
  for (int i = 1; i < argc; ++i) {
    const std::string_view option = argv[i];
    if (!option.starts_with("--")) {
      arguments.files.emplace_back(option);
      continue;
    }
    if (i + 1 == argc) Fail("what is " + std::string(option) + "?");
    const char* const value = argv[++i];
    if (option == "--window") {
      arguments.window = static_cast<std::uint64_t>(std::atoll(value));
    } else if (option == "--rate") {
      arguments.rate = static_cast<std::uint64_t>(std::atoll(value));
    } else if (option == "--runs") {
      arguments.runs = std::atoi(value);
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
  const std::size_t files = arguments.listen || arguments.to ? 1 : 2;
  if (arguments.files.size() != files) Fail("which files?");
  if (arguments.window < kTrain * kData + kCreditStep || arguments.runs < 1) {
    Fail("a number is out of range");
  }
  return arguments;
}

void Main(const Arguments& arguments) {
  if (arguments.listen) {
    udp::UdpSocket socket = MustOpen(*arguments.listen);
    PipeReceiver receiver(&socket);
    Print("receiver", receiver.Run(arguments.files[0]));
    std::printf("xxh128 %s\n", receiver.digest().ToString().c_str());
  } else if (arguments.to) {
    const bool v6 = arguments.to->ip.is_v6();
    udp::UdpSocket socket =
        MustOpen({*IpAddress::Parse(v6 ? "::" : "0.0.0.0"), 0});
    Print("sender",
          PipeSender(&socket, *arguments.to, arguments.window, arguments.rate)
              .Run(arguments.files[0]));
  } else {
    Loopback(arguments);
  }
}

}  // namespace
}  // namespace p2pcp

int main(int argc, char** argv) {
  p2pcp::Main(p2pcp::ParseArguments(argc, argv));
}

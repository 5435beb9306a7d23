// Sends datagrams of random bytes at a fixed rate:
//   garbage ADDRESS PORT RATE SECONDS [PREFIX]
// RATE: datagrams a second. PREFIX: hexadecimal, what each begins with. Prints
// how many were sent.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <time.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace {

constexpr int kBatch = 64;
constexpr std::size_t kSize = 200;

double Now() {
  timespec now = {};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) +
         static_cast<double>(now.tv_nsec) * 1e-9;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 5) return 2;
  sockaddr_in to = {};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<std::uint16_t>(std::atoi(argv[2])));
  if (inet_pton(AF_INET, argv[1], &to.sin_addr) != 1) return 2;
  const double rate = std::atof(argv[3]);
  const double seconds = std::atof(argv[4]);
  std::string prefix;
  for (const char* hex = argc > 5 ? argv[5] : ""; hex[0] && hex[1]; hex += 2) {
    prefix += static_cast<char>(std::stoi(std::string(hex, 2), nullptr, 16));
  }

  const int fd = socket(AF_INET, SOCK_DGRAM, 0);
  std::array<std::array<char, kSize>, kBatch> buffers;
  std::array<iovec, kBatch> parts;
  std::array<mmsghdr, kBatch> messages{};
  std::uint64_t state = 88172645463325252u;  // xorshift64
  for (int i = 0; i < kBatch; ++i) {
    for (std::size_t at = 0; at < kSize; ++at) {
      state ^= state << 13;
      state ^= state >> 7;
      state ^= state << 17;
      buffers[i][at] =
          at < prefix.size() ? prefix[at] : static_cast<char>(state >> 32);
    }
    parts[i] = {buffers[i].data(), kSize};
    messages[i].msg_hdr.msg_iov = &parts[i];
    messages[i].msg_hdr.msg_iovlen = 1;
    messages[i].msg_hdr.msg_name = &to;
    messages[i].msg_hdr.msg_namelen = sizeof(to);
  }

  const double begin = Now();
  std::uint64_t sent = 0;
  for (double now = begin; now < begin + seconds; now = Now()) {
    if (static_cast<double>(sent) > (now - begin) * rate) {
      const timespec nap = {0, 200'000};
      nanosleep(&nap, nullptr);
      continue;
    }
    // ECONNREFUSED and a full queue are nothing to us.
    const int n = sendmmsg(fd, messages.data(), kBatch, 0);
    sent += n > 0 ? static_cast<std::uint64_t>(n) : 1;
  }
  std::printf("%llu\n", static_cast<unsigned long long>(sent));
  return 0;
}

// A disk that is slow: loaded before the C library, it lets each write at an
// offset take 100 ms, of which the processor has nothing. With
// SLOW_WRITES_STALL set to a number of milliseconds the fifth write takes
// these, and no other is slow.

#include <dlfcn.h>
#include <poll.h>
#include <sys/types.h>

#include <atomic>
#include <cstddef>
#include <cstdlib>

namespace {

using Pwrite = ssize_t (*)(int, const void*, std::size_t, off64_t);
constexpr int kMilliseconds = 100;
constexpr int kStalledWrite = 5;

int Delay() {
  static std::atomic<int> writes{0};
  const char* const stall = std::getenv("SLOW_WRITES_STALL");
  if (stall == nullptr) return kMilliseconds;
  return ++writes == kStalledWrite ? std::atoi(stall) : 0;
}

ssize_t Slow(const char* name, int fd, const void* buffer, std::size_t size,
             off64_t offset) {
  poll(nullptr, 0, Delay());
  const auto next = reinterpret_cast<Pwrite>(dlsym(RTLD_NEXT, name));
  return next(fd, buffer, size, offset);
}

}  // namespace

extern "C" ssize_t pwrite(int fd, const void* buffer, std::size_t size,
                          off_t offset) {
  return Slow("pwrite", fd, buffer, size, offset);
}

extern "C" ssize_t pwrite64(int fd, const void* buffer, std::size_t size,
                            off64_t offset) {
  return Slow("pwrite64", fd, buffer, size, offset);
}

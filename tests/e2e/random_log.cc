// What the kernel's random source gave, for LD_PRELOAD: each 32 bytes that were
// asked for at once go to the file P2PCP_TEST_RANDOM_LOG, in hexadecimal, a
// line each. Among them are the ephemeral keys of handshakes. So a test can
// read a recorded session, and the program itself has no way to give its keys
// away.

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/random.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

namespace {

constexpr ssize_t kKeySize = 32;

void Log(const unsigned char* key) {
  static const char* const path = getenv("P2PCP_TEST_RANDOM_LOG");
  if (path == nullptr) return;
  char line[2 * kKeySize + 2];
  for (int i = 0; i < kKeySize; ++i) {
    std::snprintf(line + 2 * i, 3, "%02x", key[i]);
  }
  line[2 * kKeySize] = '\n';
  const int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  // A line is written at once: several threads and processes append.
  if (fd < 0 || write(fd, line, 2 * kKeySize + 1) != 2 * kKeySize + 1) abort();
  close(fd);
}

}  // namespace

extern "C" ssize_t getrandom(void* out, size_t size, unsigned flags) {
  using Function = ssize_t (*)(void*, size_t, unsigned);
  static const auto next =
      reinterpret_cast<Function>(dlsym(RTLD_NEXT, "getrandom"));
  const ssize_t got = next(out, size, flags);
  if (got == kKeySize) Log(static_cast<const unsigned char*>(out));
  return got;
}

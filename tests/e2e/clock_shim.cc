// Other clocks, for LD_PRELOAD. The wall clock is as many seconds off as
// P2PCP_TEST_CLOCK_OFFSET says. And the machine has slept for as many seconds
// as stand in the file P2PCP_TEST_SLEPT, which may change at any time: they
// count on CLOCK_BOOTTIME, and not on CLOCK_MONOTONIC, as after a suspend.

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <cstdlib>

namespace {

long Offset() {
  static const char* const text = getenv("P2PCP_TEST_CLOCK_OFFSET");
  return text != nullptr ? std::atol(text) : 0;
}

long Slept() {
  static const char* const path = getenv("P2PCP_TEST_SLEPT");
  if (path == nullptr) return 0;
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  char text[32] = {};
  const ssize_t size = read(fd, text, sizeof(text) - 1);
  close(fd);
  return size > 0 ? std::atol(text) : 0;
}

template <typename Function>
Function Next(const char* name) {
  return reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
}

}  // namespace

extern "C" int clock_gettime(clockid_t clock, timespec* out) {
  static const auto next = Next<int (*)(clockid_t, timespec*)>("clock_gettime");
  const int result = next(clock, out);
  if (result == 0 && clock == CLOCK_REALTIME) out->tv_sec += Offset();
  if (result == 0 && clock == CLOCK_BOOTTIME) out->tv_sec += Slept();
  return result;
}

// p2pcp has timers of CLOCK_BOOTTIME only, which the kernel keeps.
extern "C" int timerfd_settime(int fd, int flags, const itimerspec* value,
                               itimerspec* old) {
  static const auto next =
      Next<int (*)(int, int, const itimerspec*, itimerspec*)>(
          "timerfd_settime");
  itimerspec when = *value;
  if ((flags & TFD_TIMER_ABSTIME) != 0 && when.it_value.tv_sec > Slept()) {
    when.it_value.tv_sec -= Slept();
  }
  return next(fd, flags, &when, old);
}

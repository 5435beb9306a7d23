// Another time of day, for LD_PRELOAD: the wall clock is as many seconds off as
// P2PCP_TEST_CLOCK_OFFSET says. All other clocks are right.

#include <dlfcn.h>
#include <time.h>

#include <cstdlib>

namespace {

long Offset() {
  static const char* const text = getenv("P2PCP_TEST_CLOCK_OFFSET");
  return text != nullptr ? std::atol(text) : 0;
}

}  // namespace

extern "C" int clock_gettime(clockid_t clock, timespec* out) {
  using Function = int (*)(clockid_t, timespec*);
  static const auto next =
      reinterpret_cast<Function>(dlsym(RTLD_NEXT, "clock_gettime"));
  const int result = next(clock, out);
  if (result == 0 && clock == CLOCK_REALTIME) out->tv_sec += Offset();
  return result;
}

// P2PCP_CHECK: a precondition or invariant whose failure is a bug in p2pcp.
// It aborts in every build. Input from peers, files or users never reaches it:
// that is parsed into a Result (see result.h) or dropped and counted.

#ifndef P2PCP_NET_BASE_CHECK_H_
#define P2PCP_NET_BASE_CHECK_H_

#include <cstdio>
#include <cstdlib>

namespace p2pcp::internal {

[[noreturn]] inline void CheckFailed(const char* condition, const char* file,
                                     int line) {
  std::fprintf(stderr, "%s:%d: bug: check failed: %s\n", file, line, condition);
  std::abort();
}

}  // namespace p2pcp::internal

#define P2PCP_CHECK(condition) \
  ((condition)                 \
       ? static_cast<void>(0)  \
       : ::p2pcp::internal::CheckFailed(#condition, __FILE__, __LINE__))

#endif  // P2PCP_NET_BASE_CHECK_H_

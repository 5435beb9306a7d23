// Whether this build is instrumented. For limits that a sanitizer can't live
// with (address space, looking into its own process); never for behaviour.

#ifndef P2PCP_NET_BASE_SANITIZER_H_
#define P2PCP_NET_BASE_SANITIZER_H_

namespace p2pcp {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif
#else
inline constexpr bool kSanitized = false;
#endif

}  // namespace p2pcp

#endif  // P2PCP_NET_BASE_SANITIZER_H_

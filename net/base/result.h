// Result<T>: a value or an Error, for everything that the outside world can
// make fail. Bugs abort instead (check.h); no exception crosses a package.

#ifndef P2PCP_NET_BASE_RESULT_H_
#define P2PCP_NET_BASE_RESULT_H_

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "net/base/check.h"

namespace p2pcp {

// What kind of failure it is. Each maps to one exit code (cmd/exit_code.h).
enum class ErrorCode {
  kOther,
  kUsage,                  // The user asked for something that makes no sense.
  kMalformed,              // Bytes that are not what their format demands.
  kPeerNeverAppeared,      // Nobody answered within --timeout.
  kRendezvousUnreachable,  // No broker (or no resolver) could be reached.
  kNoPath,                 // Both sides met, but no datagram got through.
  kAuthenticationFailed,   // A handshake failed or a key is not the known one.
  kDeclined,               // The peer said no.
  kKeptBack,               // Some files were kept back (conflict, policy).
  kIntegrity,              // Content is not what was promised.
  kConnectionLost,         // The peer is gone, or all paths to it.
  kSourceUnreadable,       // What is to be sent cannot be read, or changed.
  kCannotWrite,            // The destination cannot be written, or is full.
  kVersionMismatch,        // The peer speaks no version that we speak.
};

struct Error {
  ErrorCode code = ErrorCode::kOther;
  std::string message;  // For people: what happened, without a final stop.
  int os_errno = 0;     // errno behind it, 0 where there is none.
};

// The same error with what was being done put before it: "context: message".
Error Annotate(Error error, std::string_view context);

// An Error from errno: "context: strerror(os_errno)".
Error ErrnoError(ErrorCode code, std::string_view context, int os_errno);

template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  // REQUIRES: ok().
  T& value() & {
    P2PCP_CHECK(ok());
    return *std::get_if<0>(&state_);
  }
  const T& value() const& {
    P2PCP_CHECK(ok());
    return *std::get_if<0>(&state_);
  }
  T&& value() && {
    P2PCP_CHECK(ok());
    return std::move(*std::get_if<0>(&state_));
  }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  // REQUIRES: !ok().
  const Error& error() const& {
    P2PCP_CHECK(!ok());
    return *std::get_if<1>(&state_);
  }
  Error&& error() && {
    P2PCP_CHECK(!ok());
    return std::move(*std::get_if<1>(&state_));
  }

 private:
  std::variant<T, Error> state_;
};

// Success without a value, or an Error.
template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}

  bool ok() const { return !error_.has_value(); }
  explicit operator bool() const { return ok(); }

  // REQUIRES: !ok().
  const Error& error() const& {
    P2PCP_CHECK(!ok());
    return *error_;
  }
  Error&& error() && {
    P2PCP_CHECK(!ok());
    return std::move(*error_);
  }

 private:
  std::optional<Error> error_;
};

using Status = Result<void>;

}  // namespace p2pcp

#endif  // P2PCP_NET_BASE_RESULT_H_

// BindingTransaction: asks one STUN server what our address looks like from
// outside (RFC 8489 sections 6.2.1 and 6.3.3). Sans-IO.
//
//            HandleTimeout: retransmission           after 5 requests
//               +------+                               and 3.1 s
//               v      |                             +-----------> kTimedOut
//   PollTransmit-> kPending --------------------------+
//                      | Binding success response with an address
//                      +--------------------------------> kSucceeded
//                      | Binding error response, or one that demands what
//                      | we do not understand
//                      +--------------------------------> kRejected
//
// To be believed a response must carry our 96-bit transaction ID and come from
// the address that was asked; one to a CHANGE-REQUEST (RFC 5780) from where
// that was to make it come from. The server may still lie: the caller asks two
// of different operators, and candidates are proven by probes.

#ifndef P2PCP_NET_STUN_BINDING_TRANSACTION_H_
#define P2PCP_NET_STUN_BINDING_TRANSACTION_H_

#include <cstddef>
#include <cstdint>
#include <optional>

#include "net/base/bytes.h"
#include "net/base/random.h"
#include "net/base/socket_address.h"
#include "net/base/time.h"
#include "net/stun/message.h"

namespace p2pcp::stun {

// The wait before the first retransmission; it doubles with each. RFC 8489
// section 6.2.1 says 500 ms where nothing is known, for the sake of congested
// links; five datagrams of 28 bytes congest nothing, and the user is waiting.
inline constexpr Duration kInitialRto = 100ms;
// Rc of RFC 8489 section 6.2.1: requests at 0, 100, 300, 700 and 1500 ms.
inline constexpr int kMaxRequests = 5;
// Rm: after the last request this many initial RTOs pass before giving up.
inline constexpr int kLastWaitRtos = 16;
// Header, CHANGE-REQUEST, FINGERPRINT.
inline constexpr std::size_t kMaxRequestSize = 36;

class BindingTransaction {
 public:
  enum class State : std::uint8_t {
    kPending,
    kSucceeded,
    kRejected,
    kTimedOut,
  };

  // The first request is due at once.
  BindingTransaction(TimePoint now, const SocketAddress& server,
                     Random& random);
  // With CHANGE-REQUEST: only a response from `source`, which is not the
  // server's own address, is a success.
  BindingTransaction(TimePoint now, const SocketAddress& server,
                     const ChangeRequest& change, const SocketAddress& source,
                     Random& random);

  // Where the requests go.
  const SocketAddress& server() const { return server_; }
  const TransactionId& transaction_id() const { return transaction_id_; }
  State state() const { return state_; }

  // Writes a request that is due and returns its size; nullopt when none is.
  // REQUIRES: out.size() >= kMaxRequestSize.
  std::optional<std::size_t> PollTransmit(TimePoint now, MutableByteSpan out);
  void HandleTimeout(TimePoint now);
  // When HandleTimeout, then PollTransmit, want to be called; nullopt at the
  // end.
  std::optional<TimePoint> PollTimeout() const;

  // True if the datagram was the server's answer to this transaction, of
  // whatever content; false leaves it to others. Late copies of the answer are
  // taken too.
  bool HandleDatagram(TimePoint now, const SocketAddress& from,
                      ByteSpan datagram);

  // Our address as the server sees it. REQUIRES: state() == kSucceeded.
  const SocketAddress& mapped_address() const;
  // OTHER-ADDRESS of the response, where there was one.
  const std::optional<SocketAddress>& other_address() const {
    return other_address_;
  }
  // The server's error code; 0 where it gave none. For diagnosis.
  int error_code() const { return error_code_; }
  // Only where one request was sent, since a response does not tell which
  // request it answers (Karn's rule).
  std::optional<Duration> rtt() const { return rtt_; }

 private:
  SocketAddress server_;
  std::optional<ChangeRequest> change_;
  SocketAddress source_;
  TransactionId transaction_id_;
  State state_ = State::kPending;
  int requests_sent_ = 0;
  bool transmit_due_ = true;
  TimePoint last_sent_;
  TimePoint deadline_;
  Duration rto_ = kInitialRto;
  std::optional<SocketAddress> mapped_address_;
  std::optional<SocketAddress> other_address_;
  int error_code_ = 0;
  std::optional<Duration> rtt_;
};

}  // namespace p2pcp::stun

#endif  // P2PCP_NET_STUN_BINDING_TRANSACTION_H_

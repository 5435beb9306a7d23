// BindingResponder: the core of a STUN server for Binding requests without
// authentication (RFC 8489 sections 6.3.1 and 13). Sans-IO and without state,
// so there is nothing that a flood could fill.
//
// It answers requests only, never a response or an indication, so that two
// servers can't be set against each other; and it says no more than it must:
// 32 bytes (IPv4) or 44 (IPv6) for a request of 20, which makes it worthless as
// an amplifier. It offers no OTHER-ADDRESS (RFC 5780), which takes two IP
// addresses that few of those who run `p2pcp serve` have, and refuses a
// CHANGE-REQUEST as an attribute that it does not understand.

#ifndef P2PCP_NET_STUN_BINDING_RESPONDER_H_
#define P2PCP_NET_STUN_BINDING_RESPONDER_H_

#include <cstddef>
#include <cstdint>

#include "net/base/bytes.h"
#include "net/base/socket_address.h"

namespace p2pcp::stun {

class BindingResponder {
 public:
  // Room for the largest answer: header, XOR-MAPPED-ADDRESS for IPv6 or a 420
  // with its attributes, FINGERPRINT.
  static constexpr std::size_t kMaxResponseSize = 64;

  struct Stats {
    std::uint64_t answered = 0;  // With the address.
    std::uint64_t refused = 0;   // With an error response.
    std::uint64_t ignored = 0;   // With silence.
  };

  // Writes the answer to a datagram from `from` and returns its size; 0: none
  // is due. It goes back to `from`, out of the address that was asked.
  // REQUIRES: out.size() >= kMaxResponseSize.
  std::size_t HandleDatagram(const SocketAddress& from, ByteSpan datagram,
                             MutableByteSpan out);

  const Stats& stats() const { return stats_; }

 private:
  Stats stats_;
};

}  // namespace p2pcp::stun

#endif  // P2PCP_NET_STUN_BINDING_RESPONDER_H_

// How a NAT or a firewall filters (RFC 4787 section 5), as far as a server with
// two addresses can tell (RFC 5780 section 4.4): asked from one address, it
// answers from another port, and from another address and port. What comes in
// is let in. Never a reason not to try something.
//
// Sans-IO. Both questions go out at once, and go unanswered behind most NATs,
// which takes 3.1 s.

#ifndef P2PCP_NET_STUN_FILTERING_DISCOVERY_H_
#define P2PCP_NET_STUN_FILTERING_DISCOVERY_H_

#include <array>
#include <cstddef>
#include <optional>

#include "net/base/bytes.h"
#include "net/base/random.h"
#include "net/base/socket_address.h"
#include "net/base/time.h"
#include "net/stun/behaviour.h"
#include "net/stun/binding_transaction.h"

namespace p2pcp::stun {

class FilteringDiscovery {
 public:
  // Whether `other`, OTHER-ADDRESS of a response of the server's, is what it
  // has to be: another address with another port.
  static bool IsUsable(const SocketAddress& server, const SocketAddress& other);

  // The socket has had an answer from the server, and has never sent anything
  // to other.ip, nor to another port of the server's. REQUIRES:
  // IsUsable(server, other).
  FilteringDiscovery(TimePoint now, const SocketAddress& server,
                     const SocketAddress& other, Random& random);

  const SocketAddress& server() const { return questions_[0].server(); }
  const SocketAddress& other() const { return other_; }
  // kUnknown: not known yet, or the server refuses.
  Dependence result() const;

  // As BindingTransaction's; requests go to server().
  std::optional<std::size_t> PollTransmit(TimePoint now, MutableByteSpan out);
  void HandleTimeout(TimePoint now);
  // nullopt: result() is final.
  std::optional<TimePoint> PollTimeout() const;
  bool HandleDatagram(TimePoint now, const SocketAddress& from,
                      ByteSpan datagram);

 private:
  SocketAddress other_;
  // For an answer from another address and port, and from another port.
  std::array<BindingTransaction, 2> questions_;
};

}  // namespace p2pcp::stun

#endif  // P2PCP_NET_STUN_FILTERING_DISCOVERY_H_

// Server-reflexive addresses (RFC 8445 section 5.1.1.2): what STUN servers see
// of our sockets, asked again often enough that the NAT keeps the mapping. One
// that has two addresses is asked once how the NAT filters, too.

#ifndef P2PCP_NET_CONNECT_REFLEXIVE_GATHERER_H_
#define P2PCP_NET_CONNECT_REFLEXIVE_GATHERER_H_

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/random.h"
#include "net/base/socket_address.h"
#include "net/base/time.h"
#include "net/stun/behaviour.h"
#include "net/stun/binding_transaction.h"
#include "net/stun/filtering_discovery.h"

namespace p2pcp::connect {

class ReflexiveGatherer {
 public:
  // Each is asked anew every kRefresh: NATs may forget an idle UDP mapping
  // after 30 s (Linux, for a flow without replies), and RFC 4787 REQ-5 only
  // asks them for 2 minutes.
  static constexpr Duration kRefresh = 20s;
  static constexpr std::size_t kMaxServers = 8;

  explicit ReflexiveGatherer(Random& random) : random_(random) {}

  // A server, by the socket that asks it. Beyond kMaxServers, or known: no
  // effect.
  void AddServer(TimePoint now, const SocketAddress& server,
                 std::uint8_t socket);
  // Nothing is asked any more, until Refresh(); what is known stays.
  void Stop();
  // Asks every server now that is not being asked: the NAT may have given us
  // other addresses. After Stop(): this once.
  void Refresh(TimePoint now);

  struct Mapping {
    std::uint8_t socket = 0;
    SocketAddress server;
    SocketAddress mapped;
  };
  // How the NAT of the IPv4 socket filters; kUnknown: not known (yet), which is
  // what most servers leave it at.
  stun::Dependence filtering() const;
  // What has been answered so far, in the order in which servers were added.
  std::vector<Mapping> mappings() const;

  // True if the datagram was a response to one of our requests. If it told
  // something new, PollMapping() has it.
  bool HandleDatagram(TimePoint now, std::uint8_t socket,
                      const SocketAddress& from, ByteSpan datagram);
  void HandleTimeout(TimePoint now);
  std::optional<TimePoint> PollTimeout() const;

  struct Transmit {
    std::uint8_t socket = 0;
    SocketAddress to;
    std::size_t size = 0;
  };
  std::optional<Transmit> PollTransmit(TimePoint now, MutableByteSpan out);
  // A mapping that is new or has changed.
  std::optional<Mapping> PollMapping();

 private:
  struct Server {
    SocketAddress address;
    std::uint8_t socket = 0;
    // The present one, or the last; none after Stop().
    std::optional<stun::BindingTransaction> transaction;
    TimePoint refresh_at;
    std::optional<SocketAddress> mapped;
  };

  bool HasAsked(const IpAddress& ip) const;

  Random& random_;
  bool stopped_ = false;
  std::optional<stun::FilteringDiscovery> filtering_;
  std::uint8_t filtering_socket_ = 0;
  std::vector<Server> servers_;
  std::deque<Mapping> changes_;
};

}  // namespace p2pcp::connect

#endif  // P2PCP_NET_CONNECT_REFLEXIVE_GATHERER_H_

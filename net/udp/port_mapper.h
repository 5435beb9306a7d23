// Gets one UDP port mapped by the router, keeps it so, and gives it back: PCP,
// and NAT-PMP where the router knows no PCP. Sans-IO; single-threaded.
//
//            no answer in 250 ms,
//            or none of that version
//   PCP -----------------------------> NAT-PMP (PCP goes on, unless refused)
//    | answer        answers (address and map) |
//    v                                         v
//   Mapped <-----------------------------------+
//    |  renewed at half of the lease; refused or not answered: from the start,
//    |  a minute later
//    v  Release()
//   Released

#ifndef P2PCP_NET_UDP_PORT_MAPPER_H_
#define P2PCP_NET_UDP_PORT_MAPPER_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "net/base/bytes.h"
#include "net/base/random.h"
#include "net/base/socket_address.h"
#include "net/base/time.h"
#include "net/udp/pcp_message.h"

namespace p2pcp::udp {

class PortMapper {
 public:
  // What is asked for. What the router grants counts, between these bounds:
  // one that says "for ever" or "a second" is renewed in reason.
  static constexpr Duration kLease = 600s;
  static constexpr Duration kMinLease = 60s;
  static constexpr Duration kMaxLease = 3600s;
  // RFC 6886 section 3.1: first after 250 ms, then twice as long each time.
  static constexpr Duration kFirstRetry = 250ms;
  static constexpr int kMaxTries = 5;
  static constexpr Duration kAgain = 60s;

  // client: our address towards the router, IPv4. random is used here only.
  PortMapper(TimePoint now, const IpAddress& client, std::uint16_t port,
             Random& random);

  // A datagram from the router's port.
  void HandleDatagram(TimePoint now, ByteSpan datagram);
  void HandleTimeout(TimePoint now);
  std::optional<TimePoint> PollTimeout() const;
  // The next request for the router, written to the start of out.
  // REQUIRES: out.size() >= kPcpMapSize.
  std::optional<std::size_t> PollTransmit(MutableByteSpan out);

  // Where the router lets packets in; nullopt while it does not.
  std::optional<SocketAddress> mapped() const;
  // "PCP" or "NAT-PMP", while mapped; the last failure's reason, or empty.
  std::string_view protocol() const;
  int refused() const { return refused_; }  // The last result code; 0: none.

  // Asks for the deletion of what there is: drain PollTransmit().
  void Release();

 private:
  enum class Way : std::uint8_t { kNone, kPcp, kNatPmp };

  void Begin(TimePoint now);
  void Queue(TimePoint now);
  void OnMapped(TimePoint now, Way way, std::uint16_t port, Duration lease);

  PcpMap request_;
  Way way_ = Way::kNone;
  bool pcp_ = true;       // Worth asking.
  bool nat_pmp_ = false;  // Asked too.
  bool released_ = false;
  int tries_ = 0;
  int refused_ = 0;
  std::optional<TimePoint> retry_at_;  // While asking.
  TimePoint renew_at_;
  TimePoint expires_;
  std::optional<IpAddress> outside_ip_;
  std::uint16_t outside_port_ = 0;
  // What PollTransmit() has to say.
  bool send_pcp_ = false;
  bool send_map_ = false;
  bool send_address_ = false;
};

}  // namespace p2pcp::udp

#endif  // P2PCP_NET_UDP_PORT_MAPPER_H_

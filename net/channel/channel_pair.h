// For tests: two channels, their NATs and a network in memory, on virtual time.

#ifndef P2PCP_NET_CHANNEL_CHANNEL_PAIR_H_
#define P2PCP_NET_CHANNEL_CHANNEL_PAIR_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/packet_number.h"
#include "net/base/random.h"
#include "net/base/socket_address.h"
#include "net/base/time.h"
#include "net/channel/channel.h"
#include "net/crypto/packet_aead.h"
#include "net/ice/candidate.h"
#include "net/ice/virtual_network.h"

namespace p2pcp::channel {

inline constexpr TimePoint kStart{1s};
inline constexpr Duration kOneWay = 20ms;

// One end, with a host address and, behind a NAT, what STUN would have said.
// A second interface stands behind a NAT of its own.
struct End {
  End(const Channel::Config& config, Random& random)
      : channel(kStart, config, random) {}

  std::optional<TimePoint> FirstTime(EventType type) const {
    for (const auto& [time, event] : events) {
      if (event.type == type) return time;
    }
    return std::nullopt;
  }
  int Count(EventType type) const {
    int count = 0;
    for (const auto& [time, event] : events) count += event.type == type;
    return count;
  }

  Channel channel;
  std::vector<SocketAddress> sockets;  // By index of local socket.
  std::vector<std::unique_ptr<ice::VirtualNat>> nats;
  std::vector<ice::Candidate> candidates;
  std::vector<std::pair<TimePoint, Event>> events;
  std::vector<std::string> payloads;
  std::vector<PacketNumber> sent_numbers;
};

class ChannelPair {
 public:
  struct Options {
    std::optional<ice::NatKind> nat_a = ice::NatKind::kPortRestricted;
    std::optional<ice::NatKind> nat_b = ice::NatKind::kPortRestricted;
    // A second interface at A, with a NAT of the same kind.
    bool second_at_a = false;
    std::uint64_t seed = 1;
    crypto::OpenerLimits limits_b = {};
  };
  explicit ChannelPair(const Options& options);

  // Exchanges candidates now.
  void Start();
  // Lets time pass. Aborts if an end is never at rest.
  void RunUntil(TimePoint end);
  void RunFor(Duration duration) { RunUntil(now_ + duration); }
  // Start(), and two seconds later whether both are connected.
  [[nodiscard]] bool Connect();

  // False if not connected.
  bool SendText(End& end, std::string_view text, std::size_t pad_to = 0);
  // What `text` would be as a datagram, without sending it: it uses a number.
  ice::VirtualDatagram MakeDatagram(End& end, std::string_view text);

  TimePoint now() const { return now_; }
  End& a() { return *a_; }
  End& b() { return *b_; }
  ice::VirtualNetwork& network() { return network_; }
  // The NAT of the end's socket.
  static ice::VirtualNat& nat(End& end, std::size_t socket = 0) {
    return *end.nats[socket];
  }

 private:
  void AddInterface(End& end, std::string_view local, std::string_view outside,
                    std::optional<ice::NatKind> kind);
  void Receive(TimePoint now, End& end, std::size_t socket,
               const ice::VirtualDatagram& datagram);
  void Flush(End& end);

  SeededRandom random_;
  ice::VirtualNetwork network_{kOneWay};
  std::unique_ptr<End> a_;
  std::unique_ptr<End> b_;
  TimePoint now_ = kStart;
};

}  // namespace p2pcp::channel

#endif  // P2PCP_NET_CHANNEL_CHANNEL_PAIR_H_

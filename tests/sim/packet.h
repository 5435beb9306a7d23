// A datagram on its way through the simulated network, and the pool that
// datagrams come from, so that a run of millions of packets allocates only
// as many as are on their way at once.

#ifndef P2PCP_TESTS_SIM_PACKET_H_
#define P2PCP_TESTS_SIM_PACKET_H_

#include <cstddef>
#include <deque>
#include <memory>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/socket_address.h"

namespace p2pcp::sim {

// The hop limit that hosts set unless told otherwise (Linux: 64).
inline constexpr int kDefaultHopLimit = 64;

struct Packet {
  SocketAddress from = {};
  SocketAddress to;
  int hop_limit = kDefaultHopLimit;
  Bytes bytes;  // The UDP payload.

  // Bytes that the packet takes on a link: payload, UDP header (8) and IP
  // header (20, or 40 with IPv6).
  std::size_t WireSize() const {
    return bytes.size() + (to.ip.is_v6() ? 48 : 28);
  }
};

class PacketPool {
 public:
  class Recycler {
   public:
    Recycler() = default;
    explicit Recycler(PacketPool* pool) : pool_(pool) {}
    void operator()(Packet* packet) const { pool_->free_.push_back(packet); }

   private:
    PacketPool* pool_ = nullptr;
  };
  using Ptr = std::unique_ptr<Packet, Recycler>;

  PacketPool() = default;
  PacketPool(const PacketPool&) = delete;
  PacketPool& operator=(const PacketPool&) = delete;

  // A packet with no bytes and otherwise as it was left: the caller sets every
  // field. It must not outlive the pool.
  Ptr Get();
  Ptr Copy(const Packet& packet);
  // Takes back what release() gave.
  Ptr Adopt(Packet* packet) { return Ptr(packet, Recycler(this)); }

  // Packets ever made: how many were on their way at once.
  std::size_t size() const { return packets_.size(); }

 private:
  std::deque<Packet> packets_;
  std::vector<Packet*> free_;
};

using PacketPtr = PacketPool::Ptr;

// Whatever a packet can be handed to: a link, a router, a host. It must live
// as long as the simulator runs.
class PacketSink {
 public:
  virtual ~PacketSink() = default;
  virtual void Receive(PacketPtr packet) = 0;
};

}  // namespace p2pcp::sim

#endif  // P2PCP_TESTS_SIM_PACKET_H_

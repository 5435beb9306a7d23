// IP packets on their way through the emulator, from a pool, so that a run
// allocates only as many as are on their way at once; and the little of IP and
// UDP that the middlebox has to know in order to change payloads.

#ifndef P2PCP_TESTS_LAB_LINK_EMULATOR_PACKET_H_
#define P2PCP_TESTS_LAB_LINK_EMULATOR_PACKET_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "net/base/bytes.h"

namespace p2pcp::lab {

// The largest IP packet.
inline constexpr std::size_t kMaxPacketSize = 65535;

struct Packet {
  Bytes buffer;          // Its size is what the packet may grow to.
  std::size_t size = 0;  // Bytes of buffer that are the packet.

  MutableByteSpan bytes() { return MutableByteSpan(buffer).first(size); }
  ByteSpan bytes() const { return ByteSpan(buffer).first(size); }
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

  // Every packet has room for capacity bytes.
  explicit PacketPool(std::size_t capacity) : capacity_(capacity) {}
  PacketPool(const PacketPool&) = delete;
  PacketPool& operator=(const PacketPool&) = delete;

  // A packet of size 0. It must not outlive the pool.
  Ptr Get();
  // A packet with these bytes. REQUIRES: they are at most capacity() bytes.
  Ptr Copy(ByteSpan bytes);

  std::size_t capacity() const { return capacity_; }

 private:
  std::size_t capacity_;
  std::deque<Packet> packets_;
  std::vector<Packet*> free_;
};

using PacketPtr = PacketPool::Ptr;

// Where the parts of an unfragmented UDP datagram lie within an IP packet.
struct UdpLayout {
  bool v6 = false;
  std::size_t udp = 0;  // Offset of the UDP header (RFC 768).

  std::size_t payload() const { return udp + 8; }
};

// nullopt: not UDP, a fragment, behind extension headers, or malformed.
std::optional<UdpLayout> FindUdp(ByteSpan packet);

// Sets the lengths and checksums of both headers to fit the packet's size and
// bytes, after the payload or the addresses have been changed.
void FinishUdp(const UdpLayout& layout, MutableByteSpan packet);

// Exchanges source and destination, addresses and ports.
void SwapEndpoints(const UdpLayout& layout, MutableByteSpan packet);

// The Internet checksum (RFC 1071) of bytes, not yet complemented, on top of
// sum.
std::uint32_t SumWords(ByteSpan bytes, std::uint32_t sum);

}  // namespace p2pcp::lab

#endif  // P2PCP_TESTS_LAB_LINK_EMULATOR_PACKET_H_

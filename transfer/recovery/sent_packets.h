// SentPackets: a ring of what was sent, indexed by packet number.
//
// Its size is a power of two that grows with the span of numbers between the
// oldest that is still of interest and the newest, up to kMaxCapacity. Numbers
// that the channel used for packets of its own stand in it as kNone.

#ifndef P2PCP_TRANSFER_RECOVERY_SENT_PACKETS_H_
#define P2PCP_TRANSFER_RECOVERY_SENT_PACKETS_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "net/base/check.h"
#include "net/base/time.h"

namespace p2pcp {

struct SentPacket {
  enum class State : std::uint8_t {
    kNone,         // The number is not one of ours.
    kNotInFlight,  // Only ACK, CLOSE and PADDING: nobody waits for it.
    kOutstanding,
    kAcked,
    kLost,  // Declared lost; an ACK may still prove that wrong.
  };
  // What it carried, as bits.
  enum Content : std::uint8_t {
    kData = 1,     // Bytes [offset, offset + length) of the byte space.
    kControl = 2,  // Bytes [offset, offset + length) of the control stream.
    kCredit = 4,
    kPing = 8,
  };

  TimePoint sent_time;
  // While kAcked: the largest number up to which all are known to be kAcked.
  std::uint64_t offset = 0;
  std::uint16_t length = 0;
  std::uint16_t size = 0;    // Of the payload.
  std::uint8_t content = 0;  // Of Content; 0: not ack-eliciting.
  State state = State::kNone;
};
// It is all the memory that grows with bandwidth times delay.
static_assert(sizeof(SentPacket) == 24);

class SentPackets {
 public:
  // 6 MiB of metadata; at 1435 bytes a packet, 376 MB of data.
  static constexpr std::uint64_t kMaxCapacity = 1 << 18;

  SentPackets() : ring_(kMinCapacity) {}

  // Numbers [begin, end) are in the ring; begin == end: none are.
  std::uint64_t begin() const { return begin_; }
  std::uint64_t end() const { return end_; }
  bool empty() const { return begin_ == end_; }

  // REQUIRES: begin() <= number < end().
  SentPacket& operator[](std::uint64_t number) { return ring_[number & mask_]; }
  const SentPacket& operator[](std::uint64_t number) const {
    return ring_[number & mask_];
  }

  // Whether number may be appended without popping first.
  bool HasRoomFor(std::uint64_t number) const {
    return empty() || number - begin_ < kMaxCapacity;
  }
  // count packets with the numbers from number on, whose offsets follow each
  // other. The numbers between end() and number become kNone.
  // REQUIRES: number >= end(), count > 0, HasRoomFor(number + count - 1).
  void Append(std::uint64_t number, const SentPacket& packet,
              std::uint64_t count = 1) {
    const std::uint64_t end = number + count;
    P2PCP_CHECK(number >= end_ && count > 0 && HasRoomFor(end - 1));
    if (empty()) begin_ = end_ = number;
    if (end - begin_ > mask_ + 1) GrowTo(end - begin_);
    for (; end_ < number; ++end_) (*this)[end_] = SentPacket{};
    for (std::uint64_t offset = packet.offset; end_ < end; ++end_) {
      SentPacket& appended = (*this)[end_];
      appended = packet;
      // Not in the packet that is copied: a word that was written just now is
      // slow to be read as a part of more.
      appended.offset = offset;
      offset += packet.length;
    }
  }
  // number was used for something that is of no interest.
  // REQUIRES: empty(), number >= end().
  void Skip(std::uint64_t number) { begin_ = end_ = number + 1; }
  // REQUIRES: !empty().
  void PopFront() { ++begin_; }

  // An ACK of [smallest, largest]: calls visit(number, packet) for those in the
  // ring that are not kAcked, in order, and makes them kAcked. Costs as much as
  // there are such packets, however often a range is repeated. Returns how many
  // were visited. REQUIRES: smallest <= largest.
  template <typename Visit>
  std::uint64_t Acknowledge(std::uint64_t smallest, std::uint64_t largest,
                            Visit visit) {
    if (smallest < begin_) smallest = begin_;
    if (largest >= end_) largest = end_ - 1;
    std::uint64_t visited = 0;
    if (empty()) return visited;
    for (std::uint64_t number = smallest; number <= largest;) {
      SentPacket& packet = (*this)[number];
      if (packet.state == SentPacket::State::kAcked) {
        const std::uint64_t known = packet.offset;
        if (known < largest) packet.offset = largest;
        number = known + 1;
        continue;
      }
      visit(number, packet);
      packet.state = SentPacket::State::kAcked;
      packet.offset = largest;
      ++visited;
      ++number;
    }
    return visited;
  }

 private:
  static constexpr std::size_t kMinCapacity = 64;

  void GrowTo(std::uint64_t span);

  std::vector<SentPacket> ring_;
  // ring_.size() - 1, which takes a multiplication to work out each time.
  std::uint64_t mask_ = kMinCapacity - 1;
  std::uint64_t begin_ = 0;
  std::uint64_t end_ = 0;
};

}  // namespace p2pcp

#endif  // P2PCP_TRANSFER_RECOVERY_SENT_PACKETS_H_

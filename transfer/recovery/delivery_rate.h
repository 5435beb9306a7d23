// DeliveryRate: how fast the path delivers, sampled by each ACK
// (draft-ietf-ccwg-bbr section 4.1).
//
// What the draft keeps with each packet is kept once for each train: packets
// sent at one instant see the same past (section 4.1.3.1 advises so).

#ifndef P2PCP_TRANSFER_RECOVERY_DELIVERY_RATE_H_
#define P2PCP_TRANSFER_RECOVERY_DELIVERY_RATE_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "net/base/packet_number.h"
#include "net/base/time.h"

namespace p2pcp {

class DeliveryRate {
 public:
  // What was known when a train was sent. Counts are totals; bytes, except
  // lost_ranges.
  struct Train {
    std::uint64_t first_number = 0;
    TimePoint sent_time;
    TimePoint first_sent_time;  // Of the interval that it is sampled over.
    TimePoint delivered_time;
    std::uint64_t delivered = 0;
    std::uint64_t lost = 0;
    std::uint64_t lost_ranges = 0;
    std::uint64_t first_sent = 0;  // At the begin of that interval ...
    std::uint64_t sent = 0;        // ... and at its end.
    std::uint64_t in_flight = 0;   // With all of it.
    bool app_limited = false;
  };
  // Since the train of the newest packet that an ACK acknowledged was sent.
  struct Sample {
    bool known = false;  // Else the rest means nothing.
    Train train;
    std::uint64_t delivered = 0;
    std::uint64_t lost = 0;
    std::uint64_t lost_ranges = 0;
    // Of which it is what was delivered: what is missing got lost, whether it
    // has been declared so or not.
    std::uint64_t sent = 0;
    Duration interval{0};
    double rate = 0;  // Bytes per second; 0: the interval is too short.
  };

  // first_count: where the totals begin. 0, but for tests of large ones.
  explicit DeliveryRate(std::uint64_t first_count = 0);

  // size bytes in packets with the numbers from number on. bytes_in_flight:
  // with them.
  void OnSent(TimePoint now, PacketNumber number, std::uint64_t size,
              std::uint64_t bytes_in_flight);
  void OnLost(PacketNumber number, std::size_t size);
  // min_rtt: shorter intervals are no measure (section 4.1.2.3); zero while
  // unknown.
  Sample OnAcked(TimePoint now, PacketNumber largest_acked, std::uint64_t bytes,
                 Duration min_rtt);
  // Bytes that had been lost have arrived.
  void OnSpurious(std::uint64_t bytes) { delivered_ += bytes; }
  // Section 4.1.2.4: until all that is in flight has arrived.
  void OnAppLimited(std::uint64_t bytes_in_flight);
  // Trains with numbers below this one only will not be asked for again.
  void Forget(PacketNumber below);

  // The train of a packet; null: not known any more.
  const Train* Find(PacketNumber number) const;

  std::uint64_t delivered() const { return delivered_; }
  std::uint64_t lost() const { return lost_; }
  std::uint64_t lost_ranges() const { return lost_ranges_; }
  bool app_limited() const { return app_limited_until_ > 0; }
  std::size_t trains() const { return end_ - begin_; }

 private:
  static constexpr std::size_t kMinCapacity = 64;

  Train& At(std::size_t index) { return ring_[index & (ring_.size() - 1)]; }
  const Train& At(std::size_t index) const {
    return ring_[index & (ring_.size() - 1)];
  }
  void Grow();

  std::vector<Train> ring_;  // A power of two; trains [begin_, end_).
  std::size_t begin_ = 0;
  std::size_t end_ = 0;

  std::uint64_t sent_ = 0;
  std::uint64_t delivered_;
  std::uint64_t lost_;
  std::uint64_t lost_ranges_ = 0;
  std::uint64_t after_last_lost_ = 0;  // The number that follows it.
  TimePoint delivered_time_;
  TimePoint first_sent_time_;
  std::uint64_t first_sent_ = 0;         // Until then.
  std::uint64_t app_limited_until_ = 0;  // In terms of delivered_; 0: not.
};

}  // namespace p2pcp

#endif  // P2PCP_TRANSFER_RECOVERY_DELIVERY_RATE_H_

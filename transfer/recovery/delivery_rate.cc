#include "transfer/recovery/delivery_rate.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace p2pcp {

DeliveryRate::DeliveryRate(std::uint64_t first_count)
    : ring_(kMinCapacity),
      sent_(first_count),
      delivered_(first_count),
      lost_(first_count) {}

void DeliveryRate::OnSent(TimePoint now, PacketNumber number,
                          std::uint64_t size, std::uint64_t bytes_in_flight) {
  if (bytes_in_flight <= size) {
    // Nothing else is in flight: the interval begins here.
    first_sent_time_ = now;
    first_sent_ = sent_;
    delivered_time_ = now;
  } else if (begin_ < end_) {
    Train& last = At(end_ - 1);
    if (last.sent_time == now && last.delivered == delivered_ &&
        last.lost == lost_) {
      last.in_flight = bytes_in_flight;
      sent_ += size;
      return;
    }
  }
  if (end_ - begin_ == ring_.size()) Grow();
  At(end_++) = {.first_number = number.value(),
                .sent_time = now,
                .first_sent_time = first_sent_time_,
                .delivered_time = delivered_time_,
                .delivered = delivered_,
                .lost = lost_,
                .lost_ranges = lost_ranges_,
                .first_sent = first_sent_,
                .sent = sent_,
                .in_flight = bytes_in_flight,
                .app_limited = app_limited()};
  sent_ += size;
}

void DeliveryRate::Grow() {
  std::vector<Train> larger(2 * ring_.size());
  for (std::size_t i = begin_; i < end_; ++i) {
    larger[i & (larger.size() - 1)] = At(i);
  }
  ring_ = std::move(larger);
}

void DeliveryRate::OnLost(PacketNumber number, std::size_t size) {
  lost_ += size;
  if (lost_ranges_ == 0 || number.value() != after_last_lost_) ++lost_ranges_;
  after_last_lost_ = number.value() + 1;
}

const DeliveryRate::Train* DeliveryRate::Find(PacketNumber number) const {
  // The last train that begins at or before number.
  std::size_t low = begin_;
  std::size_t high = end_;
  while (low < high) {
    const std::size_t middle = low + (high - low) / 2;
    if (At(middle).first_number <= number.value()) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low == begin_ ? nullptr : &At(low - 1);
}

DeliveryRate::Sample DeliveryRate::OnAcked(TimePoint now,
                                           PacketNumber largest_acked,
                                           std::uint64_t bytes,
                                           Duration min_rtt) {
  delivered_ += bytes;
  delivered_time_ = now;
  if (app_limited_until_ > 0 && delivered_ > app_limited_until_) {
    app_limited_until_ = 0;
  }
  Sample sample;
  const Train* const train = Find(largest_acked);
  if (train == nullptr) return sample;
  sample.known = true;
  sample.train = *train;
  // Where packets arrive out of order, the newest one counts.
  if (first_sent_time_ < train->sent_time) {
    first_sent_time_ = train->sent_time;
    first_sent_ = train->sent;
  }
  sample.delivered = delivered_ - train->delivered;
  sample.lost = lost_ - train->lost;
  sample.lost_ranges = lost_ranges_ - train->lost_ranges;
  sample.sent = train->sent - train->first_sent;
  // The slower of the two: ACKs may come compressed, never the other way.
  sample.interval = std::max(train->sent_time - train->first_sent_time,
                             now - train->delivered_time);
  if (sample.interval <= Duration(0) || sample.interval < min_rtt) {
    return sample;
  }
  sample.rate = static_cast<double>(sample.delivered) /
                std::chrono::duration<double>(sample.interval).count();
  return sample;
}

void DeliveryRate::OnAppLimited(std::uint64_t bytes_in_flight) {
  app_limited_until_ = std::max<std::uint64_t>(delivered_ + bytes_in_flight, 1);
}

void DeliveryRate::Forget(PacketNumber below) {
  while (end_ - begin_ > 1 && At(begin_ + 1).first_number <= below.value()) {
    ++begin_;
  }
}

}  // namespace p2pcp

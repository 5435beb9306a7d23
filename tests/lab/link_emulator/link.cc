#include "tests/lab/link_emulator/link.h"

#include <algorithm>
#include <utility>

namespace p2pcp::lab {
namespace {

// Time that bytes take at a rate in bits a second.
Duration TransmissionTime(std::size_t bytes, std::uint64_t rate) {
  return Duration(static_cast<std::int64_t>(static_cast<double>(bytes) * 8e9 /
                                            static_cast<double>(rate)));
}

}  // namespace

bool Link::Chance(double probability) {
  // Without a draw where the answer is certain: most options are off.
  if (probability <= 0) return false;
  return probability >= 1 || random_.NextDouble() < probability;
}

bool Link::Lose() {
  if (bad_) {
    if (Chance(options_.burst_leave)) bad_ = false;
  } else if (Chance(options_.burst_enter)) {
    bad_ = true;
  }
  if (bad_ && Chance(options_.burst_loss)) return true;
  return Chance(options_.loss);
}

bool Link::Police(TimePoint now, std::size_t size) {
  if (options_.policer == 0) return false;
  // filled_at_ begins long before the first packet: the bucket is full then.
  const double seconds = static_cast<double>((now - filled_at_).count()) / 1e9;
  tokens_ =
      std::min(static_cast<double>(options_.policer_burst),
               tokens_ + seconds * static_cast<double>(options_.policer) / 8);
  filled_at_ = now;
  if (tokens_ < static_cast<double>(size)) return true;
  tokens_ -= static_cast<double>(size);
  return false;
}

void Link::Hold(std::deque<Held>& queue, TimePoint due, PacketPtr packet) {
  held_bytes_ += packet->size;
  const auto place = std::upper_bound(
      queue.begin(), queue.end(), due,
      [](TimePoint time, const Held& held) { return time < held.due; });
  queue.insert(place, Held{due, std::move(packet)});
}

void Link::Send(TimePoint now, PacketPtr packet) {
  ++stats_.received;
  if (Police(now, packet->size)) {
    ++stats_.policed;
    return;
  }
  TimePoint sent = now;
  if (options_.rate > 0) {
    const TimePoint begin = std::max(now, idle_at_);
    // What waits is what the link needs until it is idle.
    const double waiting = static_cast<double>((begin - now).count()) *
                           static_cast<double>(options_.rate) / 8e9;
    if (waiting + static_cast<double>(packet->size) >
        static_cast<double>(options_.queue)) {
      ++stats_.queue_drops;
      return;
    }
    sent = begin + TransmissionTime(packet->size, options_.rate);
    idle_at_ = sent;
  }
  // Behind the queue: what is lost has taken its time on the link.
  if (Lose()) {
    ++stats_.lost;
    return;
  }
  if (held_bytes_ + 2 * packet->size > kMaxHeldBytes) {
    ++stats_.queue_drops;
    return;
  }
  TimePoint due = sent + options_.delay;
  if (options_.jitter > Duration::zero()) {
    due += Duration(static_cast<std::int64_t>(random_.Below(
        static_cast<std::uint64_t>(options_.jitter.count()) + 1)));
  }
  PacketPtr copy;
  if (Chance(options_.duplicate)) {
    ++stats_.duplicated;
    copy = pool_.Copy(packet->bytes());
  }
  if (Chance(options_.reorder)) {
    ++stats_.reordered;
    Hold(held_back_, due + options_.reorder_delay, std::move(packet));
  } else {
    in_order_at_ = std::max(due, in_order_at_);
    Hold(in_order_, in_order_at_, std::move(packet));
  }
  if (copy) {
    in_order_at_ = std::max(due, in_order_at_);
    Hold(in_order_, in_order_at_, std::move(copy));
  }
}

std::optional<TimePoint> Link::PollTimeout() const {
  std::optional<TimePoint> next;
  if (!in_order_.empty()) next = in_order_.front().due;
  if (!held_back_.empty() && (!next || held_back_.front().due < *next)) {
    next = held_back_.front().due;
  }
  return next;
}

PacketPtr Link::PollDelivery(TimePoint now) {
  const std::optional<TimePoint> next = PollTimeout();
  if (!next || *next > now) return nullptr;
  std::deque<Held>& queue = !in_order_.empty() && in_order_.front().due == *next
                                ? in_order_
                                : held_back_;
  PacketPtr packet = std::move(queue.front().packet);
  queue.pop_front();
  held_bytes_ -= packet->size;
  ++stats_.delivered;
  stats_.bytes += packet->size;
  return packet;
}

}  // namespace p2pcp::lab

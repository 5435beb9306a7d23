#include "transfer/recovery/ack_tracker.h"

#include <algorithm>
#include <chrono>

#include "net/base/check.h"

namespace p2pcp {
namespace {

std::uint64_t Microseconds(Duration duration) {
  const auto us =
      std::chrono::duration_cast<std::chrono::microseconds>(duration).count();
  return us > 0 ? static_cast<std::uint64_t>(us) : 0;
}

}  // namespace

AckTracker::AckTracker(TimePoint start)
    : start_(start), largest_time_(start), last_ack_(start - kMaxDelay) {}

bool AckTracker::Contains(PacketNumber number) const {
  const std::uint64_t value = number.value();
  for (std::size_t i = count_; i-- > 0;) {
    if (value > At(i).largest) return false;
    if (value >= At(i).smallest) return true;
  }
  return false;
}

bool AckTracker::Insert(std::uint64_t number) {
  if (count_ > 0 && number == At(count_ - 1).largest + 1) {
    At(count_ - 1).largest = number;
    At(count_ - 1).reports = 0;
    return true;
  }
  // The place behind the last range that begins at or before number.
  std::size_t i = count_;
  while (i > 0 && At(i - 1).smallest > number) --i;
  Range* const below = i > 0 ? &At(i - 1) : nullptr;
  Range* const above = i < count_ ? &At(i) : nullptr;
  if (below != nullptr && number <= below->largest) return false;

  const bool joins_below = below != nullptr && below->largest + 1 == number;
  const bool joins_above = above != nullptr && number + 1 == above->smallest;
  if (joins_below && joins_above) {
    above->smallest = below->smallest;
    above->reports = 0;
    EraseRange(i - 1);
  } else if (joins_below) {
    below->largest = number;
    below->reports = 0;
  } else if (joins_above) {
    above->smallest = number;
    above->reports = 0;
  } else {
    if (count_ == ranges_.size()) {
      if (i == 0) return false;
      EraseRange(0);
      --i;
    }
    ++count_;
    for (std::size_t j = count_ - 1; j > i; --j) At(j) = At(j - 1);
    At(i) = {.smallest = number, .largest = number, .reports = 0};
  }
  return true;
}

void AckTracker::EraseRange(std::size_t index) {
  --count_;
  if (index == 0) {
    ++first_;
    return;
  }
  for (std::size_t i = index; i < count_; ++i) At(i) = At(i + 1);
}

void AckTracker::OnPacketReceived(TimePoint now, PacketNumber number,
                                  std::size_t size, bool ack_eliciting,
                                  bool ack_now) {
  const bool first = count_ == 0;
  const std::uint64_t largest = first ? 0 : At(count_ - 1).largest;
  Insert(number.value());
  ++packets_;
  bytes_ += size;
  const bool newest = first || number.value() > largest;
  if (newest) largest_time_ = now;
  if (!ack_eliciting) return;
  // A number that does not follow the largest: a gap has opened, or something
  // came late (RFC 9000 section 13.2.1).
  const bool out_of_order = !first && number.value() != largest + 1;
  Schedule(now, 1, ack_now || out_of_order);
}

void AckTracker::OnRunReceived(TimePoint now, PacketNumber first,
                               std::uint64_t count, std::size_t size) {
  P2PCP_CHECK(Follows(first));
  Range& newest = At(count_ - 1);
  newest.largest += count;
  newest.reports = 0;
  packets_ += count;
  bytes_ += size;
  largest_time_ = now;
  Schedule(now, count, /*at_once=*/false);
}

void AckTracker::Schedule(TimePoint now, std::uint64_t count, bool at_once) {
  if (at_once) {
    RequestBy(std::max(now, last_ack_ + std::max(rtt_ / 16, kMinInterval)));
  }
  // Of these packets, those that are among the early ones.
  const std::uint64_t early =
      std::min(count, kEarlyPackets - std::min(kEarlyPackets, eliciting_));
  const std::uint64_t before = pending_;
  eliciting_ += count;
  pending_ += count;
  if (early > 0 && before + early >= 2) RequestBy(now);
  if (before + early < kPacketsPerAck && pending_ >= kPacketsPerAck) {
    RequestBy(std::max(now, last_ack_ + kMinInterval));
  }
  if (before == 0) {
    // Where the round trip is not known yet, a middling one is assumed.
    const Duration eighth = rtt_ > Duration(0) ? rtt_ / 8 : kMaxDelay / 2;
    RequestBy(now + std::clamp<Duration>(eighth, kMinInterval, kMaxDelay));
  }
}

void AckTracker::OnPing(PacketNumber lowest_unacked) {
  // The newest range stays: an ACK has to have a largest number.
  while (count_ > 1 && At(0).largest < lowest_unacked.value()) EraseRange(0);
  for (std::size_t i = 0; i < count_; ++i) At(i).reports = 0;
}

bool AckTracker::WriteAck(TimePoint now, ByteWriter& writer,
                          std::uint64_t max_data, std::uint64_t socket_drops) {
  P2PCP_CHECK(count_ > 0);
  frame_.ack_delay_microseconds = Microseconds(now - largest_time_);
  frame_.receive_time_microseconds = Microseconds(largest_time_ - start_);
  frame_.packets_received = packets_;
  frame_.bytes_received = bytes_;
  frame_.socket_drops = std::min(socket_drops, kMaxVarint);
  frame_.max_data = std::min(max_data, kMaxVarint);
  frame_.range_count = 0;
  for (std::size_t i = count_; i-- > 0;) {
    const Range& range = At(i);
    if (i + 1 < count_ && range.reports >= kReports) continue;
    named_[frame_.range_count] = static_cast<std::uint16_t>(i);
    frame_.ranges[frame_.range_count++] = {PacketNumber(range.smallest),
                                           PacketNumber(range.largest)};
  }
  const std::size_t written = wire::WriteAck(writer, frame_);
  if (written == 0) return false;
  for (std::size_t i = 0; i < written; ++i) {
    int& reports = At(named_[i]).reports;
    reports = std::min(reports + 1, kReports);
  }
  pending_ = 0;
  deadline_ = TimePoint::max();
  last_ack_ = now;
  return true;
}

}  // namespace p2pcp

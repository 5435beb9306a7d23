#include "transfer/recovery/loss_detection.h"

#include <gtest/gtest.h>

#include <initializer_list>
#include <set>
#include <utility>
#include <vector>

namespace p2pcp {
namespace {

class RecordingController final : public CongestionController {
 public:
  void OnPacketSent(const SentEvent&) override {}
  void OnAck(const AckEvent& event) override { acks.push_back(event); }
  void OnLoss(const LossEvent& event) override { losses.push_back(event); }
  void OnSpurious(const SpuriousEvent& event) override {
    spurious.push_back(event);
  }
  void OnPathChange(TimePoint, std::size_t) override {}
  void OnPacketSizeChange(std::size_t) override {}
  std::uint64_t window() const override { return 1 << 20; }
  std::uint64_t pacing_rate(Duration) const override { return 0; }
  std::uint64_t bandwidth(Duration) const override { return 0; }

  std::vector<AckEvent> acks;
  std::vector<LossEvent> losses;
  std::vector<SpuriousEvent> spurious;
};

class LossDetectionTest : public ::testing::Test,
                          private LossDetection::Handler {
 protected:
  void Send(std::uint64_t number, std::uint8_t content = SentPacket::kData) {
    SentPacket packet;
    packet.content = content;
    packet.size = 1000;
    packet.offset = number * 1000;
    loss_.OnPacketSent(now_, PacketNumber(number), packet);
  }
  void SendAll(std::uint64_t first, std::uint64_t last, Duration every = 0ms) {
    for (std::uint64_t n = first; n <= last; ++n) {
      Send(n);
      now_ += every;
    }
  }
  // Ranges newest first.
  bool Ack(std::initializer_list<std::pair<int, int>> ranges,
           std::uint64_t delay_us = 0) {
    wire::AckFrame ack;
    ack.ack_delay_microseconds = delay_us;
    for (const auto& [smallest, largest] : ranges) {
      ack.ranges[ack.range_count++] = {
          PacketNumber(static_cast<std::uint64_t>(smallest)),
          PacketNumber(static_cast<std::uint64_t>(largest))};
    }
    return loss_.OnAckReceived(now_, ack);
  }
  // Lets time pass until something is due.
  LossDetection::Timeout Timeout() {
    now_ = loss_.deadline().value();
    return loss_.OnTimeout(now_);
  }
  // A round trip of 100 ms is known.
  void Warm() {
    Send(0);
    now_ += 100ms;
    ASSERT_TRUE(Ack({{0, 0}}));
    acked_.clear();
  }

  TimePoint now_{1s};
  RecordingController controller_;
  LossDetection loss_{333ms, &controller_, this};
  std::set<std::uint64_t> acked_;
  std::set<std::uint64_t> lost_;

 private:
  void OnPacketAcked(PacketNumber number, const SentPacket& packet) override {
    EXPECT_EQ(packet.offset, number.value() * 1000);
    EXPECT_TRUE(acked_.insert(number.value()).second);
  }
  void OnPacketLost(PacketNumber number, const SentPacket& packet) override {
    EXPECT_EQ(packet.offset, number.value() * 1000);
    EXPECT_TRUE(lost_.insert(number.value()).second);
  }
};

using Numbers = std::set<std::uint64_t>;

TEST_F(LossDetectionTest, CountsBytesInFlight) {
  SendAll(1, 3);
  Send(4, 0);  // Only an ACK.
  EXPECT_EQ(loss_.bytes_in_flight(), 3000u);
  now_ += 10ms;
  EXPECT_TRUE(Ack({{1, 2}}));
  EXPECT_EQ(loss_.bytes_in_flight(), 1000u);
  EXPECT_TRUE(Ack({{1, 4}}));
  EXPECT_EQ(loss_.bytes_in_flight(), 0u);
  EXPECT_EQ(acked_, (Numbers{1, 2, 3}));
  EXPECT_FALSE(loss_.deadline().has_value());
}

// RFC 9002 section 6.1.1.
TEST_F(LossDetectionTest, DeclaresLostAfterThreeLaterAcks) {
  Warm();
  SendAll(1, 4);
  now_ += 100ms;
  EXPECT_TRUE(Ack({{2, 3}}));
  EXPECT_TRUE(lost_.empty());
  EXPECT_TRUE(Ack({{2, 4}}));
  EXPECT_EQ(lost_, (Numbers{1}));
  ASSERT_EQ(controller_.losses.size(), 1u);
  EXPECT_EQ(controller_.losses[0].lost_bytes, 1000u);
  EXPECT_EQ(loss_.bytes_in_flight(), 0u);
}

// RFC 9002 section 6.1.2: 9/8 of the round trip after it was sent.
TEST_F(LossDetectionTest, DeclaresLostByTime) {
  Warm();
  Send(1);
  const TimePoint sent = now_;
  Send(2);
  now_ += 100ms;
  EXPECT_TRUE(Ack({{2, 2}}));
  EXPECT_TRUE(lost_.empty());
  ASSERT_EQ(loss_.deadline(), sent + 112500us);
  now_ = *loss_.deadline() - 1ns;
  EXPECT_EQ(loss_.OnTimeout(now_), LossDetection::Timeout::kNothing);
  EXPECT_TRUE(lost_.empty());
  now_ += 1ns;
  EXPECT_EQ(loss_.OnTimeout(now_), LossDetection::Timeout::kNothing);
  EXPECT_EQ(lost_, (Numbers{1}));
  EXPECT_FALSE(loss_.deadline().has_value());
}

TEST_F(LossDetectionTest, NothingIsLostThatNoAckOvertook) {
  Warm();
  SendAll(1, 10);
  now_ += 5s;
  EXPECT_TRUE(Ack({{1, 1}}));
  EXPECT_TRUE(lost_.empty());
}

// After the first reordering only time counts: with a fixed threshold of 3,
// paths that reorder lose most of their throughput.
TEST_F(LossDetectionTest, ReorderingTurnsThePacketThresholdOff) {
  Warm();
  SendAll(1, 10);
  now_ += 100ms;
  EXPECT_TRUE(Ack({{3, 3}}));
  EXPECT_FALSE(loss_.reordering_seen());
  EXPECT_TRUE(Ack({{2, 3}}));  // 2 came after 3.
  EXPECT_TRUE(loss_.reordering_seen());
  EXPECT_TRUE(Ack({{8, 8}, {2, 3}}));
  EXPECT_TRUE(lost_.empty());
  now_ += 12500us;
  loss_.OnTimeout(now_);
  EXPECT_EQ(lost_, (Numbers{1, 4, 5, 6, 7}));
}

TEST_F(LossDetectionTest, SpuriousLossIsSeenAndWidensTheWindowForReordering) {
  Warm();
  SendAll(1, 5);
  now_ += 100ms;
  EXPECT_TRUE(Ack({{2, 5}}));
  EXPECT_EQ(lost_, (Numbers{1}));
  EXPECT_EQ(loss_.reordering_eighths(), 1);
  now_ += 1ms;
  EXPECT_TRUE(Ack({{1, 5}}));
  EXPECT_EQ(acked_.count(1), 1u);
  EXPECT_EQ(loss_.packets_spuriously_lost(), 1u);
  EXPECT_EQ(loss_.reordering_eighths(), 2);
  EXPECT_TRUE(loss_.reordering_seen());
  ASSERT_EQ(controller_.spurious.size(), 1u);
  EXPECT_EQ(controller_.spurious[0].packets, 1u);
  EXPECT_EQ(loss_.bytes_in_flight(), 0u);
}

TEST_F(LossDetectionTest, CleanRoundsNarrowItAgain) {
  Warm();
  SendAll(1, 5);
  now_ += 100ms;
  EXPECT_TRUE(Ack({{2, 5}}));
  EXPECT_TRUE(Ack({{1, 5}}));
  ASSERT_EQ(loss_.reordering_eighths(), 2);
  int number = 6;
  for (int round = 0; round < LossDetection::kCleanRoundsToShrink + 2;
       ++round) {
    Send(static_cast<std::uint64_t>(number));
    now_ += 100ms;
    EXPECT_TRUE(Ack({{number, number}}));
    ++number;
  }
  EXPECT_EQ(loss_.reordering_eighths(), 1);
  EXPECT_TRUE(loss_.reordering_seen());
}

// An ACK of a number that was never sent can only be an attack or a bug.
TEST_F(LossDetectionTest, RefusesAcksOfUnsentPackets) {
  Send(1);
  EXPECT_FALSE(Ack({{1, 2}}));
  EXPECT_FALSE(Ack({{100'000, 100'000}}));
  EXPECT_TRUE(Ack({{1, 1}}));
}

TEST_F(LossDetectionTest, ChannelsOwnNumbersAreNobodysLoss) {
  Warm();
  Send(1);
  Send(10);
  Send(20);
  now_ += 100ms;
  EXPECT_TRUE(Ack({{20, 20}, {10, 10}, {1, 1}}));
  EXPECT_TRUE(lost_.empty());
  EXPECT_EQ(acked_, (Numbers{1, 10, 20}));
  // Not even a peer that claims to have them hurts.
  Send(30);
  EXPECT_TRUE(Ack({{0, 30}}));
  EXPECT_EQ(acked_, (Numbers{1, 10, 20, 30}));
}

TEST_F(LossDetectionTest, SamplesOnlyFromTheLargestWhenItIsNew) {
  Send(1);
  now_ += 30ms;
  Send(2);
  now_ += 20ms;
  EXPECT_TRUE(Ack({{2, 2}}));
  EXPECT_EQ(loss_.rtt().latest_rtt(), Duration(20ms));
  now_ += 500ms;
  EXPECT_TRUE(Ack({{1, 2}}));
  EXPECT_EQ(loss_.rtt().latest_rtt(), Duration(20ms));
}

// The first ACK after an outage names a packet from before it.
TEST_F(LossDetectionTest, AnAckThatWaitedForAnOutageIsNoLongRoundTrip) {
  Warm();
  Send(1);
  now_ += 12s;
  EXPECT_TRUE(Ack({{1, 1}}, 11'890'000));
  EXPECT_EQ(loss_.rtt().latest_rtt(), Duration(120ms));
  // Nor a shorter one than was ever seen, whatever the peer says.
  Send(2);
  now_ += 12s;
  EXPECT_TRUE(Ack({{2, 2}}, kMaxVarint));
  EXPECT_EQ(loss_.rtt().latest_rtt(), Duration(100ms));
}

// RFC 9002 section 6.2.1, with 1.5 instead of 2 as the factor of backoff.
TEST_F(LossDetectionTest, ProbeTimeoutBacksOffByHalfUpToThreeSeconds) {
  Warm();
  Send(1);
  TimePoint sent = now_;
  // 100 + 4 * 50 + 10 ms.
  EXPECT_EQ(loss_.deadline(), sent + 310ms);
  Duration last = 310ms;
  std::uint64_t number = 2;
  for (int i = 1; i < 20; ++i) {
    // PINGs in between don't put it off.
    while (Timeout() == LossDetection::Timeout::kPing) {
      Send(number++, SentPacket::kPing);
    }
    if (i > 1) {
      last = std::min<Duration>(last * 3 / 2, 3s);
      EXPECT_EQ(now_ - sent, last);
    }
    sent = now_;
    Send(number++);
  }
  EXPECT_EQ(last, Duration(3s));
  EXPECT_TRUE(lost_.empty());
  // An ACK brings it back.
  const int newest = static_cast<int>(number - 1);
  EXPECT_TRUE(Ack({{newest, newest}}));
  EXPECT_EQ(loss_.pto_count(), 0);
}

// However large the window, an ACK costs what is new in it. Looking at all that
// is in flight, once for each of these ACKs, would be 10^10 steps.
TEST_F(LossDetectionTest, AFullWindowIsNotScannedForEveryAck) {
  Warm();
  constexpr std::uint64_t kWindow = CongestionController::kMaxWindowPackets;
  SendAll(1, kWindow);
  now_ += 100ms;
  EXPECT_TRUE(Ack({{2, 2}, {0, 0}}));
  EXPECT_TRUE(Ack({{1, 1}}));
  ASSERT_TRUE(loss_.reordering_seen());
  // Every tenth is missing, and not yet late.
  for (std::uint64_t n = 3; n <= kWindow; ++n) {
    if (n % 10 == 0) continue;
    const int number = static_cast<int>(n);
    ASSERT_TRUE(Ack({{number, number}}));
  }
  EXPECT_TRUE(lost_.empty());
  now_ += 100ms;
  loss_.OnTimeout(now_);
  EXPECT_EQ(lost_.size(), kWindow / 10);
}

TEST_F(LossDetectionTest, PingsAfterTheFirstProbeUntilSomethingComesBack) {
  Warm();
  Send(1);
  ASSERT_EQ(Timeout(), LossDetection::Timeout::kProbe);
  const TimePoint silent_since = now_;
  Send(2);
  std::uint64_t number = 3;
  int pings = 0;
  while (now_ < silent_since + 29s) {
    const TimePoint before = now_;
    const bool ping = Timeout() == LossDetection::Timeout::kPing;
    EXPECT_LE(now_ - before, LossDetection::kPingInterval);
    if (ping) ++pings;
    Send(number++, ping ? SentPacket::kPing : SentPacket::kData);
  }
  EXPECT_GE(pings, 270);
  EXPECT_LE(pings, 290);
  // A peer that is gone for good gets ever fewer.
  const std::uint64_t so_far = number;
  while (now_ < silent_since + 1h) {
    Timeout();
    Send(number++, SentPacket::kPing);
  }
  EXPECT_LT(number - so_far, 3'500u);
  now_ += 100ms;
  const int newest = static_cast<int>(number - 1);
  EXPECT_TRUE(Ack({{newest, newest}}));
  EXPECT_EQ(loss_.outstanding(), 0u);
  EXPECT_FALSE(loss_.deadline().has_value());
}

// Where an answer takes longer than that, two in a round trip are enough.
TEST_F(LossDetectionTest, PingsTwiceInALongRoundTrip) {
  Send(0);
  now_ += 600ms;
  EXPECT_TRUE(Ack({{0, 0}}));
  Send(1);
  ASSERT_EQ(Timeout(), LossDetection::Timeout::kProbe);
  Send(2);
  const TimePoint before = now_;
  EXPECT_EQ(Timeout(), LossDetection::Timeout::kPing);
  EXPECT_EQ(now_ - before, Duration(300ms));
}

// RFC 9002 section 7.6.
TEST_F(LossDetectionTest, AnOutageOfThreeProbeTimeoutsIsPersistentCongestion) {
  Warm();
  // 310 ms is a probe timeout.
  for (int n = 1; n <= 5; ++n) {
    Send(static_cast<std::uint64_t>(n));
    now_ += 300ms;
  }
  Send(6);
  now_ += 100ms;
  EXPECT_TRUE(Ack({{6, 6}}));
  EXPECT_EQ(lost_, (Numbers{1, 2, 3, 4, 5}));
  EXPECT_EQ(loss_.persistent_congestions(), 1u);
  EXPECT_TRUE(controller_.losses.back().persistent_congestion);
}

TEST_F(LossDetectionTest, OneAckInBetweenMeansNoPersistentCongestion) {
  Warm();
  for (int n = 1; n <= 5; ++n) {
    Send(static_cast<std::uint64_t>(n));
    now_ += 300ms;
  }
  Send(6);
  now_ += 100ms;
  EXPECT_TRUE(Ack({{6, 6}, {3, 3}}));
  EXPECT_EQ(lost_, (Numbers{1, 2, 4, 5}));
  EXPECT_EQ(loss_.persistent_congestions(), 0u);
}

TEST_F(LossDetectionTest, CountsLossyRoundsInARow) {
  Warm();
  int number = 1;
  // A round of packets, whose first few get lost.
  const auto round = [&](int packets, int lost) {
    SendAll(static_cast<std::uint64_t>(number),
            static_cast<std::uint64_t>(number + packets - 1));
    now_ += 100ms;
    EXPECT_TRUE(Ack({{number + lost, number + packets - 1}}));
    number += packets;
  };
  for (int i = 0; i < 3; ++i) round(60, 1);
  // What is declared lost now counts with the round that is then acknowledged.
  EXPECT_EQ(loss_.lossy_rounds(), 2);
  round(60, 0);
  EXPECT_EQ(loss_.lossy_rounds(), 3);
  round(60, 0);
  EXPECT_EQ(loss_.lossy_rounds(), 0);
  // Small rounds count together.
  for (int i = 0; i < 5; ++i) round(10, 1);
  EXPECT_EQ(loss_.lossy_rounds(), 1);
}

TEST_F(LossDetectionTest, AnotherPathStartsWithNothingInFlight) {
  Warm();
  SendAll(1, 5);
  loss_.OnPathChange(333ms);
  EXPECT_EQ(loss_.bytes_in_flight(), 0u);
  EXPECT_EQ(loss_.outstanding(), 5u);
  EXPECT_FALSE(loss_.rtt().has_sample());
  Send(6);
  now_ += 20ms;
  EXPECT_TRUE(Ack({{6, 6}}));
  // The old ones are sent again, but the new path is not blamed.
  EXPECT_EQ(lost_, (Numbers{1, 2, 3}));
  now_ += 400ms;
  loss_.OnTimeout(now_);
  EXPECT_EQ(lost_, (Numbers{1, 2, 3, 4, 5}));
  EXPECT_TRUE(controller_.losses.empty());
  EXPECT_EQ(loss_.bytes_in_flight(), 0u);
}

TEST_F(LossDetectionTest, TheWindowGrowsOnlyForPacketsThatItHeldBack) {
  SendAll(1, 4);
  loss_.OnWindowLimited();
  SendAll(5, 8);
  now_ += 10ms;
  EXPECT_TRUE(Ack({{1, 4}}));
  EXPECT_TRUE(controller_.acks.back().window_limited);
  EXPECT_TRUE(Ack({{1, 8}}));
  EXPECT_FALSE(controller_.acks.back().window_limited);
}

TEST_F(LossDetectionTest, FindsTheOldestOutstandingPackets) {
  Warm();
  Send(1, SentPacket::kControl);
  SendAll(2, 6);
  now_ += 100ms;
  EXPECT_TRUE(Ack({{2, 2}}));
  auto found = loss_.FindOutstanding(PacketNumber(0), SentPacket::kData);
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->number, PacketNumber(3));
  found = loss_.FindOutstanding(found->number.Next(), SentPacket::kData);
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->number, PacketNumber(4));
  found = loss_.FindOutstanding(PacketNumber(0), SentPacket::kControl);
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->number, PacketNumber(1));
  EXPECT_FALSE(loss_.FindOutstanding(PacketNumber(7), SentPacket::kData));
}

// However long a peer keeps silent, metadata stays bounded.
TEST_F(LossDetectionTest, TheOldestPacketsGiveWayWhenTheRingIsFull) {
  Send(1);
  Send(SentPackets::kMaxCapacity + 1);
  EXPECT_EQ(lost_, (Numbers{1}));
  EXPECT_EQ(loss_.bytes_in_flight(), 1000u);
  EXPECT_EQ(loss_.outstanding(), 1u);
}

}  // namespace
}  // namespace p2pcp

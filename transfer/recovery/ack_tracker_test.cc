#include "transfer/recovery/ack_tracker.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <vector>

namespace p2pcp {
namespace {

using wire::AckRange;

constexpr TimePoint kStart{1s};

AckRange R(std::uint64_t smallest, std::uint64_t largest) {
  return {PacketNumber(smallest), PacketNumber(largest)};
}

class AckTrackerTest : public ::testing::Test {
 protected:
  void Receive(std::uint64_t number, bool eliciting = true,
               bool ack_now = false) {
    tracker_.OnPacketReceived(now_, PacketNumber(number), 100, eliciting,
                              ack_now);
  }
  void ReceiveAll(std::uint64_t first, std::uint64_t last) {
    for (std::uint64_t n = first; n <= last; ++n) Receive(n);
  }
  wire::AckFrame Ack(std::size_t room = 1200) {
    Bytes buffer(room);
    ByteWriter writer(buffer);
    EXPECT_TRUE(tracker_.WriteAck(now_, writer, 77, 5));
    wire::Frame frame;
    wire::FrameReader reader(writer.written());
    EXPECT_EQ(reader.Next(frame), wire::FrameReader::Result::kFrame);
    return frame.ack;
  }
  std::vector<AckRange> Ranges() {
    const wire::AckFrame ack = Ack();
    return {ack.Ranges().begin(), ack.Ranges().end()};
  }

  TimePoint now_ = kStart;
  AckTracker tracker_{kStart};
};

// Whatever came before, and however many they are.
TEST_F(AckTrackerTest, ARunIsWhatItsPacketsAre) {
  for (const std::uint64_t before : {1, 2, 98, 99, 100, 150, 187}) {
    for (const bool acknowledged : {false, true}) {
      for (const std::uint64_t count : {1, 2, 3, 44, 64, 88, 90}) {
        AckTracker one_by_one(kStart);
        AckTracker at_once(kStart);
        Bytes buffers[2] = {Bytes(1200), Bytes(1200)};
        for (AckTracker* tracker : {&one_by_one, &at_once}) {
          tracker->set_rtt(50ms);
          for (std::uint64_t n = 0; n < before; ++n) {
            tracker->OnPacketReceived(kStart, PacketNumber(n), 100, true,
                                      false);
          }
          ByteWriter writer(buffers[0]);
          if (acknowledged) tracker->WriteAck(kStart, writer, 77, 5);
        }
        const TimePoint now = kStart + 100us;
        for (std::uint64_t n = 0; n < count; ++n) {
          one_by_one.OnPacketReceived(now, PacketNumber(before + n), 100, true,
                                      false);
        }
        ASSERT_TRUE(at_once.Follows(PacketNumber(before)));
        at_once.OnRunReceived(now, PacketNumber(before), count, count * 100);
        EXPECT_EQ(at_once.deadline(), one_by_one.deadline())
            << before << ' ' << acknowledged << ' ' << count;
        EXPECT_EQ(at_once.pending(), one_by_one.pending());
        std::size_t sizes[2];
        int i = 0;
        for (AckTracker* tracker : {&one_by_one, &at_once}) {
          ByteWriter writer(buffers[i]);
          EXPECT_TRUE(tracker->WriteAck(now + 1ms, writer, 77, 5));
          sizes[i++] = writer.size();
        }
        EXPECT_EQ(Hex(ByteSpan(buffers[0]).first(sizes[0])),
                  Hex(ByteSpan(buffers[1]).first(sizes[1])));
      }
    }
  }
}

TEST_F(AckTrackerTest, OnlyTheNumberAfterTheLargestFollows) {
  EXPECT_FALSE(tracker_.Follows(PacketNumber(0)));
  ReceiveAll(3, 5);
  Receive(9);
  EXPECT_FALSE(tracker_.Follows(PacketNumber(6)));
  EXPECT_FALSE(tracker_.Follows(PacketNumber(9)));
  EXPECT_TRUE(tracker_.Follows(PacketNumber(10)));
  EXPECT_FALSE(tracker_.Follows(PacketNumber(11)));
}

TEST_F(AckTrackerTest, ReportsWhatArrivedNewestFirst) {
  ReceiveAll(3, 5);
  Receive(9);
  Receive(7);
  now_ += 2ms;
  const wire::AckFrame ack = Ack();
  EXPECT_EQ(std::vector(ack.Ranges().begin(), ack.Ranges().end()),
            (std::vector{R(9, 9), R(7, 7), R(3, 5)}));
  EXPECT_EQ(ack.ack_delay_microseconds, 2000u);
  EXPECT_EQ(ack.receive_time_microseconds, 0u);
  EXPECT_EQ(ack.packets_received, 5u);
  EXPECT_EQ(ack.bytes_received, 500u);
  EXPECT_EQ(ack.max_data, 77u);
  EXPECT_EQ(ack.socket_drops, 5u);
}

TEST_F(AckTrackerTest, LatePacketsJoinRanges) {
  Receive(1);
  Receive(3);
  Receive(2);
  EXPECT_EQ(Ranges(), (std::vector{R(1, 3)}));
  EXPECT_TRUE(tracker_.Contains(PacketNumber(2)));
  EXPECT_FALSE(tracker_.Contains(PacketNumber(4)));
  EXPECT_FALSE(tracker_.Contains(PacketNumber(0)));
}

TEST_F(AckTrackerTest, NamesEveryRangeInThreeAcksAndThenNoMore) {
  Receive(1);
  Receive(10);
  Receive(20);
  for (int i = 0; i < AckTracker::kReports; ++i) {
    EXPECT_EQ(Ranges(), (std::vector{R(20, 20), R(10, 10), R(1, 1)})) << i;
  }
  // Only the newest, without which there is no ACK.
  EXPECT_EQ(Ranges(), (std::vector{R(20, 20)}));
  // One that grows is news again.
  Receive(11);
  EXPECT_EQ(Ranges(), (std::vector{R(20, 20), R(10, 11)}));
}

TEST_F(AckTrackerTest, KeepsThe256NewestRanges) {
  for (std::uint64_t n = 0; n < 1000; ++n) Receive(2 * n);
  EXPECT_EQ(tracker_.range_count(), wire::kMaxAckRanges);
  const wire::AckFrame ack = Ack(4000);
  ASSERT_EQ(ack.range_count, wire::kMaxAckRanges);
  EXPECT_EQ(ack.ranges[0], R(1998, 1998));
  EXPECT_EQ(ack.ranges[255], R(1488, 1488));
  // Something older than all of them is not remembered.
  Receive(1);
  EXPECT_FALSE(tracker_.Contains(PacketNumber(1)));
  EXPECT_EQ(tracker_.range_count(), wire::kMaxAckRanges);
}

// Beyond 256 ranges, whatever comes when: like a plain set that has lost its
// oldest ranges.
TEST_F(AckTrackerTest, AgreesWithAPlainSetWhenFull) {
  std::uint64_t random = 88172645463325252;
  std::set<std::uint64_t> received;
  std::uint64_t next = 0;
  for (int i = 0; i < 20'000; ++i) {
    random ^= random << 13;
    random ^= random >> 7;
    random ^= random << 17;
    // One in three is skipped, and may come late.
    std::uint64_t number = next;
    if (random % 4 == 0) {
      number -= std::min<std::uint64_t>(next, random / 4 % 100);
    } else {
      next += 1 + (random / 4 % 3 == 0);
    }
    Receive(number);
    received.insert(number);
    ASSERT_LE(tracker_.range_count(), wire::kMaxAckRanges);
    if (i % 64 != 0) continue;
    Receive(next, true, true);
    received.insert(next);
    ++next;
    tracker_.OnPing(PacketNumber(0));
    const wire::AckFrame ack = Ack(4000);
    for (std::size_t r = 0; r < ack.range_count; ++r) {
      const AckRange& range = ack.ranges[r];
      for (std::uint64_t n = range.smallest.value(); n <= range.largest.value();
           ++n) {
        ASSERT_EQ(received.count(n), 1u) << n;
      }
      // As long as can be.
      ASSERT_EQ(received.count(range.largest.value() + 1), 0u);
      if (r + 1 < wire::kMaxAckRanges && range.smallest.value() > 0) {
        ASSERT_EQ(received.count(range.smallest.value() - 1), 0u);
      }
      // None is left out in between.
      if (r > 0) {
        for (std::uint64_t n = range.largest.value() + 1;
             n < ack.ranges[r - 1].smallest.value(); ++n) {
          ASSERT_EQ(received.count(n), 0u) << n;
        }
      }
    }
  }
  EXPECT_EQ(tracker_.range_count(), wire::kMaxAckRanges);
}

// What did not fit is named by the next ACK.
TEST_F(AckTrackerTest, RangesThatDoNotFitCountAsUnreported) {
  for (std::uint64_t n = 0; n < 20; ++n) Receive(100 * n);
  for (int i = 0; i < AckTracker::kReports; ++i) Ack(40);
  const std::size_t named = Ack(40).range_count;
  EXPECT_GT(named, 1u);
  EXPECT_LT(named, 20u);
  std::size_t total = 0;
  for (int i = 0; i < 20; ++i) total += Ack(40).range_count - 1;
  EXPECT_GE(total, 3 * (20 - 1 - named) - named);
}

TEST_F(AckTrackerTest, PingForgetsWhatIsBelowAndRepeatsTheRest) {
  for (std::uint64_t n = 0; n < 10; ++n) Receive(2 * n);
  for (int i = 0; i < 4; ++i) Ack();
  EXPECT_EQ(Ranges().size(), 1u);
  tracker_.OnPing(PacketNumber(13));
  EXPECT_EQ(Ranges(), (std::vector{R(18, 18), R(16, 16), R(14, 14)}));
  // However high the number, an ACK stays possible.
  tracker_.OnPing(PacketNumber(PacketNumber::kMax));
  EXPECT_EQ(Ranges(), (std::vector{R(18, 18)}));
}

TEST_F(AckTrackerTest, AcknowledgesEverySecondOfTheFirstHundred) {
  tracker_.set_rtt(80ms);
  Receive(0);
  EXPECT_FALSE(tracker_.Due(now_));
  Receive(1);
  EXPECT_TRUE(tracker_.Due(now_));
  Ack();
  EXPECT_FALSE(tracker_.deadline().has_value());
  EXPECT_FALSE(tracker_.pending());
}

TEST_F(AckTrackerTest, ThenOnceInAnEighthOfTheRoundTrip) {
  tracker_.set_rtt(80ms);
  ReceiveAll(0, 99);
  Ack();
  now_ += 1ms;
  ReceiveAll(100, 110);
  EXPECT_EQ(tracker_.deadline(), now_ + 10ms);
  tracker_.set_rtt(40ms);
  Ack();
  ReceiveAll(111, 120);
  EXPECT_EQ(tracker_.deadline(), now_ + 5ms);
  tracker_.set_rtt(900ms);
  Ack();
  Receive(121);
  EXPECT_EQ(tracker_.deadline(), now_ + AckTracker::kMaxDelay);
}

TEST_F(AckTrackerTest, AtLeastOncePerTwoBatchesButNotAboveTheMinimumInterval) {
  tracker_.set_rtt(80ms);
  ReceiveAll(0, 99);
  Ack();
  now_ += 1ms;
  ReceiveAll(100, 186);
  EXPECT_FALSE(tracker_.Due(now_));
  Receive(187);
  EXPECT_TRUE(tracker_.Due(now_));
  Ack();
  ReceiveAll(188, 400);
  EXPECT_EQ(tracker_.deadline(), now_ + AckTracker::kMinInterval);
}

TEST_F(AckTrackerTest, GapsAndAckNowAreAnsweredAtOnceButRateLimited) {
  tracker_.set_rtt(160ms);
  ReceiveAll(0, 99);
  Ack();
  now_ += 20ms;
  Receive(101);  // 100 is missing.
  EXPECT_TRUE(tracker_.Due(now_));
  Ack();
  Receive(103);
  EXPECT_EQ(tracker_.deadline(), now_ + 10ms);  // A sixteenth.
  Ack();
  now_ += 20ms;
  Receive(104, true, true);
  EXPECT_TRUE(tracker_.Due(now_));
  Ack();
  now_ += 20ms;
  Receive(102);  // Late.
  EXPECT_TRUE(tracker_.Due(now_));
}

// RFC 9000 section 13.2: packets with only ACKs are not acknowledged, or two
// ends would go on forever.
TEST_F(AckTrackerTest, AsksForNothingWithoutAckElicitingPackets) {
  for (std::uint64_t n = 0; n < 500; n += 2) Receive(n, false);
  EXPECT_FALSE(tracker_.pending());
  EXPECT_FALSE(tracker_.deadline().has_value());
  // But they are named when there is another reason.
  Receive(499);
  EXPECT_EQ(Ranges()[0], R(498, 499));
}

}  // namespace
}  // namespace p2pcp

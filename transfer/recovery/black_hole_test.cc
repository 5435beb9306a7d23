#include "transfer/recovery/black_hole.h"

#include <gtest/gtest.h>

#include <cstdint>

#include "net/base/packet_number.h"
#include "net/base/time.h"

namespace p2pcp {
namespace {

constexpr TimePoint kStart{1s};
constexpr Duration kRtt = 50ms;
constexpr std::size_t kSmall = 1172;
constexpr std::size_t kLarge = 1444;

class BlackHoleTest : public testing::Test {
 protected:
  // Large packets [first, last], sent 10 ms apart.
  void Lose(std::uint64_t first, std::uint64_t last) {
    for (std::uint64_t n = first; n <= last; ++n) {
      detector_.OnLost(PacketNumber(n), kLarge, SentAt(n));
    }
  }
  static TimePoint SentAt(std::uint64_t number) {
    return kStart + static_cast<std::int64_t>(number) * 10ms;
  }
  bool Suspects(TimePoint now) {
    return detector_.Suspects(now, kRtt, PacketNumber(1000));
  }

  BlackHoleDetector detector_{kSmall};
};

TEST_F(BlackHoleTest, IsSuspectedWhereOnlySmallPacketsPass) {
  detector_.OnAcked(PacketNumber(9), kLarge);
  // The ACK of the small one tells of the losses before it.
  detector_.OnAcked(PacketNumber(20), kSmall);
  Lose(10, 17);
  EXPECT_TRUE(Suspects(SentAt(10) + 3 * kRtt));
  // Once; then as much must happen again.
  EXPECT_FALSE(Suspects(SentAt(10) + 4 * kRtt));
}

TEST_F(BlackHoleTest, NeedsEightPackets) {
  detector_.OnAcked(PacketNumber(20), kSmall);
  Lose(10, 16);
  EXPECT_FALSE(Suspects(SentAt(10) + 10 * kRtt));
  Lose(17, 17);
  EXPECT_TRUE(Suspects(SentAt(10) + 10 * kRtt));
}

TEST_F(BlackHoleTest, NeedsThreeRoundTrips) {
  detector_.OnAcked(PacketNumber(20), kSmall);
  Lose(10, 17);
  EXPECT_FALSE(Suspects(SentAt(10) + 3 * kRtt - 1ns));
  EXPECT_TRUE(Suspects(SentAt(10) + 3 * kRtt));
}

// An outage takes packets of every size.
TEST_F(BlackHoleTest, NeedsASmallPacketThatPassesMeanwhile) {
  detector_.OnAcked(PacketNumber(9), kSmall);
  Lose(10, 40);
  EXPECT_FALSE(Suspects(SentAt(100)));
  detector_.OnAcked(PacketNumber(41), kSmall);
  EXPECT_TRUE(Suspects(SentAt(100)));
}

TEST_F(BlackHoleTest, ALargePacketThatPassesEndsTheSuspicion) {
  detector_.OnAcked(PacketNumber(20), kSmall);
  Lose(10, 16);
  detector_.OnAcked(PacketNumber(18), kLarge);
  // Sent before it: no matter when the loss is declared.
  Lose(17, 17);
  EXPECT_FALSE(Suspects(SentAt(100)));
  detector_.OnAcked(PacketNumber(30), kSmall);
  Lose(19, 25);
  EXPECT_FALSE(Suspects(SentAt(100)));
  Lose(26, 26);
  EXPECT_TRUE(Suspects(SentAt(100)));
}

// One that was sent before the first that got lost says nothing.
TEST_F(BlackHoleTest, ALateAckOfAnEarlierPacketChangesNothing) {
  detector_.OnAcked(PacketNumber(20), kSmall);
  Lose(10, 17);
  detector_.OnAcked(PacketNumber(8), kLarge);
  EXPECT_TRUE(Suspects(SentAt(100)));
}

TEST_F(BlackHoleTest, SmallPacketsMayBeLostAsTheyLike) {
  for (std::uint64_t n = 10; n < 100; ++n) {
    detector_.OnLost(PacketNumber(n), kSmall, SentAt(n));
  }
  detector_.OnAcked(PacketNumber(100), kSmall);
  EXPECT_FALSE(Suspects(SentAt(200)));
}

TEST_F(BlackHoleTest, WhatWasSentBeforeAChangeDoesNotCount) {
  detector_.OnAcked(PacketNumber(40), kSmall);
  Lose(10, 16);
  detector_.Reset(PacketNumber(30));
  Lose(17, 29);
  EXPECT_FALSE(Suspects(SentAt(100)));
}

}  // namespace
}  // namespace p2pcp

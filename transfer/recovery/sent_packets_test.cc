#include "transfer/recovery/sent_packets.h"

#include <gtest/gtest.h>

#include <set>
#include <vector>

#include "net/base/random.h"

namespace p2pcp {
namespace {

using State = SentPacket::State;

SentPacket Outstanding(std::uint16_t size) {
  SentPacket packet;
  packet.size = size;
  packet.content = SentPacket::kData;
  packet.state = State::kOutstanding;
  return packet;
}

std::vector<std::uint64_t> Acknowledge(SentPackets& sent, std::uint64_t from,
                                       std::uint64_t to) {
  std::vector<std::uint64_t> visited;
  const std::uint64_t count = sent.Acknowledge(
      from, to,
      [&](std::uint64_t n, const SentPacket&) { visited.push_back(n); });
  EXPECT_EQ(count, visited.size());
  return visited;
}

TEST(SentPackets, GrowsAndKeepsWhatItHas) {
  SentPackets sent;
  for (std::uint64_t n = 50; n < 5000; ++n) {
    sent.Append(n, Outstanding(static_cast<std::uint16_t>(n)));
  }
  EXPECT_EQ(sent.begin(), 50u);
  EXPECT_EQ(sent.end(), 5000u);
  for (std::uint64_t n = 50; n < 5000; ++n) ASSERT_EQ(sent[n].size, n);
}

TEST(SentPackets, NumbersInBetweenAreNotOurs) {
  SentPackets sent;
  sent.Append(7, Outstanding(1));
  sent.Append(300, Outstanding(2));
  EXPECT_EQ(sent.begin(), 7u);
  EXPECT_EQ(sent[7].state, State::kOutstanding);
  for (std::uint64_t n = 8; n < 300; ++n)
    ASSERT_EQ(sent[n].state, State::kNone);
  EXPECT_EQ(sent[300].size, 2);
}

TEST(SentPackets, HasABound) {
  SentPackets sent;
  sent.Append(0, Outstanding(1));
  EXPECT_TRUE(sent.HasRoomFor(SentPackets::kMaxCapacity - 1));
  EXPECT_FALSE(sent.HasRoomFor(SentPackets::kMaxCapacity));
  sent.PopFront();
  EXPECT_TRUE(sent.HasRoomFor(std::uint64_t{1} << 47));
}

TEST(SentPackets, VisitsEachPacketOnceHoweverOftenItsRangeComes) {
  SentPackets sent;
  for (std::uint64_t n = 0; n < 100; ++n) sent.Append(n, Outstanding(1));
  EXPECT_EQ(Acknowledge(sent, 5, 7), (std::vector<std::uint64_t>{5, 6, 7}));
  EXPECT_TRUE(Acknowledge(sent, 5, 7).empty());
  EXPECT_EQ(Acknowledge(sent, 3, 9), (std::vector<std::uint64_t>{3, 4, 8, 9}));
  // Ranges that go beyond the ring are cut.
  EXPECT_EQ(Acknowledge(sent, 97, 100'000),
            (std::vector<std::uint64_t>{97, 98, 99}));
}

TEST(SentPackets, AcknowledgeAgreesWithAPlainSet) {
  SeededRandom random(3);
  for (int round = 0; round < 20; ++round) {
    SentPackets sent;
    for (std::uint64_t n = 10; n < 400; ++n) sent.Append(n, Outstanding(1));
    std::set<std::uint64_t> open;
    for (std::uint64_t n = 10; n < 400; ++n) open.insert(n);
    for (int step = 0; step < 200; ++step) {
      const std::uint64_t from = random.Below(420);
      const std::uint64_t to = from + random.Below(40);
      std::vector<std::uint64_t> want;
      for (std::uint64_t n = from; n <= to; ++n) {
        if (open.erase(n) > 0) want.push_back(n);
      }
      ASSERT_EQ(Acknowledge(sent, from, to), want);
      while (!sent.empty() && sent[sent.begin()].state == State::kAcked) {
        sent.PopFront();
      }
    }
  }
}

// A window of packets acknowledged over and over by ranges that grow: each call
// must cost what is new, or a long path makes ACKs expensive.
TEST(SentPackets, RepeatedRangesCostNothing) {
  SentPackets sent;
  constexpr std::uint64_t kPackets = 200'000;
  for (std::uint64_t n = 0; n < kPackets; ++n) sent.Append(n, Outstanding(1));
  std::uint64_t visits = 0;
  for (std::uint64_t n = 1; n < kPackets; ++n) {
    visits += sent.Acknowledge(1, n, [](std::uint64_t, const SentPacket&) {});
  }
  EXPECT_EQ(visits, kPackets - 1);
  // Quadratic work here would be 2 * 10^10 steps.
}

}  // namespace
}  // namespace p2pcp

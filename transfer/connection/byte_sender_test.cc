#include "transfer/connection/byte_sender.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace p2pcp {
namespace {

// Has buffers of 1000 bytes; each byte says where it lies.
class Source final : public ByteSource {
 public:
  static constexpr std::uint64_t kBuffer = 1000;

  static std::byte At(std::uint64_t offset) {
    return static_cast<std::byte>(offset % 251);
  }
  ByteSpan Read(StreamOffset offset, std::size_t max_size) override {
    const std::uint64_t block = offset.value() / kBuffer;
    if (absent.contains(block)) {
      asked.insert(block);
      return {};
    }
    const std::size_t n = std::min<std::uint64_t>(
        max_size, (block + 1) * kBuffer - offset.value());
    buffer_.resize(n);
    for (std::size_t i = 0; i < n; ++i) buffer_[i] = At(offset.value() + i);
    return buffer_;
  }
  std::set<std::uint64_t> absent;
  std::set<std::uint64_t> asked;

 private:
  Bytes buffer_;
};

class ByteSenderTest : public ::testing::Test {
 protected:
  void Offer(std::uint64_t begin, std::uint64_t end) {
    sender_.Offer(StreamOffset(begin), StreamOffset(end), PacketNumber(next_));
  }
  // The range of the next chunk, whose bytes are checked; {0, 0}: none.
  std::pair<std::uint64_t, std::uint64_t> Next(std::size_t max_size = 300) {
    return Check(sender_.Next(max_size, scratch_));
  }
  std::pair<std::uint64_t, std::uint64_t> Check(
      const std::optional<ByteSender::Chunk>& chunk) {
    if (!chunk) return {0, 0};
    last_ = chunk->last;
    Bytes bytes(scratch_.begin(),
                scratch_.begin() + static_cast<std::ptrdiff_t>(chunk->copied));
    bytes.insert(bytes.end(), chunk->data.begin(), chunk->data.end());
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      EXPECT_EQ(bytes[i], Source::At(chunk->offset.value() + i));
    }
    ++next_;
    return {chunk->offset.value(), chunk->offset.value() + bytes.size()};
  }
  void Ack(std::uint64_t begin, std::uint64_t end,
           std::uint64_t number = 1000) {
    sender_.OnAcked(PacketNumber(number), begin, end - begin);
  }
  void Lose(std::uint64_t begin, std::uint64_t end,
            std::uint64_t number = 1000) {
    sender_.OnLost(PacketNumber(number), begin, end - begin);
  }

  using Range = std::pair<std::uint64_t, std::uint64_t>;
  const Range kNone{0, 0};

  Source source_;
  ByteSender sender_{&source_};
  Bytes scratch_ = Bytes(2000);
  std::uint64_t next_ = 0;
  bool last_ = false;
};

TEST_F(ByteSenderTest, ARunIsWholePacketsOfOneBuffer) {
  sender_.OnCredit(10'000);
  Offer(0, 5'000);
  const ByteSender::Chunk run = sender_.NextRun(300, 40);
  EXPECT_EQ(Check(run), Range(0, 900));
  EXPECT_EQ(sender_.NextRun(300, 40).data.size(), 0u);  // It would need two.
  EXPECT_EQ(Next(), Range(900, 1'200));
  EXPECT_EQ(Check(sender_.NextRun(300, 2)), Range(1'200, 1'800));
}

TEST_F(ByteSenderTest, ARunKeepsToTheCredit) {
  sender_.OnCredit(700);
  Offer(0, 5'000);
  EXPECT_EQ(Check(sender_.NextRun(300, 40)), Range(0, 600));
  EXPECT_EQ(sender_.NextRun(300, 40).data.size(), 0u);
  EXPECT_EQ(Next(), Range(600, 700));
}

// It asks for an ACK.
TEST_F(ByteSenderTest, ARunLeavesTheLastPacketToNext) {
  sender_.OnCredit(10'000);
  Offer(0, 900);
  EXPECT_EQ(Check(sender_.NextRun(300, 40)), Range(0, 600));
  EXPECT_EQ(sender_.NextRun(300, 40).data.size(), 0u);
  EXPECT_EQ(Next(), Range(600, 900));
  EXPECT_TRUE(last_);
}

TEST_F(ByteSenderTest, WhatIsLostGoesBeforeARun) {
  sender_.OnCredit(10'000);
  Offer(0, 5'000);
  EXPECT_EQ(Check(sender_.NextRun(300, 2)), Range(0, 600));
  Lose(0, 300);
  EXPECT_EQ(sender_.NextRun(300, 40).data.size(), 0u);
  EXPECT_EQ(Next(), Range(0, 300));
  EXPECT_EQ(Check(sender_.NextRun(300, 40)), Range(600, 900));
}

// The caller asks Next(), which takes note.
TEST_F(ByteSenderTest, ARunOfBytesThatAreNotInMemoryIsNone) {
  sender_.OnCredit(10'000);
  Offer(0, 5'000);
  source_.absent.insert(0);
  EXPECT_EQ(sender_.NextRun(300, 40).data.size(), 0u);
  EXPECT_TRUE(sender_.HasPending());
  source_.absent.clear();
  EXPECT_EQ(Check(sender_.NextRun(300, 1)), Range(0, 300));
}

TEST_F(ByteSenderTest, SendsOfferedRangesInOrder) {
  sender_.OnCredit(10'000);
  Offer(5000, 5400);
  Offer(100, 700);
  EXPECT_EQ(Next(), Range(100, 400));
  EXPECT_EQ(Next(), Range(400, 700));
  EXPECT_EQ(Next(), Range(5000, 5300));
  EXPECT_FALSE(last_);
  EXPECT_EQ(Next(), Range(5300, 5400));
  EXPECT_TRUE(last_);
  EXPECT_EQ(Next(), kNone);
  Ack(100, 700);
  EXPECT_FALSE(sender_.AllAcked());
  EXPECT_EQ(sender_.AckedIn(0, 10'000), 600u);
  EXPECT_EQ(sender_.AckedIn(600, 5100), 100u);
  Ack(5000, 5400);
  EXPECT_TRUE(sender_.AllAcked());
  EXPECT_EQ(sender_.AckedIn(600, 5100), 200u);
}

// All packets of a train have to have one size.
TEST_F(ByteSenderTest, JoinsPiecesWhereABufferOfTheSourceEnds) {
  sender_.OnCredit(10'000);
  Offer(900, 3000);
  EXPECT_EQ(Next(300), Range(900, 1200));
  EXPECT_EQ(Next(1800), Range(1200, 3000));
}

TEST_F(ByteSenderTest, SendsAPieceAloneWhenTheRestIsNotInMemory) {
  sender_.OnCredit(10'000);
  Offer(900, 3000);
  source_.absent.insert(1);
  EXPECT_EQ(Next(300), Range(900, 1000));
  EXPECT_EQ(Next(300), kNone);
  EXPECT_FALSE(sender_.HasPending());
  EXPECT_EQ(source_.asked, (std::set<std::uint64_t>{1}));
  source_.absent.clear();
  EXPECT_EQ(Next(300), kNone);  // Nobody said that it is there.
  sender_.OnSourceReady();
  EXPECT_EQ(Next(300), Range(1000, 1300));
}

TEST_F(ByteSenderTest, LostBytesGoFirstAndAreNotChargedTwice) {
  sender_.OnCredit(900);
  Offer(0, 2000);
  EXPECT_EQ(Next(), Range(0, 300));
  EXPECT_EQ(Next(), Range(300, 600));
  EXPECT_EQ(Next(), Range(600, 900));
  EXPECT_EQ(Next(), kNone);  // No credit.
  Lose(300, 600);
  Lose(0, 300);
  EXPECT_EQ(Next(), Range(0, 300));
  EXPECT_EQ(Next(), Range(300, 600));
  EXPECT_EQ(Next(), kNone);
  sender_.OnCredit(800);  // Credit never shrinks.
  EXPECT_EQ(Next(), kNone);
  sender_.OnCredit(1000);
  EXPECT_EQ(Next(), Range(900, 1000));
  EXPECT_EQ(sender_.retransmitted_bytes(), 600u);
}

TEST_F(ByteSenderTest, NothingIsSentWithoutCredit) {
  Offer(0, 100);
  EXPECT_FALSE(sender_.HasPending());
  EXPECT_EQ(Next(), kNone);
}

TEST_F(ByteSenderTest, LateAcksStopRetransmission) {
  sender_.OnCredit(10'000);
  Offer(0, 900);
  while (Next() != kNone) {
  }
  Lose(0, 900);
  Ack(300, 600);
  EXPECT_EQ(Next(1000), Range(0, 300));
  EXPECT_EQ(Next(1000), Range(600, 900));
  Lose(300, 600);  // Another copy of what has arrived.
  EXPECT_FALSE(sender_.HasPending());
}

TEST_F(ByteSenderTest, NewBytesFlowWhileLostOnesAreFetched) {
  sender_.OnCredit(10'000);
  Offer(0, 5000);
  EXPECT_EQ(Next(1000), Range(0, 1000));
  Lose(0, 1000);
  source_.absent.insert(0);
  EXPECT_EQ(Next(1000), Range(1000, 2000));
  EXPECT_EQ(source_.asked, (std::set<std::uint64_t>{0}));
  source_.absent.clear();
  sender_.OnSourceReady();
  EXPECT_EQ(Next(1000), Range(0, 1000));
}

TEST_F(ByteSenderTest, RepeatsWhatIsNotAcknowledged) {
  sender_.OnCredit(10'000);
  Offer(0, 900);
  while (Next() != kNone) {
  }
  Ack(0, 100);
  EXPECT_EQ(Check(sender_.Repeat(0, 300, 1000, scratch_)), Range(100, 300));
  Ack(0, 300);
  EXPECT_EQ(Check(sender_.Repeat(0, 300, 1000, scratch_)), kNone);
}

TEST_F(ByteSenderTest, OfferingTwiceSendsOnce) {
  sender_.OnCredit(10'000);
  Offer(0, 300);
  Offer(0, 300);
  EXPECT_EQ(Next(), Range(0, 300));
  Offer(0, 400);
  EXPECT_EQ(Next(), Range(300, 400));
  EXPECT_EQ(Next(), kNone);
}

TEST_F(ByteSenderTest, AcknowledgedBytesThatAreOfferedAnewAreSentAgain) {
  sender_.OnCredit(10'000);
  Offer(0, 900);
  while (Next() != kNone) {
  }
  Ack(0, 900);
  ASSERT_TRUE(sender_.AllAcked());
  Offer(300, 600);
  EXPECT_FALSE(sender_.AllAcked());
  // An ACK of a copy from before does not count.
  Ack(300, 600, next_ - 1);
  EXPECT_FALSE(sender_.AllAcked());
  Lose(300, 600, next_ - 1);
  EXPECT_EQ(Next(), Range(300, 600));
  EXPECT_EQ(Next(), kNone);
  Ack(300, 600, next_);
  EXPECT_TRUE(sender_.AllAcked());
}

TEST_F(ByteSenderTest, APeerThatAcknowledgesEveryOtherByteIsStopped) {
  sender_.OnCredit(1 << 30);
  Offer(0, 1 << 20);
  std::uint64_t sent = 0;
  for (;;) {
    const Range range = Next(2);
    if (range == kNone) break;
    sent += range.second - range.first;
    Ack(range.first, range.first + 1);
  }
  EXPECT_EQ(sent, 2 * ByteSender::kMaxHoles);
}

}  // namespace
}  // namespace p2pcp

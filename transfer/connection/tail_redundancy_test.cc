#include "transfer/connection/tail_redundancy.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>

#include "net/base/packet_number.h"
#include "transfer/connection/byte_space.h"

namespace p2pcp {
namespace {

class Zeros final : public ByteSource {
 public:
  ByteSpan Read(StreamOffset, std::size_t max_size) override {
    if (absent) return {};
    return ByteSpan(zeros_).first(std::min(max_size, zeros_.size()));
  }
  bool absent = false;

 private:
  const Bytes zeros_ = Bytes(1000);
};

// 100 packets of 1000 bytes have been sent over a path of 100 ms that carries
// 50 of them in a round trip and loses one in ten.
class TailRedundancyTest : public ::testing::Test {
 protected:
  static constexpr std::uint64_t kSize = 100'000;

  TailRedundancyTest() {
    sender_.Offer(StreamOffset(0), StreamOffset(kSize), PacketNumber(0));
    sender_.OnCredit(kSize);
    while (sender_.Next(1000, scratch_)) {
    }
  }
  // The offset of the next copy.
  std::optional<std::uint64_t> Next() {
    if (!sender_.InTail() || !tail_.Worthwhile(path_, sender_)) {
      return std::nullopt;
    }
    const auto chunk = tail_.Next(now_, path_.min_rtt, sender_, 1000, scratch_);
    if (!chunk) return std::nullopt;
    return chunk->offset.value();
  }
  void Ack(std::uint64_t begin, std::uint64_t end) {
    sender_.OnAcked(PacketNumber(1), begin, end - begin);
  }

  TimePoint now_{1s};
  TailRedundancy::Path path_{
      .min_rtt = 100ms, .bandwidth = 500'000, .lossy_rounds = 10};
  Zeros source_;
  ByteSender sender_{&source_};
  TailRedundancy tail_;
  Bytes scratch_ = Bytes(1000);
};

TEST_F(TailRedundancyTest, CopiesWhatIsMissingRoundByRound) {
  Ack(0, 20'000);
  Ack(21'000, 97'000);
  EXPECT_EQ(Next(), 20'000u);
  EXPECT_EQ(Next(), 97'000u);
  Ack(98'000, 99'000);
  EXPECT_EQ(Next(), 99'000u);
  // Not over and over: twice in a round trip.
  EXPECT_EQ(Next(), std::nullopt);
  ASSERT_EQ(tail_.next_round(), now_ + 50ms);
  now_ += 50ms;
  EXPECT_EQ(Next(), 20'000u);
  EXPECT_EQ(Next(), 97'000u);
  EXPECT_EQ(tail_.bytes(), 5'000u);
}

TEST_F(TailRedundancyTest, NothingWhileBytesAreKnownToBeLost) {
  sender_.OnLost(PacketNumber(1), 5'000, 1'000);
  EXPECT_EQ(Next(), std::nullopt);
  EXPECT_TRUE(sender_.Next(1000, scratch_).has_value());
  EXPECT_EQ(Next(), 0u);
  Ack(0, kSize);
  EXPECT_EQ(Next(), std::nullopt);
}

TEST_F(TailRedundancyTest, NeverOnALan) {
  path_.min_rtt = TailRedundancy::kMinRtt - 1ns;
  EXPECT_EQ(Next(), std::nullopt);
  path_.min_rtt = TailRedundancy::kMinRtt;
  EXPECT_EQ(Next(), 0u);
}

TEST_F(TailRedundancyTest, NeverWithoutLoss) {
  path_.lossy_rounds = TailRedundancy::kMinLossyRounds - 1;
  EXPECT_EQ(Next(), std::nullopt);
  path_.lossy_rounds = TailRedundancy::kMinLossyRounds;
  EXPECT_EQ(Next(), 0u);
}

TEST_F(TailRedundancyTest, NoMoreThanAWindowOrAHundredth) {
  const auto copies = [&] {
    std::uint64_t n = 0;
    for (int i = 0; i < 1'000; ++i) {
      if (Next()) ++n;
      now_ += 1ms;
    }
    return n;
  };
  EXPECT_EQ(copies(), 50u);
  path_.bandwidth = 0;
  tail_ = {};
  EXPECT_EQ(copies(), 1u);
}

TEST_F(TailRedundancyTest, WaitsForTheSource) {
  source_.absent = true;
  EXPECT_EQ(Next(), std::nullopt);
  source_.absent = false;
  now_ += 50ms;
  EXPECT_EQ(Next(), 0u);
}

}  // namespace
}  // namespace p2pcp

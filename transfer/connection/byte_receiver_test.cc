#include "transfer/connection/byte_receiver.h"

#include <gtest/gtest.h>

#include <utility>
#include <vector>

namespace p2pcp {
namespace {

using Outcome = ByteReceiver::Outcome;

class Sink final : public ByteSink {
 public:
  bool Write(StreamOffset offset, ByteSpan bytes) override {
    if (full) return false;
    writes.emplace_back(offset.value(), bytes.size());
    return true;
  }
  bool WriteRun(StreamOffset offset, BytePieces bytes) override {
    if (full || no_runs) return false;
    writes.emplace_back(offset.value(), bytes.size());
    return true;
  }
  bool full = false;
  bool no_runs = false;
  std::vector<std::pair<std::uint64_t, std::size_t>> writes;
};

using Writes = std::vector<std::pair<std::uint64_t, std::size_t>>;

class ByteReceiverTest : public ::testing::Test {
 protected:
  Outcome Receive(std::uint64_t offset, std::size_t size) {
    return receiver_.Receive(StreamOffset(offset), Bytes(size));
  }
  Sink sink_;
  ByteReceiver receiver_{&sink_, 1000};
};

TEST_F(ByteReceiverTest, WritesInAnyOrderAndEachByteOnce) {
  EXPECT_EQ(Receive(100, 50), Outcome::kTaken);
  EXPECT_EQ(Receive(0, 50), Outcome::kTaken);
  EXPECT_EQ(Receive(100, 50), Outcome::kTaken);
  EXPECT_EQ(Receive(40, 70), Outcome::kTaken);
  EXPECT_EQ(Receive(0, 150), Outcome::kTaken);
  EXPECT_EQ(sink_.writes, (Writes{{100, 50}, {0, 50}, {50, 50}}));
  EXPECT_EQ(receiver_.received_bytes(), 150u);
  EXPECT_EQ(receiver_.duplicate_bytes(), 50u + 20 + 150);
}

TEST_F(ByteReceiverTest, ARunIsTakenAsAWholeOrNotAtAll) {
  const auto run = [&](std::uint64_t offset, std::size_t size) {
    const Bytes bytes(size);
    return receiver_.ReceiveRun(StreamOffset(offset), ByteSpan(bytes));
  };
  EXPECT_TRUE(run(0, 200));
  EXPECT_FALSE(run(100, 200));  // Some of it is there.
  EXPECT_FALSE(run(500, 801));  // More than the credit.
  sink_.full = true;
  EXPECT_FALSE(run(500, 100));
  sink_.full = false;
  sink_.no_runs = true;
  EXPECT_FALSE(run(500, 100));
  EXPECT_EQ(sink_.writes, (Writes{{0, 200}}));
  EXPECT_EQ(receiver_.received_bytes(), 200u);
  EXPECT_EQ(receiver_.duplicate_bytes(), 0u);
  EXPECT_EQ(receiver_.refused(), 0u);
  sink_.no_runs = false;
  EXPECT_TRUE(run(500, 800));
  EXPECT_EQ(receiver_.received_bytes(), 1000u);

  ByteReceiver sender(nullptr, 0);
  const Bytes bytes(10);
  EXPECT_FALSE(sender.ReceiveRun(StreamOffset(0), ByteSpan(bytes)));
}

TEST_F(ByteReceiverTest, WhatTheSinkRefusesMayComeAgain) {
  sink_.full = true;
  EXPECT_EQ(Receive(0, 100), Outcome::kRefused);
  EXPECT_EQ(receiver_.received_bytes(), 0u);
  sink_.full = false;
  EXPECT_EQ(Receive(0, 100), Outcome::kTaken);
  EXPECT_EQ(receiver_.received_bytes(), 100u);
}

TEST_F(ByteReceiverTest, TheCreditIsABudgetOfDistinctBytes) {
  EXPECT_EQ(Receive(1 << 20, 1000), Outcome::kTaken);
  EXPECT_EQ(Receive(1 << 20, 1000), Outcome::kTaken);
  EXPECT_EQ(Receive(0, 1), Outcome::kBeyondCredit);
  receiver_.Release(10);
  EXPECT_EQ(Receive(0, 11), Outcome::kBeyondCredit);
  EXPECT_EQ(Receive(0, 10), Outcome::kTaken);
}

TEST_F(ByteReceiverTest, AnnouncesCreditInSteps) {
  EXPECT_TRUE(receiver_.CreditDue());
  EXPECT_EQ(receiver_.max_data(), 1000u);
  receiver_.OnCreditSent();
  EXPECT_FALSE(receiver_.CreditDue());
  Receive(0, 500);
  receiver_.Release(124);
  EXPECT_FALSE(receiver_.CreditDue());
  receiver_.Release(1);
  EXPECT_TRUE(receiver_.CreditDue());
  receiver_.OnCreditSent();
  EXPECT_FALSE(receiver_.CreditDue());
  receiver_.OnCreditLost();
  EXPECT_TRUE(receiver_.CreditDue());
}

TEST_F(ByteReceiverTest, WithoutASinkDataIsAViolation) {
  ByteReceiver none(nullptr, 0);
  EXPECT_EQ(none.Receive(StreamOffset(0), Bytes(1)), Outcome::kNoSink);
  EXPECT_FALSE(none.CreditDue());
}

TEST_F(ByteReceiverTest, ForgottenBytesAreWrittenAgain) {
  Receive(0, 300);
  receiver_.Release(300);
  receiver_.Forget(StreamOffset(100), StreamOffset(200));
  EXPECT_EQ(Receive(0, 300), Outcome::kTaken);
  EXPECT_EQ(sink_.writes, (Writes{{0, 300}, {100, 100}}));
}

// A copy of forgotten bytes that was under way must not look like more than the
// peer was allowed.
TEST_F(ByteReceiverTest, LateCopiesOfForgottenBytesAreNoViolation) {
  Receive(0, 1000);
  receiver_.Forget(StreamOffset(0), StreamOffset(100));
  EXPECT_EQ(Receive(0, 100), Outcome::kTaken);
  EXPECT_EQ(Receive(2000, 1), Outcome::kBeyondCredit);
}

// One byte here and there costs a peer more than it costs us.
TEST_F(ByteReceiverTest, ScatteredBytesAreBounded) {
  ByteReceiver receiver(&sink_, 1 << 20);
  std::uint64_t offset = 0;
  std::size_t taken = 0;
  for (std::size_t i = 0; i < ByteReceiver::kMaxRanges + 100; ++i) {
    if (receiver.Receive(StreamOffset(offset), Bytes(1)) == Outcome::kTaken) {
      ++taken;
    }
    offset += 2;
  }
  EXPECT_EQ(taken, ByteReceiver::kMaxRanges);
  EXPECT_EQ(receiver.refused(), 100u);
  // Filling a hole is always possible.
  EXPECT_EQ(receiver.Receive(StreamOffset(1), Bytes(1)), Outcome::kTaken);
}

}  // namespace
}  // namespace p2pcp

#include "transfer/connection/control_stream.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "net/base/random.h"

namespace p2pcp {
namespace {

using Outcome = ControlReceiver::Outcome;

Bytes Message(std::size_t size, std::uint8_t seed) {
  Bytes bytes(size);
  for (std::size_t i = 0; i < size; ++i) {
    bytes[i] = static_cast<std::byte>(seed + i * 7);
  }
  return bytes;
}

std::string Text(const std::optional<Bytes>& message) {
  return message ? std::string(AsText(*message)) : "none";
}

TEST(ControlStream, CarriesWholeMessagesInOrder) {
  ControlSender sender;
  ControlReceiver receiver;
  sender.Send(AsBytes("one"));
  sender.Send({});
  sender.Send(AsBytes("three"));
  // In pieces of 4 bytes, which cut through lengths and messages.
  while (sender.HasPending()) {
    const auto piece = sender.NextPiece(4);
    EXPECT_EQ(receiver.Receive(piece.offset, piece.bytes), Outcome::kTaken);
  }
  EXPECT_EQ(Text(receiver.Poll()), "one");
  EXPECT_EQ(Text(receiver.Poll()), "");
  EXPECT_EQ(Text(receiver.Poll()), "three");
  EXPECT_EQ(Text(receiver.Poll()), "none");
}

TEST(ControlStream, WaitsForMissingPieces) {
  ControlSender sender;
  ControlReceiver receiver;
  sender.Send(AsBytes("hello"));
  const auto first = sender.NextPiece(3);
  const auto second = sender.NextPiece(100);
  EXPECT_EQ(receiver.Receive(second.offset, second.bytes), Outcome::kTaken);
  EXPECT_EQ(Text(receiver.Poll()), "none");
  EXPECT_EQ(receiver.Receive(first.offset, first.bytes), Outcome::kTaken);
  EXPECT_EQ(receiver.Receive(first.offset, first.bytes), Outcome::kTaken);
  EXPECT_EQ(Text(receiver.Poll()), "hello");
}

TEST(ControlSender, SendsLostBytesAgainBeforeNewOnes) {
  ControlSender sender;
  sender.Send(Message(98, 1));
  sender.NextPiece(50);
  sender.OnLost(0, 50);
  auto piece = sender.NextPiece(1000);
  EXPECT_EQ(piece.offset, 0u);
  EXPECT_EQ(piece.bytes.size(), 50u);
  piece = sender.NextPiece(1000);
  EXPECT_EQ(piece.offset, 50u);
  EXPECT_FALSE(sender.HasPending());
  // What was acknowledged meanwhile is not sent again.
  sender.OnAcked(10, 20);
  sender.OnLost(0, 50);
  EXPECT_EQ(sender.NextPiece(1000).bytes.size(), 10u);
  EXPECT_EQ(sender.NextPiece(1000).offset, 30u);
  EXPECT_FALSE(sender.AllAcked());
  sender.OnAcked(0, 100);
  EXPECT_TRUE(sender.AllAcked());
  EXPECT_FALSE(sender.HasPending());
}

TEST(ControlSender, KnowsTheOldestUnackedBytes) {
  ControlSender sender;
  EXPECT_FALSE(sender.OldestUnacked(10).has_value());
  sender.Send(Message(98, 1));
  EXPECT_FALSE(sender.OldestUnacked(10).has_value());
  sender.NextPiece(100);
  EXPECT_EQ(sender.OldestUnacked(10)->offset, 0u);
  sender.OnAcked(0, 5);
  sender.OnAcked(8, 10);
  EXPECT_EQ(sender.OldestUnacked(10)->offset, 5u);
  EXPECT_EQ(sender.OldestUnacked(10)->bytes.size(), 3u);
}

TEST(ControlSender, HoldsOneWindow) {
  ControlSender sender;
  EXPECT_EQ(sender.Room(), kMaxControlMessageSize);
  std::uint64_t sent = 0;
  while (sender.Room() > 0) {
    const std::size_t size = sender.Room();
    sender.Send(Message(size, 0));
    sent += size + kControlLengthSize;
  }
  EXPECT_LE(sent, kControlWindow);
  EXPECT_GT(sent, kControlWindow - 3);
  while (sender.HasPending()) sender.NextPiece(1000);
  sender.OnAcked(0, 1000);
  EXPECT_EQ(sender.Room(), 1000u - kControlLengthSize + kControlWindow - sent);
}

TEST(ControlReceiver, AMessageTooLongIsAViolation) {
  ControlReceiver receiver;
  EXPECT_EQ(receiver.Receive(0, Unhex("4000")), Outcome::kTaken);
  ControlReceiver other;
  EXPECT_EQ(other.Receive(0, Unhex("4001")), Outcome::kViolation);
}

TEST(ControlReceiver, BytesBeyondTheWindowAreAViolation) {
  ControlReceiver receiver;
  const Bytes one(1);
  EXPECT_EQ(receiver.Receive(kControlWindow - 1, one), Outcome::kTaken);
  EXPECT_EQ(receiver.Receive(kControlWindow, one), Outcome::kViolation);
  EXPECT_EQ(receiver.Receive(std::uint64_t{1} << 61, one), Outcome::kViolation);
}

// Without a word to the sender: what does not fit is not acknowledged.
TEST(ControlReceiver, RefusesWhatASlowReaderLeavesNoRoomFor) {
  ControlSender sender;
  ControlReceiver receiver;
  Outcome outcome = Outcome::kTaken;
  std::uint64_t taken = 0;
  while (outcome == Outcome::kTaken) {
    if (sender.Room() == kMaxControlMessageSize) {
      sender.Send(Message(kMaxControlMessageSize, 9));
    }
    const auto piece = sender.NextPiece(1000);
    outcome = receiver.Receive(piece.offset, piece.bytes);
    if (outcome == Outcome::kTaken) {
      taken += piece.bytes.size();
      sender.OnAcked(piece.offset, piece.bytes.size());
    } else {
      sender.OnLost(piece.offset, piece.bytes.size());
    }
  }
  EXPECT_EQ(outcome, Outcome::kRefused);
  EXPECT_LE(taken, kControlWindow);
  EXPECT_GT(taken, kControlWindow - 1000);
  EXPECT_EQ(receiver.Poll(), Message(kMaxControlMessageSize, 9));
  const auto piece = sender.NextPiece(1000);
  EXPECT_EQ(receiver.Receive(piece.offset, piece.bytes), Outcome::kTaken);
}

TEST(ControlReceiver, ScatteredBytesAreRefusedBeforeTheyCostMemory) {
  ControlReceiver receiver;
  const Bytes one(1);
  std::size_t taken = 0;
  for (std::uint64_t i = 1; i < kControlWindow; i += 2) {
    if (receiver.Receive(i, one) == Outcome::kTaken) ++taken;
  }
  EXPECT_EQ(taken, 1024u);
}

// Many windows of messages over a link that loses, doubles and reorders.
TEST(ControlStream, SurvivesABadLink) {
  SeededRandom random(5);
  ControlSender sender;
  ControlReceiver receiver;
  struct Flying {
    std::uint64_t offset;
    Bytes bytes;
  };
  std::vector<Flying> flying;
  std::vector<Bytes> sent;
  std::size_t received = 0;
  while (received < 300) {
    if (sent.size() < 300) {
      const std::size_t size = random.Below(kMaxControlMessageSize + 1);
      if (size <= sender.Room()) {
        sent.push_back(Message(size, static_cast<std::uint8_t>(sent.size())));
        sender.Send(sent.back());
      }
    }
    for (int i = 0; i < 20 && sender.HasPending(); ++i) {
      const auto piece = sender.NextPiece(1 + random.Below(1400));
      flying.push_back({piece.offset, ToBytes(piece.bytes)});
    }
    while (flying.size() > 10 || (!flying.empty() && !sender.HasPending())) {
      const std::size_t i = random.Below(flying.size());
      const Flying packet = flying[i];
      if (random.Below(10) > 0) {
        flying[i] = flying.back();
        flying.pop_back();
      }
      if (random.Below(4) == 0) {
        sender.OnLost(packet.offset, packet.bytes.size());
      } else if (receiver.Receive(packet.offset, packet.bytes) ==
                 Outcome::kTaken) {
        sender.OnAcked(packet.offset, packet.bytes.size());
      } else {
        sender.OnLost(packet.offset, packet.bytes.size());
      }
    }
    while (const auto message = receiver.Poll()) {
      ASSERT_EQ(*message, sent[received]);
      ++received;
    }
  }
  EXPECT_FALSE(receiver.Poll().has_value());
}

}  // namespace
}  // namespace p2pcp

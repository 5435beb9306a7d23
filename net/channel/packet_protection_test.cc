#include "net/channel/packet_protection.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "net/base/random.h"

namespace p2pcp::channel {
namespace {

// Two ends of one session.
struct Ends {
  explicit Ends(crypto::Suite suite = crypto::Suite::kChaCha20Poly1305,
                crypto::OpenerLimits limits = {},
                PacketNumber first = PacketNumber(1)) {
    SeededRandom random(7);
    crypto::SessionKeys keys;
    random.Fill(keys.send.bytes);
    random.Fill(keys.receive.bytes);
    random.Fill(keys.handshake_hash);
    a.emplace(ice::Role::kControlling, keys, suite, limits, first);
    std::swap(keys.send, keys.receive);
    b.emplace(ice::Role::kControlled, keys, suite, limits, first);
  }
  std::optional<PacketProtection> a;
  std::optional<PacketProtection> b;
};

Bytes SealText(PacketProtection& from, std::string_view text,
               PacketType type = PacketType::kPayload) {
  Bytes out(text.size() + PacketProtection::kOverhead);
  EXPECT_EQ(from.Seal(type, AsBytes(text), {}, out), out.size());
  return out;
}

TEST(PacketProtection, OpensWhatThePeerSealed) {
  for (const auto suite :
       {crypto::Suite::kAes256Gcm, crypto::Suite::kChaCha20Poly1305}) {
    Ends ends(suite);
    for (const PacketType type : {PacketType::kPayload, PacketType::kProbe}) {
      for (const std::string_view text : {"", "x", "hello"}) {
        const PacketNumber number = ends.a->next_packet_number();
        Bytes datagram = SealText(*ends.a, text, type);
        EXPECT_EQ(ends.a->next_packet_number(), number.Next());
        const auto opened = ends.b->Open(datagram);
        ASSERT_TRUE(opened.has_value());
        EXPECT_EQ(AsText(opened->plaintext), text);
        EXPECT_EQ(opened->type, type);
        EXPECT_EQ(opened->number, number);
        EXPECT_TRUE(opened->newest);
      }
    }
  }
}

// Packet numbers have 48 bits: none of what counts them may have fewer. The
// epochs are long here, since each number's keys follow from those before.
TEST(PacketProtection, NumbersPastTwoToThe32AndThe43MakeNoDifference) {
  const crypto::OpenerLimits limits{.epoch_packets = std::uint64_t{1} << 44};
  for (const int bits : {32, 43}) {
    const std::uint64_t edge = std::uint64_t{1} << bits;
    Ends ends(crypto::Suite::kAes256Gcm, limits, PacketNumber(edge - 3));
    std::vector<Bytes> sealed;
    for (std::uint64_t i = 0; i < 6; ++i) {
      sealed.push_back(SealText(*ends.a, "text"));
      Bytes datagram = sealed.back();
      const auto opened = ends.b->Open(datagram);
      ASSERT_TRUE(opened.has_value()) << bits;
      EXPECT_EQ(opened->number, PacketNumber(edge - 3 + i));
      EXPECT_EQ(AsText(opened->plaintext), "text");
      EXPECT_TRUE(opened->newest);
    }
    for (Bytes& datagram : sealed) EXPECT_FALSE(ends.b->Open(datagram));
    EXPECT_EQ(ends.b->stats().Dropped(DropReason::kReplayed), 6u);
    EXPECT_EQ(ends.b->stats().payloads, 6u);
  }
}

TEST(PacketProtection, JoinsFramesAndData) {
  Ends ends;
  Bytes out(100);
  CopyBytes(AsBytes("frames"),
            MutableByteSpan(out).subspan(PacketHeader::kSize));
  const std::size_t size = ends.a->Seal(
      PacketType::kPayload, ByteSpan(out).subspan(PacketHeader::kSize, 6),
      AsBytes("data"), out);
  const auto opened = ends.b->Open(MutableByteSpan(out).first(size));
  ASSERT_TRUE(opened.has_value());
  EXPECT_EQ(AsText(opened->plaintext), "framesdata");
}

TEST(PacketProtection, NumbersAllPacketsInOneSpaceFromOne) {
  Ends ends;
  EXPECT_EQ(ends.a->next_packet_number(), PacketNumber(1));
  SealText(*ends.a, "a", PacketType::kProbe);
  SealText(*ends.a, "b", PacketType::kPayload);
  EXPECT_EQ(ends.a->next_packet_number(), PacketNumber(3));
}

TEST(PacketProtection, RefusesEveryTruncation) {
  Ends ends;
  const Bytes whole = SealText(*ends.a, "something to say");
  for (std::size_t size = 0; size < whole.size(); ++size) {
    Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_FALSE(ends.b->Open(cut).has_value()) << size;
  }
  EXPECT_EQ(ends.b->stats().Dropped(DropReason::kTooShort),
            PacketProtection::kOverhead);
  EXPECT_EQ(ends.b->stats().Dropped(DropReason::kBadTag),
            whole.size() - PacketProtection::kOverhead);
  // None of them has spoilt the packet itself.
  Bytes intact = whole;
  EXPECT_TRUE(ends.b->Open(intact).has_value());
}

TEST(PacketProtection, RefusesEveryFlippedBit) {
  Ends ends;
  const Bytes whole = SealText(*ends.a, "something to say");
  for (std::size_t bit = 0; bit < whole.size() * 8; ++bit) {
    Bytes flipped = whole;
    flipped[bit / 8] ^= static_cast<std::byte>(1u << (bit % 8));
    EXPECT_FALSE(ends.b->Open(flipped).has_value()) << bit;
  }
  const ReceiveStats& stats = ends.b->stats();
  // The first byte: seven types that are none, and the bit that turns a payload
  // into a probe, which the tag covers.
  EXPECT_EQ(stats.Dropped(DropReason::kUnknownType), 7u);
  EXPECT_EQ(stats.Dropped(DropReason::kUnknownConnection), 40u);
  EXPECT_EQ(stats.Dropped(DropReason::kBadTag), whole.size() * 8 - 47);
  Bytes intact = whole;
  EXPECT_TRUE(ends.b->Open(intact).has_value());
}

TEST(PacketProtection, RefusesReplays) {
  Ends ends;
  const Bytes first = SealText(*ends.a, "first");
  const Bytes second = SealText(*ends.a, "second");
  for (const Bytes& datagram : {second, first}) {
    Bytes copy = datagram;
    const auto opened = ends.b->Open(copy);
    ASSERT_TRUE(opened.has_value());
    EXPECT_EQ(opened->newest, datagram == second);
    copy = datagram;
    EXPECT_FALSE(ends.b->Open(copy).has_value());
  }
  EXPECT_EQ(ends.b->stats().Dropped(DropReason::kReplayed), 2u);
}

// The window moves only for authentic packets: a forged number can't push the
// honest ones out of it.
TEST(PacketProtection, DoesNotMoveItsWindowForAForgedNumber) {
  Ends ends;
  Bytes honest = SealText(*ends.a, "honest");
  Bytes forged = honest;
  auto header = *ReadPacketHeader(forged);
  header.number = PacketNumber(1'000'000);
  WritePacketHeader(header, forged);
  EXPECT_FALSE(ends.b->Open(forged).has_value());
  EXPECT_TRUE(ends.b->Open(honest).has_value());
}

TEST(PacketProtection, RefusesWhatIsBehindTheWindow) {
  Ends ends;
  Bytes first = SealText(*ends.a, "first");
  Bytes scratch(PacketProtection::kOverhead);
  while (ends.a->next_packet_number().value() < 1 + ReplayWindow::kSize) {
    ends.a->Seal(PacketType::kPayload, {}, {}, scratch);
  }
  Bytes last = SealText(*ends.a, "last");
  EXPECT_TRUE(ends.b->Open(last).has_value());
  EXPECT_FALSE(ends.b->Open(first).has_value());
  EXPECT_EQ(ends.b->stats().Dropped(DropReason::kTooOld), 1u);
}

TEST(PacketProtection, RefusesItsOwnPacketsWhenReflected) {
  Ends ends;
  Bytes datagram = SealText(*ends.a, "hello");
  EXPECT_FALSE(ends.a->Open(datagram).has_value());
  EXPECT_EQ(ends.a->stats().Dropped(DropReason::kUnknownConnection), 1u);
}

TEST(PacketProtection, RefusesAnotherSession) {
  Ends ends;
  SeededRandom random(8);
  crypto::SessionKeys keys;
  random.Fill(keys.send.bytes);
  random.Fill(keys.receive.bytes);
  random.Fill(keys.handshake_hash);
  PacketProtection other(ice::Role::kControlling, keys,
                         crypto::Suite::kChaCha20Poly1305);
  Bytes datagram = SealText(other, "hello");
  EXPECT_FALSE(ends.b->Open(datagram).has_value());
}

}  // namespace
}  // namespace p2pcp::channel

#include "net/crypto/packet_aead.h"

#include <string>

#include "gtest/gtest.h"
#include "net/base/random.h"
#include "net/crypto/hash.h"

namespace p2pcp::crypto {
namespace {

constexpr std::uint64_t kSmallEpoch = 8;

class PacketAead : public testing::TestWithParam<Suite> {
 protected:
  PacketSealer Sealer(std::uint64_t epoch_packets = kSmallEpoch) {
    return PacketSealer(GetParam(), secret_, epoch_packets);
  }
  PacketOpener Opener(std::uint64_t epoch_packets = kSmallEpoch) {
    return PacketOpener(GetParam(), secret_,
                        OpenerLimits{.epoch_packets = epoch_packets});
  }
  static std::string Payload(std::uint64_t number) {
    return "packet " + std::to_string(number);
  }
  // A packet whose header is "header" and whose payload tells the number.
  static Bytes Seal(PacketSealer& sealer, std::uint64_t number) {
    const std::string payload = Payload(number);
    Bytes out(200);
    out.resize(sealer.Seal(PacketNumber(number), AsBytes("header"),
                           AsBytes(payload).first(3),
                           AsBytes(payload).subspan(3), out));
    return out;
  }
  // Whether the packet opens, and to what Seal() put in.
  static bool Opens(PacketOpener& opener, std::uint64_t number, Bytes packet) {
    const auto plaintext = opener.Open(PacketNumber(number), AsBytes("header"),
                                       MutableByteSpan(packet).subspan(6));
    return plaintext && AsText(*plaintext) == Payload(number);
  }
  static Bytes Forged(Bytes packet) {
    packet.back() ^= std::byte{1};
    return packet;
  }

  SeededRandom random_{17};
  const Key secret_{random_.Array<32>()};
};

TEST_P(PacketAead, PacketIsHeaderThenCiphertextThenTag) {
  PacketSealer sealer = Sealer();
  const Bytes packet = Seal(sealer, 0);
  EXPECT_EQ(packet.size(), 6 + Payload(0).size() + kPacketTagSize);
  EXPECT_EQ(AsText(packet).substr(0, 6), "header");
  EXPECT_EQ(AsText(packet).find("packet"), std::string_view::npos);
}

// The schedule of the header comment, computed by hand.
TEST_P(PacketAead, KeysOfEachEpochFollowTheSchedule) {
  PacketSealer sealer = Sealer();
  Key secret = secret_;
  for (std::uint64_t epoch = 0; epoch < 5; ++epoch) {
    PacketIv iv;
    DeriveBytes(secret, "iv", {}, iv);
    PacketCipher cipher(GetParam(), PacketCipher::Direction::kSeal);
    cipher.SetKey(DeriveKey(secret, "key"), iv);
    const std::uint64_t number = epoch * kSmallEpoch + 3;
    Bytes expected = ToBytes(AsBytes("header"));
    expected.resize(6 + Payload(number).size() + kPacketTagSize);
    cipher.Seal(number, AsBytes("header"), AsBytes(Payload(number)), {},
                MutableByteSpan(expected).subspan(6));
    EXPECT_EQ(Seal(sealer, number), expected) << epoch;
    secret = DeriveKey(secret, "ku");
  }
}

TEST_P(PacketAead, EveryPacketOpensAcrossManyEpochs) {
  PacketSealer sealer = Sealer();
  PacketOpener opener = Opener();
  for (std::uint64_t number = 0; number < 10 * kSmallEpoch; ++number) {
    EXPECT_TRUE(Opens(opener, number, Seal(sealer, number))) << number;
    EXPECT_EQ(opener.epoch(), number / kSmallEpoch);
  }
  EXPECT_EQ(opener.failures(), 0u);
}

TEST_P(PacketAead, EpochIsCrossedWhereTheFirstPacketsOfItAreLost) {
  PacketSealer sealer = Sealer();
  PacketOpener opener = Opener();
  EXPECT_TRUE(Opens(opener, 0, Seal(sealer, 0)));
  const std::uint64_t number = 2 * kSmallEpoch - 1;
  EXPECT_TRUE(Opens(opener, number, Seal(sealer, number)));
  EXPECT_EQ(opener.epoch(), 1u);
}

TEST_P(PacketAead, LatePacketsOfTheEpochBeforeStillOpen) {
  PacketSealer sealer = Sealer();
  PacketOpener opener = Opener();
  const Bytes late = Seal(sealer, kSmallEpoch - 1);
  const Bytes first = Seal(sealer, kSmallEpoch);
  EXPECT_TRUE(Opens(opener, kSmallEpoch, first));
  EXPECT_TRUE(Opens(opener, kSmallEpoch - 1, late));
  EXPECT_EQ(opener.epoch(), 1u) << "a late packet does not lead back";
  EXPECT_TRUE(Opens(opener, kSmallEpoch + 1, Seal(sealer, kSmallEpoch + 1)));
}

TEST_P(PacketAead, PacketsTwoEpochsBackDoNotOpen) {
  PacketSealer sealer = Sealer();
  PacketOpener opener = Opener();
  const Bytes old = Seal(sealer, kSmallEpoch - 1);
  for (const std::uint64_t number : {kSmallEpoch, 2 * kSmallEpoch}) {
    EXPECT_TRUE(Opens(opener, number, Seal(sealer, number)));
  }
  EXPECT_FALSE(Opens(opener, kSmallEpoch - 1, old));
  EXPECT_EQ(opener.failures(), 0u) << "no key was tried";
}

TEST_P(PacketAead, PacketsTwoEpochsAheadDoNotOpen) {
  PacketSealer sealer = Sealer();
  PacketOpener opener = Opener();
  EXPECT_FALSE(Opens(opener, 2 * kSmallEpoch, Seal(sealer, 2 * kSmallEpoch)));
  EXPECT_EQ(opener.epoch(), 0u);
  EXPECT_EQ(opener.failures(), 0u);
}

TEST_P(PacketAead, WrongTagChangesNothingButTheCount) {
  PacketSealer sealer = Sealer();
  PacketOpener opener = Opener();
  const Bytes packet = Seal(sealer, 1);
  for (std::size_t i = 6; i < packet.size(); ++i) {
    Bytes changed = packet;
    changed[i] ^= std::byte{0x10};
    EXPECT_FALSE(Opens(opener, 1, changed)) << i;
  }
  EXPECT_EQ(opener.failures(), packet.size() - 6);
  EXPECT_EQ(opener.epoch(), 0u);
  EXPECT_TRUE(Opens(opener, 1, packet));
}

TEST_P(PacketAead, ForgedPacketOfTheNextEpochDoesNotTurnItOver) {
  PacketSealer sealer = Sealer();
  PacketOpener opener = Opener();
  const Bytes present = Seal(sealer, 5);
  const Bytes next = Seal(sealer, kSmallEpoch);
  EXPECT_FALSE(Opens(opener, kSmallEpoch, Forged(next)));
  EXPECT_EQ(opener.epoch(), 0u);
  EXPECT_TRUE(Opens(opener, 5, present));
  EXPECT_TRUE(Opens(opener, kSmallEpoch, next));
}

TEST_P(PacketAead, HeaderAndNumberAreAuthenticated) {
  PacketSealer sealer = Sealer();
  PacketOpener opener = Opener();
  Bytes packet = Seal(sealer, 2);
  EXPECT_FALSE(Opens(opener, 3, packet));
  EXPECT_FALSE(opener.Open(PacketNumber(2), AsBytes("Header"),
                           MutableByteSpan(packet).subspan(6)));
}

TEST_P(PacketAead, EveryTruncationIsRefused) {
  PacketSealer sealer = Sealer();
  PacketOpener opener = Opener();
  const Bytes packet = Seal(sealer, 0);
  for (std::size_t size = 6; size < packet.size(); ++size) {
    Bytes shorter = packet;
    shorter.resize(size);
    EXPECT_FALSE(Opens(opener, 0, shorter)) << size;
  }
  EXPECT_TRUE(Opens(opener, 0, packet));
}

TEST_P(PacketAead, ForgottenEpochOpensNoMore) {
  PacketSealer sealer = Sealer();
  PacketOpener opener = Opener();
  opener.ForgetPreviousEpoch();  // There is none: nothing happens.
  const Bytes late = Seal(sealer, kSmallEpoch - 1);
  EXPECT_TRUE(Opens(opener, kSmallEpoch, Seal(sealer, kSmallEpoch)));
  opener.ForgetPreviousEpoch();
  EXPECT_FALSE(Opens(opener, kSmallEpoch - 1, late));
  // Its place is taken again later.
  for (std::uint64_t number = kSmallEpoch + 1; number < 5 * kSmallEpoch;
       ++number) {
    EXPECT_TRUE(Opens(opener, number, Seal(sealer, number))) << number;
  }
}

TEST_P(PacketAead, EpochBeforeIsForgottenOnceThePresentIsFarAlong) {
  PacketSealer sealer = Sealer();
  PacketOpener opener(
      GetParam(), secret_,
      OpenerLimits{.epoch_packets = kSmallEpoch, .late_packets = 4});
  const Bytes late1 = Seal(sealer, 6), late2 = Seal(sealer, 7);
  const Bytes early = Seal(sealer, kSmallEpoch + 3);
  const Bytes far = Seal(sealer, kSmallEpoch + 4);
  EXPECT_TRUE(Opens(opener, kSmallEpoch + 3, early));
  EXPECT_TRUE(Opens(opener, 6, late1));
  EXPECT_FALSE(Opens(opener, kSmallEpoch + 4, Forged(far)));
  EXPECT_TRUE(Opens(opener, 7, late2)) << "a forged packet forgets nothing";
  EXPECT_TRUE(Opens(opener, kSmallEpoch + 4, far));
  EXPECT_FALSE(Opens(opener, 7, late2));
}

TEST_P(PacketAead, OpenerIsDeadAfterTooManyFailures) {
  PacketSealer sealer = Sealer();
  PacketOpener opener(
      GetParam(), secret_,
      OpenerLimits{.epoch_packets = kSmallEpoch, .max_failures = 3});
  const Bytes packet = Seal(sealer, 0);
  for (int i = 0; i < 3; ++i) {
    EXPECT_FALSE(opener.dead());
    EXPECT_FALSE(Opens(opener, 0, Forged(packet)));
  }
  EXPECT_TRUE(opener.dead());
  EXPECT_FALSE(Opens(opener, 0, packet));
}

TEST_P(PacketAead, DefaultEpochTurnsAtTwoToThe22) {
  PacketSealer sealer(GetParam(), secret_);
  PacketOpener opener(GetParam(), secret_);
  for (const std::uint64_t number : {std::uint64_t{0}, kEpochPackets - 1,
                                     kEpochPackets, 2 * kEpochPackets - 1}) {
    EXPECT_TRUE(Opens(opener, number, Seal(sealer, number)));
    EXPECT_EQ(opener.epoch(), number >> 22);
  }
}

TEST_P(PacketAead, LastNumberOfAllStillWorks) {
  const std::uint64_t half = (PacketNumber::kMax + 1) / 2;
  PacketSealer sealer = Sealer(half);
  PacketOpener opener = Opener(half);
  EXPECT_TRUE(
      Opens(opener, PacketNumber::kMax, Seal(sealer, PacketNumber::kMax)));
}

TEST_P(PacketAead, ANumberUsedTwiceIsABug) {
  PacketSealer sealer = Sealer();
  Seal(sealer, 4);
  EXPECT_DEATH(Seal(sealer, 4), "bug");
  EXPECT_DEATH(Seal(sealer, 3), "bug");
}

INSTANTIATE_TEST_SUITE_P(Suites, PacketAead,
                         testing::Values(Suite::kAes256Gcm,
                                         Suite::kChaCha20Poly1305),
                         [](const testing::TestParamInfo<Suite>& info) {
                           return std::string(info.param == Suite::kAes256Gcm
                                                  ? "Aes256Gcm"
                                                  : "ChaCha20Poly1305");
                         });

}  // namespace
}  // namespace p2pcp::crypto

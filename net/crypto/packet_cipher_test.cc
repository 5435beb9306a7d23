#include "net/crypto/packet_cipher.h"

#include <fstream>
#include <string>

#include "gtest/gtest.h"
#include "net/base/random.h"
#include "net/crypto/test_vectors.h"

namespace p2pcp::crypto {
namespace {

using Direction = PacketCipher::Direction;

PacketCipher MakeCipher(Suite suite, Direction direction,
                        const TestVector& vector) {
  PacketCipher cipher(suite, direction);
  PacketIv iv;
  CopyBytes(vector.Get("iv"), iv);
  cipher.SetKey(Key(vector.Get("key")), iv);
  return cipher;
}

// The vector's nonce is the iv: number 0 changes nothing in it.
void CheckVector(Suite suite, const TestVector& vector) {
  const Bytes aad = vector.Get("aad");
  const Bytes sealed = Unhex(vector.Text("ct") + vector.Text("tag"));
  PacketCipher opener = MakeCipher(suite, Direction::kOpen, vector);
  Bytes opened = sealed;
  if (vector.Has("fail")) {
    EXPECT_FALSE(opener.Open(0, aad, opened));
    return;
  }
  const Bytes plaintext = vector.Get("pt");
  ASSERT_TRUE(opener.Open(0, aad, opened));
  opened.resize(opened.size() - kPacketTagSize);
  EXPECT_EQ(Hex(opened), Hex(plaintext));

  // In two parts, cut anywhere; each time on the same context.
  PacketCipher sealer = MakeCipher(suite, Direction::kSeal, vector);
  for (std::size_t cut = 0; cut <= plaintext.size(); ++cut) {
    Bytes out(sealed.size());
    sealer.Seal(0, aad, ByteSpan(plaintext).first(cut),
                ByteSpan(plaintext).subspan(cut), out);
    EXPECT_EQ(Hex(out), Hex(sealed)) << "cut at " << cut;
  }
}

TEST(PacketCipher, MatchesNistVectorsOfAes256Gcm) {
  for (const TestVector& vector :
       ReadTestVectors("testdata/aes_gcm/nist.txt")) {
    CheckVector(Suite::kAes256Gcm, vector);
  }
}

TEST(PacketCipher, MatchesRfc8439) {
  for (const TestVector& vector :
       ReadTestVectors("testdata/chacha20poly1305/rfc8439.txt")) {
    CheckVector(Suite::kChaCha20Poly1305, vector);
  }
}

TEST(AesHardware, IsWhatTheKernelSaysOfTheProcessor) {
  std::ifstream file("/proc/cpuinfo");
  std::string line;
  bool aes = false;
  while (std::getline(file, line)) {
    // x86 calls them "flags", arm64 "Features".
    if (!line.starts_with("flags") && !line.starts_with("Features")) continue;
    line += ' ';
    aes = line.find(" aes ") != std::string::npos &&
          (line.find(" pclmulqdq ") != std::string::npos ||
           line.find(" pmull ") != std::string::npos);
  }
  EXPECT_EQ(HasAesHardware(), aes);
}

class PacketCipherTest : public testing::TestWithParam<Suite> {
 protected:
  PacketCipherTest() {
    const Key key(random_.Array<32>());
    iv_ = random_.Array<12>();
    sealer_.SetKey(key, iv_);
    opener_.SetKey(key, iv_);
  }
  Bytes Seal(std::uint64_t number, ByteSpan first, ByteSpan second = {}) {
    Bytes out(first.size() + second.size() + kPacketTagSize);
    sealer_.Seal(number, AsBytes("header"), first, second, out);
    return out;
  }

  SeededRandom random_{13};
  PacketIv iv_;
  PacketCipher sealer_{GetParam(), Direction::kSeal};
  PacketCipher opener_{GetParam(), Direction::kOpen};
};

// The number goes into the last bytes of the iv, big-endian.
TEST_P(PacketCipherTest, NonceIsIvXorNumber) {
  const std::uint64_t number = 0x0102030405060708;
  PacketIv shifted = iv_;
  for (std::size_t i = 0; i < 8; ++i) {
    shifted[4 + i] ^= static_cast<std::byte>(i + 1);
  }
  const Key key(random_.Array<32>());
  sealer_.SetKey(key, iv_);
  const Bytes by_number = Seal(number, AsBytes("payload"));
  sealer_.SetKey(key, shifted);
  EXPECT_EQ(Seal(0, AsBytes("payload")), by_number);
}

TEST_P(PacketCipherTest, SealsAndOpensInPlace) {
  Bytes plaintext(1400);
  random_.Fill(plaintext);
  Bytes packet = plaintext;
  packet.resize(plaintext.size() + kPacketTagSize);
  const ByteSpan view(packet);
  sealer_.Seal(9, AsBytes("header"), view.first(21), view.subspan(21, 1379),
               packet);
  EXPECT_EQ(packet, Seal(9, plaintext)) << "as from elsewhere";
  ASSERT_TRUE(opener_.Open(9, AsBytes("header"), packet));
  packet.resize(plaintext.size());
  EXPECT_EQ(packet, plaintext);
}

TEST_P(PacketCipherTest, FramesInPlaceAndDataFromElsewhere) {
  Bytes plaintext(1435);
  random_.Fill(plaintext);
  Bytes packet(plaintext.size() + kPacketTagSize);
  CopyBytes(ByteSpan(plaintext).first(9), packet);
  sealer_.Seal(10, AsBytes("header"), ByteSpan(packet).first(9),
               ByteSpan(plaintext).subspan(9), packet);
  EXPECT_EQ(packet, Seal(10, plaintext));
}

TEST_P(PacketCipherTest, WorksAgainAfterAPacketThatFailed) {
  const Bytes good = Seal(1, AsBytes("payload"));
  Bytes packet = good;
  packet.back() ^= std::byte{1};
  EXPECT_FALSE(opener_.Open(1, AsBytes("header"), packet));
  packet = good;
  EXPECT_FALSE(opener_.Open(2, AsBytes("header"), packet)) << "number";
  packet = good;
  EXPECT_FALSE(opener_.Open(1, AsBytes("heades"), packet)) << "header";
  packet = good;
  EXPECT_TRUE(opener_.Open(1, AsBytes("header"), packet));
}

TEST_P(PacketCipherTest, EmptyPayloadIsATagAlone) {
  Bytes packet = Seal(3, {});
  EXPECT_EQ(packet.size(), kPacketTagSize);
  EXPECT_TRUE(opener_.Open(3, AsBytes("header"), packet));
}

TEST_P(PacketCipherTest, ClearedKeyIsUnusableUntilTheNext) {
  EXPECT_TRUE(sealer_.has_key());
  sealer_.Clear();
  EXPECT_FALSE(sealer_.has_key());
  EXPECT_DEATH(Seal(1, AsBytes("payload")), "bug");
  sealer_.SetKey(Key(random_.Array<32>()), iv_);
  EXPECT_TRUE(sealer_.has_key());
  Seal(1, AsBytes("payload"));
}

INSTANTIATE_TEST_SUITE_P(Suites, PacketCipherTest,
                         testing::Values(Suite::kAes256Gcm,
                                         Suite::kChaCha20Poly1305),
                         [](const testing::TestParamInfo<Suite>& info) {
                           return std::string(info.param == Suite::kAes256Gcm
                                                  ? "Aes256Gcm"
                                                  : "ChaCha20Poly1305");
                         });

}  // namespace
}  // namespace p2pcp::crypto

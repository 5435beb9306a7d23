#include "net/crypto/packet_cipher.h"

#include <fstream>
#include <string>

#include "gtest/gtest.h"
#include "net/base/random.h"
#include "net/crypto/test_vectors.h"

namespace p2pcp::crypto {
namespace {

using Direction = PacketCipher::Direction;
using Engine = PacketCipher::Engine;

PacketCipher MakeCipher(Suite suite, Engine engine, Direction direction,
                        const TestVector& vector) {
  PacketCipher cipher(suite, direction, engine);
  PacketIv iv;
  CopyBytes(vector.Get("iv"), iv);
  cipher.SetKey(Key(vector.Get("key")), iv);
  return cipher;
}

// The vector's nonce is the iv: number 0 changes nothing in it.
void CheckVector(Suite suite, Engine engine, const TestVector& vector) {
  const Bytes aad = vector.Get("aad");
  const Bytes sealed = Unhex(vector.Text("ct") + vector.Text("tag"));
  PacketCipher opener = MakeCipher(suite, engine, Direction::kOpen, vector);
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
  PacketCipher sealer = MakeCipher(suite, engine, Direction::kSeal, vector);
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
    CheckVector(Suite::kAes256Gcm, Engine::kFastest, vector);
    CheckVector(Suite::kAes256Gcm, Engine::kOpenSsl, vector);
  }
}

TEST(PacketCipher, MatchesRfc8439) {
  for (const TestVector& vector :
       ReadTestVectors("testdata/chacha20poly1305/rfc8439.txt")) {
    CheckVector(Suite::kChaCha20Poly1305, Engine::kFastest, vector);
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

// Sizes around every width that a vector unit may work in, and the parts cut
// anywhere: what one seals is what the other seals, and opens.
TEST(PacketCipher, EnginesAgreeOnEverySize) {
  SeededRandom random(14);
  const Key key(random.Array<32>());
  const PacketIv iv = random.Array<12>();
  const auto make = [&](Direction direction, Engine engine) {
    PacketCipher cipher(Suite::kAes256Gcm, direction, engine);
    cipher.SetKey(key, iv);
    return cipher;
  };
  PacketCipher fast_sealer = make(Direction::kSeal, Engine::kFastest);
  PacketCipher fast_opener = make(Direction::kOpen, Engine::kFastest);
  PacketCipher sealer = make(Direction::kSeal, Engine::kOpenSsl);
  PacketCipher opener = make(Direction::kOpen, Engine::kOpenSsl);
  Bytes plaintext(1500);
  random.Fill(plaintext);
  for (std::size_t size = 0; size <= plaintext.size(); ++size) {
    const ByteSpan header = ByteSpan(plaintext).first(size % 33);
    const ByteSpan text = ByteSpan(plaintext).first(size);
    const std::size_t cut = size == 0 ? 0 : random.Below(size + 1);
    Bytes packet(size + kPacketTagSize);
    Bytes expected(size + kPacketTagSize);
    fast_sealer.Seal(size, header, text.first(cut), text.subspan(cut), packet);
    sealer.Seal(size, header, text, {}, expected);
    ASSERT_EQ(Hex(packet), Hex(expected)) << size << " cut at " << cut;
    ASSERT_TRUE(opener.Open(size, header, packet)) << size;
    ASSERT_TRUE(fast_opener.Open(size, header, expected)) << size;
    expected.resize(size);
    ASSERT_EQ(Hex(expected), Hex(text)) << size;
  }
}

// A wrong bit anywhere, in the tag too, is noticed.
TEST(PacketCipher, NoticesEveryFlippedBit) {
  for (const Engine engine : {Engine::kFastest, Engine::kOpenSsl}) {
    PacketCipher sealer(Suite::kAes256Gcm, Direction::kSeal, engine);
    PacketCipher opener(Suite::kAes256Gcm, Direction::kOpen, engine);
    const Key key{};
    sealer.SetKey(key, {});
    opener.SetKey(key, {});
    const ByteSpan header = AsBytes("header");
    const ByteSpan text = AsBytes("seventeen bytes !");
    Bytes packet(text.size() + kPacketTagSize);
    sealer.Seal(1, header, text, {}, packet);
    for (std::size_t bit = 0; bit < 8 * packet.size(); ++bit) {
      Bytes bad = packet;
      bad[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
      ASSERT_FALSE(opener.Open(1, header, bad)) << bit;
    }
    EXPECT_TRUE(opener.Open(1, header, packet));
  }
}

struct SuiteAndEngine {
  Suite suite;
  Engine engine;
  const char* name;
};

class PacketCipherTest : public testing::TestWithParam<SuiteAndEngine> {
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
  PacketCipher sealer_{GetParam().suite, Direction::kSeal, GetParam().engine};
  PacketCipher opener_{GetParam().suite, Direction::kOpen, GetParam().engine};
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

INSTANTIATE_TEST_SUITE_P(
    Suites, PacketCipherTest,
    testing::Values(
        SuiteAndEngine{Suite::kAes256Gcm, Engine::kFastest, "Aes256Gcm"},
        SuiteAndEngine{Suite::kAes256Gcm, Engine::kOpenSsl, "Aes256GcmOpenSsl"},
        SuiteAndEngine{Suite::kChaCha20Poly1305, Engine::kFastest,
                       "ChaCha20Poly1305"}),
    [](const testing::TestParamInfo<SuiteAndEngine>& info) {
      return std::string(info.param.name);
    });

}  // namespace
}  // namespace p2pcp::crypto

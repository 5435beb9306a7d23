// The worked examples of PROTOCOL.md: what the code writes, byte by byte, and
// that the document shows the same bytes.

#include <gtest/gtest.h>

#include <array>
#include <cctype>
#include <cstddef>
#include <fstream>
#include <iterator>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/packet_number.h"
#include "net/channel/packet_header.h"
#include "net/channel/packet_protection.h"
#include "net/crypto/handshake.h"
#include "net/crypto/hash.h"
#include "net/crypto/key.h"
#include "net/crypto/packet_aead.h"
#include "net/crypto/packet_cipher.h"
#include "net/ice/candidate.h"
#include "net/ice/probe.h"

namespace p2pcp::channel {
namespace {

// first, first + 1, ...
void Count(std::span<std::byte> bytes, int first) {
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(first++);
}

// The session of the examples, as the controlling side holds it.
crypto::SessionKeys Keys() {
  crypto::SessionKeys keys;
  Count(keys.send.bytes, 0);
  Count(keys.receive.bytes, 32);
  Count(keys.handshake_hash, 0);
  return keys;
}

std::string WithoutBlanks(std::string text) {
  std::erase_if(text, [](unsigned char c) { return std::isspace(c) != 0; });
  return text;
}

// The document without its blanks.
const std::string& Document() {
  static const std::string text = [] {
    std::ifstream file("net/channel/PROTOCOL.md");
    return WithoutBlanks(std::string(std::istreambuf_iterator<char>(file), {}));
  }();
  return text;
}

// `bytes` are these fields, and the document shows each of them.
void ExpectExample(ByteSpan bytes, const std::vector<std::string>& fields) {
  std::string all;
  for (const std::string& field : fields) {
    EXPECT_NE(Document().find(field), std::string::npos) << field;
    all += field;
  }
  EXPECT_EQ(Hex(bytes), all);
}

const ice::Probe kProbe = {.challenge = 0x0102030405060708,
                           .echo = 0x1112131415161718,
                           .selected = true};

Bytes SealedProbe(crypto::Suite suite) {
  PacketProtection protection(ice::Role::kControlling, Keys(), suite);
  Bytes probe(ice::Probe::kSize);
  ice::WriteProbe(kProbe, probe);
  Bytes out(probe.size() + PacketProtection::kOverhead);
  EXPECT_EQ(protection.Seal(PacketType::kProbe, probe, {}, out), out.size());
  return out;
}

TEST(ProtocolExamples, Probe) {
  Bytes probe(ice::Probe::kSize);
  ice::WriteProbe(kProbe, probe);
  ExpectExample(probe, {"0102030405060708",  // challenge
                        "1112131415161718",  // echo
                        "0001"});            // flags: S
}

TEST(ProtocolExamples, KeysOfTwoEpochs) {
  crypto::Key secret = Keys().send;
  std::array<std::byte, crypto::kPacketIvSize> iv;
  ExpectExample(
      crypto::DeriveKey(secret, "key"),
      {"b5ca90f05d21b0a53c94c98c2a78f3775877099a599104aebc10809bf4645c84"});
  crypto::DeriveBytes(secret, "iv", {}, iv);
  ExpectExample(iv, {"debb2ff5ae268b95d3e99423"});

  secret = crypto::DeriveKey(secret, "ku");
  ExpectExample(
      secret,
      {"d3c86af378cbac5ab55328c15783e3e4e5a5bc7f426c711f8b7536a45de63810"});
  ExpectExample(
      crypto::DeriveKey(secret, "key"),
      {"a0c47427592eb8f5c22ca82ccd722752648d32cf858ade9896c07b8a941183d3"});
  crypto::DeriveBytes(secret, "iv", {}, iv);
  ExpectExample(iv, {"6711bbed95442067faed87ff"});
}

TEST(ProtocolExamples, FirstPacketOfTheControllingSide) {
  ExpectExample(SealedProbe(crypto::Suite::kChaCha20Poly1305),
                {"c1",                                    // type: probe
                 "0dbabda2e3",                            // connection id
                 "000000000001",                          // packet number
                 "103d3cb7b508a77179359451be409783a077",  // probe
                 "e1cf10aaad99cf2a26af2813eb73b21d"});    // tag
  ExpectExample(
      SealedProbe(crypto::Suite::kAes256Gcm),
      {"c10dbabda2e3000000000001", "c31dfcb103c376514da73c989b4e4d5665fe",
       "0abe86620247d21386482c7baab58d2e"});
}

TEST(ProtocolExamples, TheOtherSideOpensIt) {
  crypto::SessionKeys keys = Keys();
  std::swap(keys.send, keys.receive);
  PacketProtection peer(ice::Role::kControlled, keys,
                        crypto::Suite::kChaCha20Poly1305);
  Bytes datagram = SealedProbe(crypto::Suite::kChaCha20Poly1305);
  const auto opened = peer.Open(datagram);
  ASSERT_TRUE(opened.has_value());
  EXPECT_EQ(opened->type, PacketType::kProbe);
  EXPECT_EQ(opened->number, PacketNumber(1));
  EXPECT_EQ(ice::ReadProbe(opened->plaintext), kProbe);
}

TEST(ProtocolExamples, ConnectionIdOfTheOtherDirection) {
  crypto::SessionKeys keys = Keys();
  std::swap(keys.send, keys.receive);
  PacketProtection peer(ice::Role::kControlled, keys,
                        crypto::Suite::kChaCha20Poly1305);
  Bytes out(PacketProtection::kOverhead);
  peer.Seal(PacketType::kPayload, {}, {}, out);
  ExpectExample(ByteSpan(out).subspan(1, 5), {"16d0f86f31"});
}

// The first packet of the second epoch, which bears a PING frame.
TEST(ProtocolExamples, PacketOfTheSecondEpoch) {
  Bytes header(PacketHeader::kSize);
  ConnectionId id;
  CopyBytes(Unhex("0dbabda2e3"), id);
  const PacketNumber number(crypto::kEpochPackets);
  WritePacketHeader(
      {.type = PacketType::kPayload, .connection_id = id, .number = number},
      header);
  const Bytes frame = Unhex("01000000000001");
  for (const auto& [suite, hex] :
       {std::pair(crypto::Suite::kChaCha20Poly1305,
                  "c00dbabda2e3000000400000"
                  "8cf9f0900aa9aa"
                  "096d0af8c06ee6a0b36ba57adbf926e8"),
        std::pair(crypto::Suite::kAes256Gcm,
                  "c00dbabda2e3000000400000"
                  "bfefdb039320ff"
                  "8a8f368d57df4380ed4e1a7237c75646")}) {
    crypto::PacketSealer sealer(suite, Keys().send);
    Bytes out(header.size() + frame.size() + crypto::kPacketTagSize);
    EXPECT_EQ(sealer.Seal(number, header, frame, {}, out), out.size());
    ExpectExample(out, {hex});
  }
}

}  // namespace
}  // namespace p2pcp::channel

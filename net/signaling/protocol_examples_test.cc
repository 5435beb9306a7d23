// The worked example of PROTOCOL.md: what the code writes, and that the
// document shows the same bytes.

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/random.h"
#include "net/base/socket_address.h"
#include "net/crypto/envelope.h"
#include "net/crypto/hash.h"
#include "net/crypto/identity.h"
#include "net/crypto/signaling_keys.h"
#include "net/ice/candidate.h"
#include "net/signaling/message.h"
#include "net/signaling/topic.h"

namespace p2pcp::signaling {
namespace {

// 00 01 02 ... over all calls, from `first` on.
class CountingRandom final : public Random {
 public:
  explicit CountingRandom(int first) : next_(first) {}
  void Fill(MutableByteSpan out) override {
    for (std::byte& byte : out) byte = static_cast<std::byte>(next_++);
  }

 private:
  int next_;
};

crypto::Identity IdentityFrom(int first) {
  CountingRandom seed(first);
  return crypto::Identity::Generate(seed);
}

// The document without its blanks.
const std::string& Document() {
  static const std::string text = [] {
    std::ifstream file("net/signaling/PROTOCOL.md");
    std::string all(std::istreambuf_iterator<char>(file), {});
    std::erase_if(all, [](unsigned char c) { return std::isspace(c) != 0; });
    return all;
  }();
  return text;
}

void ExpectExample(std::string_view actual, std::string_view expected) {
  EXPECT_EQ(actual, expected);
  EXPECT_NE(Document().find(expected), std::string::npos) << expected;
}
void ExpectExample(ByteSpan actual, std::string_view expected) {
  ExpectExample(Hex(actual), expected);
}

class ProtocolExamples : public testing::Test {
 protected:
  const crypto::Identity alice_ = IdentityFrom(0);
  const crypto::Identity bob_ = IdentityFrom(32);
  const crypto::SignalingKeys keys_ =
      crypto::DeriveSignalingKeys(alice_, bob_.public_key());
};

TEST_F(ProtocolExamples, Identities) {
  ExpectExample(
      alice_.public_key().bytes(),
      "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8");
  ExpectExample(
      bob_.public_key().bytes(),
      "29acbae141bccaf0b22e1a94d34d0bc7361e526d0bfe12c89794bc9322966dd7");
  ExpectExample(alice_.public_key().ToString(),
                "aoqqpp7tzyil4hlq3umoos6atft6jvrqtosq2xy53sdgiesvgg4mijml");
}

TEST_F(ProtocolExamples, Keys) {
  ExpectExample(
      keys_.topic,
      "588ab1a582b3ded4465a85eb21eb58e80016f68f8ffb64ca2429d4ea87b733b2");
  ExpectExample(
      keys_.send,
      "e8406935b64b9799a5131127f636b22aa0f8d026086851250e4a1aa249b2fbf0");
  ExpectExample(
      keys_.receive,
      "81c3912aaa94e4a3c401b6e463e970b36a4d182254298195eb3a1c756aa34409");
}

TEST_F(ProtocolExamples, Topics) {
  ExpectExample(
      TopicOf(keys_.topic, alice_.public_key(), Role::kOfferer, 20000),
      "wwgddhqiob27vwqcczypqbsednpgcaye");
  ExpectExample(TopicOf(keys_.topic, bob_.public_key(), Role::kAnswerer, 20000),
                "x5av7j2tv2itovqv73qjek6npr7pngxh");
}

TEST_F(ProtocolExamples, Hello) {
  Message hello;
  hello.type = MessageType::kHello;
  CountingRandom instance(0);
  hello.from = instance.Array<16>();
  const std::string associated = "p2pcp/1wwgddhqiob27vwqcczypqbsednpgcaye";
  CountingRandom nonce(0);
  const Bytes sealed = crypto::SealEnvelope(keys_.send, AsBytes(associated),
                                            hello.Encode(), nonce);
  ASSERT_EQ(sealed.size(), 1024u);
  const ByteSpan bytes(sealed);
  ExpectExample(bytes.subspan(24, 32),
                "b7a2bd0ab411295411a90b671bf8b91afd8b0e4f0b4da50015527f52e189a5"
                "99");
  ExpectExample(bytes.last(16), "2a07bab902c51486ba9b16f610fa569d");
  Bytes hash(32);
  crypto::Hash(sealed, hash);
  ExpectExample(
      hash, "76b3a161fbafb810df884e16cc2379b0fe40ee475e151d74f521e280aa954294");
}

TEST_F(ProtocolExamples, Candidates) {
  std::vector<ice::Candidate> candidates(2);
  candidates[0].type = ice::CandidateType::kHost;
  candidates[0].address = *SocketAddress::Parse("192.0.2.1:5000");
  candidates[1].type = ice::CandidateType::kServerReflexive;
  candidates[1].address = *SocketAddress::Parse("203.0.113.7:40000");
  for (ice::Candidate& candidate : candidates) {
    candidate.priority = ice::ComputePriority(candidate.type, 0xffff);
  }
  ExpectExample(EncodeCandidates(candidates),
                "02"
                "0004c0000201"
                "13887effffff"
                "0104cb007107"
                "9c4064ffffff");
}

}  // namespace
}  // namespace p2pcp::signaling

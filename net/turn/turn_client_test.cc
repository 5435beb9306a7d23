#include "net/turn/turn_client.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "net/turn/turn_message.h"

namespace p2pcp::turn {
namespace {

SocketAddress At(std::string_view text) { return *SocketAddress::Parse(text); }

// A server by hand: answers are put together from attributes.
class TurnClientTest : public testing::Test {
 protected:
  explicit TurnClientTest(bool stream = false)
      : client_(now_, {.user = "me", .password = "secret", .stream = stream},
                random_) {}

  // The next request, as bytes.
  std::optional<Bytes> Sent() {
    Bytes out(kMaxRequest);
    const auto size = client_.PollTransmit(now_, out);
    if (!size) return std::nullopt;
    out.resize(*size);
    return out;
  }
  static std::string Id(const Bytes& request) {
    return Hex(ByteSpan(request).subspan(8, 12));
  }
  static std::string Attribute(const char* type, const std::string& value) {
    const std::size_t size = value.size() / 2;
    std::array<std::byte, 2> length;
    ByteWriter(length).WriteU16(static_cast<std::uint16_t>(size));
    return type + Hex(length) + value +
           std::string((4 - size % 4) % 4 * 2, '0');
  }
  // type: of the message, such as "0103".
  void Answer(const char* type, const Bytes& request,
              const std::string& attributes) {
    std::array<std::byte, 2> length;
    ByteWriter(length).WriteU16(
        static_cast<std::uint16_t>(attributes.size() / 2));
    client_.HandleMessage(now_, Unhex(type + Hex(length) + "2112a442" +
                                      Id(request) + attributes));
  }
  void Challenge(const Bytes& request, const char* code = "00000401",
                 const std::string& nonce = "abcd") {
    const std::string type = Hex(ByteSpan(request).first(2));
    Answer(type == "0003"   ? "0113"
           : type == "0004" ? "0114"
                            : "0119",
           request,
           Attribute("0009", code) + Attribute("0014", Hex(AsBytes("realm"))) +
               Attribute("0015", nonce));
  }
  // XOR-RELAYED-ADDRESS 198.51.100.10:50000, LIFETIME 600.
  void Grant(const Bytes& request) {
    Answer(
        "0103", request,
        Attribute("0016", "0001e242e721c048") + Attribute("000d", "00000258"));
  }
  void Allocate() {
    Challenge(*Sent());
    Grant(*Sent());
    ASSERT_TRUE(client_.relayed());
  }
  void RunUntil(TimePoint end, std::vector<Bytes>* sent = nullptr) {
    for (;;) {
      const auto next = client_.PollTimeout();
      if (!next || *next > end) break;
      now_ = std::max(now_, *next);
      client_.HandleTimeout(now_);
      while (auto request = Sent()) {
        if (sent != nullptr) sent->push_back(*std::move(request));
      }
      ASSERT_TRUE(!client_.PollTimeout() || *client_.PollTimeout() > now_)
          << "would spin";
    }
    now_ = end;
  }

  TimePoint now_{100s};
  SeededRandom random_{1};
  TurnClient client_;
};

class TurnStreamTest : public TurnClientTest {
 protected:
  TurnStreamTest() : TurnClientTest(true) {}
};

TEST_F(TurnClientTest, AllocatesWithTheCredentialsThatTheServerAsksFor) {
  const Bytes first = *Sent();
  // Allocate with REQUESTED-TRANSPORT UDP and nothing else.
  EXPECT_EQ(Hex(first).substr(0, 16), "000300082112a442");
  EXPECT_EQ(Hex(first).substr(40), "0019000411000000");
  Challenge(first);
  const Bytes second = *Sent();
  EXPECT_NE(Id(first), Id(second));
  const std::string text = Hex(second);
  EXPECT_NE(text.find(Attribute("0006", Hex(AsBytes("me")))),
            std::string::npos);
  EXPECT_NE(text.find(Attribute("0014", Hex(AsBytes("realm")))),
            std::string::npos);
  // The MAC, over all before it with the length that includes it.
  const ByteSpan all(second);
  const auto mac = crypto::MakeTurnMac(
      crypto::MakeTurnKey("me", "realm", "secret"), all.first(all.size() - 24));
  EXPECT_TRUE(std::ranges::equal(all.last(20), mac));
  Grant(second);
  ASSERT_TRUE(client_.relayed());
  EXPECT_EQ(client_.relayed()->ToString(), "198.51.100.10:50000");
}

TEST_F(TurnClientTest, GivesUpWhereThePasswordIsWrong) {
  Challenge(*Sent());
  Challenge(*Sent());
  EXPECT_TRUE(client_.failed());
  EXPECT_NE(client_.reason().find("password"), std::string::npos);
  EXPECT_FALSE(client_.PollTimeout());
}

TEST_F(TurnClientTest, AsksFourTimesAndThenNoMore) {
  std::vector<Bytes> sent;
  RunUntil(now_ + 60s, &sent);
  EXPECT_EQ(sent.size(), 4U);
  EXPECT_TRUE(client_.failed());
}

TEST_F(TurnStreamTest, AsksOnceOverAStream) {
  std::vector<Bytes> sent;
  RunUntil(now_ + 60s, &sent);
  EXPECT_EQ(sent.size(), 1U);
  EXPECT_TRUE(client_.failed());
}

TEST_F(TurnClientTest, TakesANewNonceOnceARequest) {
  Allocate();
  std::vector<Bytes> sent;
  RunUntil(now_ + 300s, &sent);
  ASSERT_EQ(sent.size(), 1U);
  Challenge(sent[0], "00000426", "beef");
  const Bytes again = *Sent();
  EXPECT_NE(Hex(again).find(Attribute("0015", "beef")), std::string::npos);
  Challenge(again, "00000426", "f00d");
  EXPECT_TRUE(client_.failed());
}

TEST_F(TurnClientTest, SendsByIndicationsUntilTheChannelIsBound) {
  Allocate();
  const SocketAddress peer = At("203.0.113.7:4000");
  const Bytes data(5, std::byte{0xee});
  Bytes out(data.size() + TurnClient::kMaxOverhead);
  std::size_t size = client_.Wrap(now_, peer, data, out);
  // A Send indication to the peer.
  EXPECT_EQ(Hex(ByteSpan(out).first(2)), "0016");
  const Bytes bind = *Sent();
  EXPECT_EQ(Hex(bind).substr(0, 4), "0009");
  EXPECT_NE(Hex(bind).find(Attribute("000c", "40000000")), std::string::npos);
  Answer("0109", bind, "");
  size = client_.Wrap(now_, peer, data, out);
  EXPECT_EQ(Hex(ByteSpan(out).first(size)), "40000005eeeeeeeeee");

  const Bytes message = Unhex("40000003010203");
  const auto received = client_.HandleMessage(now_, message);
  ASSERT_TRUE(received);
  EXPECT_EQ(received->from, peer);
  EXPECT_EQ(Hex(received->bytes), "010203");
  EXPECT_FALSE(client_.HandleMessage(now_, Unhex("40010003010203")));
}

TEST_F(TurnStreamTest, PadsChannelDataOverAStream) {
  Allocate();
  const SocketAddress peer = At("203.0.113.7:4000");
  client_.Permit(now_, peer);
  Answer("0109", *Sent(), "");
  Bytes out(100);
  const std::size_t size =
      client_.Wrap(now_, peer, Bytes(5, std::byte{0xee}), out);
  EXPECT_EQ(Hex(ByteSpan(out).first(size)), "40000005eeeeeeeeee000000");
  EXPECT_EQ(StreamMessageSize(ByteSpan(out).first(size)), size);
}

TEST_F(TurnClientTest, TakesDataOfPeersWithoutAChannel) {
  Allocate();
  // Data indication: XOR-PEER-ADDRESS 203.0.113.7:4000, DATA.
  const Bytes message = Unhex(
      "001700142112a442000000000000000000000000"
      "001200080001"
      "2eb2"
      "ea12d545"
      "0013000401020304");
  const auto received = client_.HandleMessage(now_, message);
  ASSERT_TRUE(received);
  EXPECT_EQ(received->from, At("203.0.113.7:4000"));
  EXPECT_EQ(Hex(received->bytes), "01020304");
}

TEST_F(TurnClientTest, BindsAnewBeforeAPermissionEnds) {
  Allocate();
  client_.Permit(now_, At("203.0.113.7:4000"));
  Answer("0109", *Sent(), "");
  std::vector<Bytes> sent;
  RunUntil(now_ + TurnClient::kBindAgain, &sent);
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(Hex(sent[0]).substr(0, 4), "0009");
}

TEST_F(TurnClientTest, BoundsThePeersAndGivesBackTheAddress) {
  Allocate();
  for (std::uint16_t port = 1024; port < 1200; ++port) {
    client_.Permit(now_, {At("203.0.113.7:1").ip, port, 0});
  }
  std::size_t requests = 0;
  while (Sent()) ++requests;
  EXPECT_EQ(requests, TurnClient::kMaxPeers);
  client_.Release(now_);
  const Bytes last = *Sent();
  EXPECT_EQ(Hex(last).substr(0, 4), "0004");
  EXPECT_NE(Hex(last).find(Attribute("000d", "00000000")), std::string::npos);
  EXPECT_FALSE(client_.relayed());
}

TEST_F(TurnClientTest, DropsWhatIsCutOffOrNotItsOwn) {
  const Bytes request = *Sent();
  Bytes other = request;
  other[8] ^= std::byte{1};
  Grant(other);
  EXPECT_FALSE(client_.relayed());
  const Bytes whole = Unhex("010300142112a442" + Id(request) +
                            Attribute("0016", "0001e242e721c048") +
                            Attribute("000d", "00000258"));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    client_.HandleMessage(now_, ByteSpan(whole).first(size));
    EXPECT_FALSE(client_.relayed()) << size;
  }
  client_.HandleMessage(now_, whole);
  EXPECT_TRUE(client_.relayed());
}

TEST(TurnStream, TellsWhereMessagesEnd) {
  EXPECT_FALSE(StreamMessageSize(Unhex("0103")));
  EXPECT_EQ(StreamMessageSize(Unhex("01030014")), 40U);
  EXPECT_EQ(StreamMessageSize(Unhex("40000005")), 12U);
  EXPECT_EQ(StreamMessageSize(Unhex("01030013")), 0U);
  EXPECT_EQ(StreamMessageSize(Unhex("ffff0000")), 0U);
}

}  // namespace
}  // namespace p2pcp::turn

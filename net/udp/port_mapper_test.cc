#include "net/udp/port_mapper.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace p2pcp::udp {
namespace {

constexpr std::uint16_t kPort = 40001;

class PortMapperTest : public testing::Test {
 protected:
  // What is sent now, as hexadecimal digits.
  std::vector<std::string> Sent() {
    std::vector<std::string> sent;
    std::array<std::byte, kPcpMapSize> out;
    while (const auto size = mapper_.PollTransmit(out)) {
      sent.push_back(Hex(ByteSpan(out).first(*size)));
    }
    return sent;
  }
  // Time passes; all that is sent meanwhile.
  std::vector<std::string> RunUntil(TimePoint end) {
    std::vector<std::string> sent;
    for (;;) {
      const auto next = mapper_.PollTimeout();
      if (!next || *next > end) break;
      now_ = *next;
      mapper_.HandleTimeout(now_);
      EXPECT_TRUE(!mapper_.PollTimeout() || *mapper_.PollTimeout() > now_)
          << "would spin";
      for (std::string& text : Sent()) sent.push_back(std::move(text));
    }
    now_ = end;
    return sent;
  }
  static bool IsPcp(const std::string& text) { return text.starts_with("02"); }
  static std::string Nonce(const std::string& pcp) {
    return pcp.substr(48, 24);
  }
  void Answer(const std::string& hex) {
    mapper_.HandleDatagram(now_, Unhex(hex));
  }
  void AnswerPcp(const std::string& request, const std::string& result = "00",
                 const std::string& lifetime = "00000258",
                 const std::string& ip = "cb00710a") {
    Answer("028100" + result + lifetime + "00000007" + std::string(24, '0') +
           Nonce(request) + "11000000" + "9c41c350" +
           "00000000000000000000ffff" + ip);
  }

  TimePoint now_{100s};
  SeededRandom random_{1};
  PortMapper mapper_{now_, *IpAddress::Parse("10.1.0.2"), kPort, random_};
};

TEST_F(PortMapperTest, IsMappedByPcpWithinARoundTrip) {
  const auto sent = Sent();
  ASSERT_EQ(sent.size(), 1U);
  ASSERT_TRUE(IsPcp(sent[0]));
  AnswerPcp(sent[0]);
  ASSERT_TRUE(mapper_.mapped());
  EXPECT_EQ(mapper_.mapped()->ToString(), "203.0.113.10:50000");
  EXPECT_EQ(mapper_.protocol(), "PCP");
  EXPECT_TRUE(RunUntil(now_ + 299s).empty());
}

TEST_F(PortMapperTest, RenewsAtHalfOfTheLeaseAndLosesItWithoutAnAnswer) {
  AnswerPcp(Sent().at(0));
  auto sent = RunUntil(now_ + 300s);
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(sent[0].substr(80, 8), "9c41c350") << "the same outside port";
  AnswerPcp(sent[0]);
  RunUntil(now_ + 599s);
  EXPECT_TRUE(mapper_.mapped());
  RunUntil(now_ + 2s);
  EXPECT_FALSE(mapper_.mapped());
}

TEST_F(PortMapperTest, FallsBackToNatPmpWhereNothingAnswers) {
  Sent();
  const auto sent = RunUntil(now_ + 250ms);
  ASSERT_EQ(sent.size(), 3U);
  EXPECT_TRUE(IsPcp(sent[0]));
  EXPECT_EQ(sent[1], "0000");
  EXPECT_EQ(sent[2], "000100009c419c4100000258");
  Answer("00810000000000079c41c35000000258");
  EXPECT_FALSE(mapper_.mapped()) << "the address is not known";
  Answer("0080000000000007cb00710a");
  ASSERT_TRUE(mapper_.mapped());
  EXPECT_EQ(mapper_.mapped()->ToString(), "203.0.113.10:50000");
  EXPECT_EQ(mapper_.protocol(), "NAT-PMP");
}

TEST_F(PortMapperTest, AsksByNatPmpAtOnceWhereTheRouterSaysSo) {
  Sent();
  Answer("0081000100000007");
  const auto sent = Sent();
  ASSERT_EQ(sent.size(), 2U);
  EXPECT_EQ(sent[0], "0000");
}

TEST_F(PortMapperTest, IsQuietWhereThereIsNoSuchRouter) {
  std::size_t packets = Sent().size();
  packets += RunUntil(now_ + 59s).size();
  EXPECT_EQ(packets, 5 + 4 * 2U);
  EXPECT_FALSE(mapper_.mapped());
}

TEST_F(PortMapperTest, DropsWhatIsNotItsOwnAnswer) {
  const std::string request = Sent().at(0);
  // Another nonce: another client's, or invented.
  std::string other = request;
  other[48] = other[48] == 'f' ? '0' : 'f';
  AnswerPcp(other);
  EXPECT_FALSE(mapper_.mapped());
  for (const char* ip : {"00000000", "7f000001", "e0000001", "ffffffff"}) {
    AnswerPcp(request, "00", "00000258", ip);
    EXPECT_FALSE(mapper_.mapped()) << ip;
  }
  AnswerPcp(request, "08");
  EXPECT_FALSE(mapper_.mapped());
  EXPECT_EQ(mapper_.refused(), 8);
}

TEST_F(PortMapperTest, BoundsTheLease) {
  AnswerPcp(Sent().at(0), "00", "00000001");
  EXPECT_TRUE(RunUntil(now_ + 29s).empty());
  EXPECT_EQ(RunUntil(now_ + 1s).size(), 1U);
}

TEST_F(PortMapperTest, TakesAPrivateOutsideAddress) {
  AnswerPcp(Sent().at(0), "00", "00000258", "6440000a");
  ASSERT_TRUE(mapper_.mapped());
  EXPECT_EQ(mapper_.mapped()->ip.ToString(), "100.64.0.10");
}

TEST_F(PortMapperTest, GivesBackWhatItGot) {
  AnswerPcp(Sent().at(0));
  mapper_.Release();
  const auto sent = Sent();
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(sent[0].substr(8, 8), "00000000");
  EXPECT_FALSE(mapper_.mapped());
  EXPECT_FALSE(mapper_.PollTimeout());
}

}  // namespace
}  // namespace p2pcp::udp

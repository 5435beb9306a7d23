#include "net/udp/pcp_message.h"

#include <gtest/gtest.h>

#include <array>
#include <string>

namespace p2pcp::udp {
namespace {

PcpMap Request() {
  PcpMap request;
  request.client = *IpAddress::Parse("10.1.0.2");
  for (std::size_t i = 0; i < request.nonce.size(); ++i) {
    request.nonce[i] = std::byte(i + 1);
  }
  request.inside_port = 40001;
  request.outside_port = 40002;
  request.lifetime = 600;
  return request;
}

// RFC 6887 sections 7.1 and 11.1.
TEST(PcpMessage, MapRequestByTheLetter) {
  std::array<std::byte, kPcpMapSize> out;
  WritePcpMap(Request(), out);
  EXPECT_EQ(Hex(out),
            "02010000"                          // version, MAP
            "00000258"                          // 600 s
            "00000000000000000000ffff0a010002"  // ::ffff:10.1.0.2
            "0102030405060708090a0b0c"          // nonce
            "11000000"                          // UDP
            "9c419c42"                          // ports
            "00000000000000000000ffff00000000");
}

// RFC 6886 sections 3.2, 3.3 and, for deletion, 3.4.
TEST(PcpMessage, NatPmpRequestsByTheLetter) {
  std::array<std::byte, kNatPmpMapSize> out;
  WriteNatPmpMap(Request(), out);
  EXPECT_EQ(Hex(out), "000100009c419c4200000258");
  PcpMap deletion = Request();
  deletion.lifetime = 0;
  WriteNatPmpMap(deletion, out);
  EXPECT_EQ(Hex(out), "000100009c41000000000000");
  std::array<std::byte, kNatPmpAddressSize> address;
  WriteNatPmpAddress(address);
  EXPECT_EQ(Hex(address), "0000");
}

// RFC 6887 section 7.2.
TEST(PcpMessage, ReadsAMapResponse) {
  const auto response =
      ReadPcpResponse(Unhex("02810000"  // response, MAP, success
                            "00000258"  // 600 s
                            "00000007"  // epoch
                            "000000000000000000000000"  // reserved
                            "0102030405060708090a0b0c"
                            "11000000"
                            "9c41c350"
                            "00000000000000000000ffff6440000a"));
  ASSERT_TRUE(response);
  EXPECT_EQ(response->kind, PcpResponse::Kind::kPcpMap);
  EXPECT_EQ(response->result, 0);
  EXPECT_EQ(response->lifetime, 600U);
  EXPECT_EQ(response->nonce, Request().nonce);
  EXPECT_EQ(response->inside_port, 40001);
  EXPECT_EQ(response->outside.ToString(), "100.64.0.10:50000");
}

TEST(PcpMessage, ReadsNatPmpResponses) {
  // RFC 6886 section 3.2.
  const auto address =
      ReadPcpResponse(Unhex("00800000"
                            "00000007"
                            "cb00710a"));
  ASSERT_TRUE(address);
  EXPECT_EQ(address->kind, PcpResponse::Kind::kNatPmpAddress);
  EXPECT_EQ(address->outside.ip.ToString(), "203.0.113.10");
  // Section 3.3.
  const auto map =
      ReadPcpResponse(Unhex("00810000"
                            "00000007"
                            "9c41c350"
                            "00000e10"));
  ASSERT_TRUE(map);
  EXPECT_EQ(map->kind, PcpResponse::Kind::kNatPmpMap);
  EXPECT_EQ(map->inside_port, 40001);
  EXPECT_EQ(map->outside.port, 50000);
  EXPECT_EQ(map->lifetime, 3600U);
}

// RFC 6887 appendix A: a NAT-PMP router answers PCP by its own version.
TEST(PcpMessage, ReadsThatAVersionIsNotSpoken) {
  const auto old =
      ReadPcpResponse(Unhex("00810001"
                            "00000007"));
  ASSERT_TRUE(old);
  EXPECT_EQ(old->kind, PcpResponse::Kind::kUnsupported);
  const auto newer =
      ReadPcpResponse(Unhex("01810001"
                            "00000000"
                            "00000007"
                            "000000000000000000000000"));
  ASSERT_TRUE(newer);
  EXPECT_EQ(newer->kind, PcpResponse::Kind::kUnsupported);
}

TEST(PcpMessage, RefusesWhatIsCutOffAndRequests) {
  const Bytes whole = Unhex(
      "0281000000000258000000070000000000000000000000000102030405060708090a0b0c"
      "110000009c41c35000000000000000000000ffff6440000a");
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(ReadPcpResponse(ByteSpan(whole).first(size))) << size;
  }
  std::array<std::byte, kPcpMapSize> request;
  WritePcpMap(Request(), request);
  EXPECT_FALSE(ReadPcpResponse(request));
  EXPECT_FALSE(ReadPcpResponse(Bytes(kMaxPcpMessage + 1, std::byte{0x81})));
}

}  // namespace
}  // namespace p2pcp::udp

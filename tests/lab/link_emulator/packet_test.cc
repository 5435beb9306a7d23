#include "tests/lab/link_emulator/packet.h"

#include <string>
#include <utility>

#include "gtest/gtest.h"
#include "net/base/bytes.h"

namespace p2pcp::lab {
namespace {

// 10.1.0.2:1000 > 203.0.113.10:2000 "hello", checksums by another program.
constexpr char kV4[] =
    "45000021123440004011e28a"  // IPv4, 33 bytes, DF, TTL 64, UDP, checksum
    "0a010002cb00710a"          // addresses
    "03e807d0000d6a3c"          // ports, 13 bytes, checksum
    "68656c6c6f";
// [2001:db8:1::2]:1000 > [2001:db8:2::2]:2000 "hello".
constexpr char kV6[] =
    "60000000000d1140"  // IPv6, 13 bytes, UDP, hop limit 64
    "20010db8000100000000000000000002"
    "20010db8000200000000000000000002"
    "03e807d0000d54d1"
    "68656c6c6f";

TEST(Packet, FindsTheUdpHeader) {
  const auto v4 = FindUdp(Unhex(kV4));
  ASSERT_TRUE(v4);
  EXPECT_FALSE(v4->v6);
  EXPECT_EQ(v4->payload(), 28u);
  const auto v6 = FindUdp(Unhex(kV6));
  ASSERT_TRUE(v6);
  EXPECT_TRUE(v6->v6);
  EXPECT_EQ(v6->payload(), 48u);
}

TEST(Packet, FindsNothingInATruncatedDatagram) {
  for (const char* hex : {kV4, kV6}) {
    const Bytes whole = Unhex(hex);
    for (std::size_t size = 0; size < whole.size(); ++size) {
      EXPECT_FALSE(FindUdp(ByteSpan(whole).first(size))) << hex << " " << size;
    }
  }
}

TEST(Packet, FindsNothingInFragmentsAndTcp) {
  Bytes packet = Unhex(kV4);
  packet[6] = std::byte{0x20};  // more fragments
  EXPECT_FALSE(FindUdp(packet));
  packet[6] = std::byte{0};
  packet[7] = std::byte{3};  // fragment offset
  EXPECT_FALSE(FindUdp(packet));
  packet[7] = std::byte{0};
  EXPECT_TRUE(FindUdp(packet));
  packet[9] = std::byte{6};  // TCP
  EXPECT_FALSE(FindUdp(packet));
}

TEST(Packet, FinishingRestoresLengthsAndChecksums) {
  for (const char* hex : {kV4, kV6}) {
    Bytes packet = Unhex(hex);
    const auto layout = FindUdp(packet);
    ASSERT_TRUE(layout);
    packet[layout->udp + 4] = packet[layout->udp + 6] = std::byte{0x55};
    packet[layout->v6 ? 4 : 2] = std::byte{0x55};
    FinishUdp(*layout, packet);
    EXPECT_EQ(Hex(packet), hex);
  }
}

TEST(Packet, AChangedPayloadChangesTheChecksumAndALengthIsKept) {
  Bytes packet = Unhex(kV4);
  const auto layout = FindUdp(packet);
  packet.resize(packet.size() - 2);
  FinishUdp(*layout, packet);
  const auto again = FindUdp(packet);
  ASSERT_TRUE(again);
  // The checksum over a datagram with its checksum in place is all ones.
  std::uint32_t sum = SumWords(ByteSpan(packet).first(20), 0);
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  EXPECT_EQ(sum, 0xffffu);
  sum = SumWords(ByteSpan(packet).subspan(12, 8), 17 + 11);
  sum = SumWords(ByteSpan(packet).subspan(20), sum);
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  EXPECT_EQ(sum, 0xffffu);
}

TEST(Packet, SwappingTwiceChangesNothing) {
  for (const char* hex : {kV4, kV6}) {
    Bytes packet = Unhex(hex);
    const auto layout = FindUdp(packet);
    SwapEndpoints(*layout, packet);
    EXPECT_NE(Hex(packet), hex);
    const auto address = static_cast<std::ptrdiff_t>(layout->v6 ? 8 : 12);
    const std::size_t width = layout->v6 ? 16 : 4;
    EXPECT_EQ(
        Hex(ByteSpan(packet).subspan(static_cast<std::size_t>(address), width)),
        Hex(ByteSpan(Unhex(hex))
                .subspan(static_cast<std::size_t>(address) + width, width)));
    EXPECT_EQ(Hex(ByteSpan(packet).subspan(layout->udp, 4)), "07d003e8");
    SwapEndpoints(*layout, packet);
    EXPECT_EQ(Hex(packet), hex);
  }
}

TEST(Packet, ThePoolGivesPacketsBackAgain) {
  PacketPool pool(100);
  PacketPtr first = pool.Copy(AsBytes("abc"));
  Packet* const place = first.get();
  first.reset();
  const PacketPtr second = pool.Get();
  EXPECT_EQ(second.get(), place);
  EXPECT_EQ(second->size, 0u);
  EXPECT_EQ(second->buffer.size(), 100u);
}

}  // namespace
}  // namespace p2pcp::lab

#include "net/channel/packet_header.h"

#include <gtest/gtest.h>

namespace p2pcp::channel {
namespace {

PacketHeader Sample(PacketType type) {
  return {.type = type,
          .connection_id = {std::byte{0x11}, std::byte{0x22}, std::byte{0x33},
                            std::byte{0x44}, std::byte{0x55}},
          .number = PacketNumber(0x010203040506)};
}

TEST(PacketHeaderCodec, WritesTheseBytes) {
  Bytes bytes(PacketHeader::kSize);
  WritePacketHeader(Sample(PacketType::kPayload), bytes);
  EXPECT_EQ(Hex(bytes),
            "c0"              // type: payload
            "1122334455"      // connection id
            "010203040506");  // packet number
  WritePacketHeader(Sample(PacketType::kProbe), bytes);
  EXPECT_EQ(Hex(bytes), "c11122334455010203040506");
}

TEST(PacketHeaderCodec, ReadsWhatItWrote) {
  for (const PacketType type : {PacketType::kPayload, PacketType::kProbe}) {
    for (const std::uint64_t number : {std::uint64_t{0}, PacketNumber::kMax}) {
      PacketHeader header = Sample(type);
      header.number = PacketNumber(number);
      Bytes bytes(PacketHeader::kSize + 3);
      WritePacketHeader(header, bytes);
      EXPECT_EQ(ReadPacketHeader(bytes), header);
    }
  }
}

TEST(PacketHeaderCodec, RefusesEveryTruncation) {
  Bytes bytes(PacketHeader::kSize);
  WritePacketHeader(Sample(PacketType::kPayload), bytes);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(ReadPacketHeader(ByteSpan(bytes).first(size)).has_value());
  }
}

TEST(PacketHeaderCodec, RefusesEveryOtherFirstByte) {
  Bytes bytes(PacketHeader::kSize);
  for (int first = 0; first < 256; ++first) {
    bytes[0] = static_cast<std::byte>(first);
    EXPECT_EQ(ReadPacketHeader(bytes).has_value(),
              first == 0xc0 || first == 0xc1)
        << first;
    EXPECT_EQ(IsPacket(bytes), first >= 0xc0) << first;
  }
  EXPECT_FALSE(IsPacket({}));
}

}  // namespace
}  // namespace p2pcp::channel

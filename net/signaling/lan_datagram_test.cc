#include "net/signaling/lan_datagram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace p2pcp::signaling {
namespace {

const std::vector<std::string> kTopics = {"wwgddhqiob27vwqcczypqbsednpgcaye",
                                          "x5av7j2tv2itovqv73qjek6npr7pngxh"};

TEST(LanDatagram, FindsItsTopicByTheTag) {
  const Bytes envelope(kSealedMessageSize, std::byte{7});
  for (const std::string& topic : kTopics) {
    const Bytes datagram = EncodeLanDatagram(topic, envelope);
    EXPECT_EQ(datagram.size(), 1032U);
    const auto decoded = DecodeLanDatagram(datagram, kTopics);
    ASSERT_TRUE(decoded);
    EXPECT_EQ(decoded->topic, topic);
    EXPECT_TRUE(std::ranges::equal(decoded->envelope, envelope));
  }
}

TEST(LanDatagram, IsForNobodyWhoListensToOthers) {
  const Bytes datagram =
      EncodeLanDatagram(kTopics[0], Bytes(kSealedMessageSize));
  EXPECT_FALSE(DecodeLanDatagram(datagram, std::vector{kTopics[1]}));
  EXPECT_FALSE(DecodeLanDatagram(datagram, {}));
}

TEST(LanDatagram, HasOneSizeOnly) {
  Bytes datagram = EncodeLanDatagram(kTopics[0], Bytes(kSealedMessageSize));
  for (std::size_t size = 0; size < datagram.size(); ++size) {
    EXPECT_FALSE(DecodeLanDatagram(ByteSpan(datagram).first(size), kTopics));
  }
  datagram.push_back(std::byte{0});
  EXPECT_FALSE(DecodeLanDatagram(datagram, kTopics));
}

}  // namespace
}  // namespace p2pcp::signaling

#include "net/ice/probe.h"

#include <gtest/gtest.h>

#include <vector>

namespace p2pcp::ice {
namespace {

TEST(ProbeCodec, WritesTheseBytes) {
  const Probe probe{.challenge = 0x0102030405060708,
                    .echo = 0xa1a2a3a4a5a6a7a8,
                    .selected = true};
  Bytes bytes(Probe::kSize);
  WriteProbe(probe, bytes);
  EXPECT_EQ(Hex(bytes),
            "0102030405060708"  // challenge
            "a1a2a3a4a5a6a7a8"  // echo
            "0001");            // flags
}

TEST(ProbeCodec, ReadsWhatItWrote) {
  for (const std::size_t size : {Probe::kSize, Probe::kSize + 1, 1444ul}) {
    for (const bool selected : {false, true}) {
      const Probe probe{
          .challenge = 7, .echo = ~std::uint64_t{0}, .selected = selected};
      Bytes bytes(size, std::byte{0xff});
      WriteProbe(probe, bytes);
      EXPECT_EQ(ReadProbe(bytes), probe);
    }
  }
}

TEST(ProbeCodec, RefusesEveryTruncation) {
  Bytes bytes(Probe::kSize);
  WriteProbe({.challenge = 1, .echo = 2, .selected = true}, bytes);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(ReadProbe(ByteSpan(bytes).first(size)).has_value()) << size;
  }
}

TEST(ProbeCodec, RefusesPaddingThatIsNotZero) {
  Bytes bytes(100);
  WriteProbe({.challenge = 1}, bytes);
  for (std::size_t i = Probe::kSize; i < bytes.size(); ++i) {
    bytes[i] = std::byte{1};
    EXPECT_FALSE(ReadProbe(bytes).has_value()) << i;
    bytes[i] = std::byte{0};
  }
  EXPECT_TRUE(ReadProbe(bytes).has_value());
}

TEST(ProbeCodec, IgnoresFlagsOfLaterVersions) {
  Bytes bytes(Probe::kSize);
  WriteProbe({.challenge = 1}, bytes);
  bytes[Probe::kSize - 2] = std::byte{0xff};
  bytes[Probe::kSize - 1] = std::byte{0xfe};
  EXPECT_EQ(ReadProbe(bytes), Probe{.challenge = 1});
}

}  // namespace
}  // namespace p2pcp::ice

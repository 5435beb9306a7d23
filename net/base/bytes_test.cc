#include "net/base/bytes.h"

#include <array>

#include "gtest/gtest.h"

namespace p2pcp {
namespace {

// The worked examples of RFC 9000 appendix A.1.
TEST(Bytes, VarintsMatchTheExamplesOfRfc9000) {
  struct Example {
    const char* hex;
    std::uint64_t value;
  };
  for (const Example& example :
       {Example{"c2197c5eff14e88c", 151288809941952652},
        Example{"9d7f3e7d", 494878333}, Example{"7bbd", 15293},
        Example{"25", 37}}) {
    const Bytes bytes = Unhex(example.hex);
    ByteReader reader(bytes);
    EXPECT_EQ(reader.ReadVarint(), example.value);
    EXPECT_TRUE(reader.AtEnd());

    std::array<std::byte, 8> buffer;
    ByteWriter writer(buffer);
    writer.WriteVarint(example.value);
    EXPECT_EQ(Hex(writer.written()), example.hex);
  }
}

TEST(Bytes, ReaderFailsStickyAtTheFirstShortRead) {
  const Bytes bytes = Unhex("010203");
  ByteReader reader(bytes);
  EXPECT_EQ(reader.ReadU16(), 0x0102);
  EXPECT_EQ(reader.ReadU16(), 0);
  EXPECT_FALSE(reader.ok());
  EXPECT_EQ(reader.ReadU8(), 0) << "the third byte must not come after all";
}

TEST(Bytes, ReaderRefusesEveryTruncationOfAVarint) {
  const Bytes bytes = Unhex("c2197c5eff14e88c");
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    ByteReader reader(ByteSpan(bytes).first(size));
    reader.ReadVarint();
    EXPECT_FALSE(reader.ok()) << size;
  }
}

TEST(Bytes, LengthPrefixBeyondTheEndFails) {
  const Bytes bytes = Unhex("05616263");
  ByteReader reader(bytes);
  EXPECT_TRUE(reader.ReadLengthPrefixed().empty());
  EXPECT_FALSE(reader.ok());
}

TEST(Bytes, WriterStopsAtTheEndOfItsBuffer) {
  std::array<std::byte, 3> buffer;
  ByteWriter writer(buffer);
  writer.WriteU16(0x0102);
  writer.WriteU16(0x0304);
  EXPECT_FALSE(writer.ok());
  EXPECT_EQ(Hex(writer.written()), "0102");
}

TEST(Bytes, IntegersAreBigEndian) {
  std::array<std::byte, 14> buffer;
  ByteWriter writer(buffer);
  writer.WriteU48(0x010203040506);
  writer.WriteU64(0x1112131415161718);
  EXPECT_EQ(Hex(writer.written()), "0102030405061112131415161718");
  ByteReader reader(writer.written());
  EXPECT_EQ(reader.ReadU48(), 0x010203040506u);
  EXPECT_EQ(reader.ReadU64(), 0x1112131415161718u);
  EXPECT_TRUE(reader.AtEnd());
}

TEST(Bytes, UnhexRefusesWhatIsNotHex) {
  EXPECT_TRUE(Unhex("0").empty());
  EXPECT_TRUE(Unhex("zz").empty());
  EXPECT_EQ(Hex(Unhex("00fFa0")), "00ffa0");
}

std::string Taken(BytePieces& pieces, std::size_t size) {
  Bytes out(size);
  pieces.Take(out);
  return std::string(AsText(out));
}

TEST(BytePieces, AreTakenAcrossTheirBounds) {
  const std::vector<ByteSpan> parts = {AsBytes("abc"), AsBytes(""),
                                       AsBytes("de"), AsBytes("fghi")};
  BytePieces pieces{std::span<const ByteSpan>(parts)};
  EXPECT_EQ(pieces.size(), 9u);
  EXPECT_EQ(Taken(pieces, 2), "ab");
  EXPECT_EQ(Taken(pieces, 4), "cdef");
  EXPECT_EQ(Taken(pieces, 0), "");
  EXPECT_EQ(pieces.size(), 3u);
  EXPECT_EQ(Taken(pieces, 3), "ghi");
  EXPECT_EQ(pieces.size(), 0u);
}

TEST(BytePieces, MayBeOne) {
  BytePieces pieces = AsBytes("abc");
  EXPECT_EQ(Taken(pieces, 3), "abc");
}

TEST(BytePiecesDeathTest, HaveNoMoreThanTheyHad) {
  BytePieces pieces = AsBytes("abc");
  Bytes out(4);
  EXPECT_DEATH(pieces.Take(out), "");
}

}  // namespace
}  // namespace p2pcp

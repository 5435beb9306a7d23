#include "transfer/file/manifest.h"

#include <gtest/gtest.h>

#include <string>

namespace p2pcp::file {
namespace {

Entry MakeEntry(const std::string& name, std::uint64_t size) {
  return Entry{name, size, {}, false};
}

TEST(Manifest, LaysFilesEndToEnd) {
  Manifest manifest;
  ASSERT_TRUE(manifest.Add(MakeEntry("e1", 0)).ok());
  ASSERT_TRUE(manifest.Add(MakeEntry("a", 10)).ok());
  ASSERT_TRUE(manifest.Add(MakeEntry("e2", 0)).ok());
  ASSERT_TRUE(manifest.Add(MakeEntry("e3", 0)).ok());
  ASSERT_TRUE(manifest.Add(MakeEntry("b", 1)).ok());
  ASSERT_TRUE(manifest.Add(MakeEntry("e4", 0)).ok());
  ASSERT_TRUE(manifest.Seal().ok());
  EXPECT_EQ(manifest.total(), 11u);
  EXPECT_EQ(manifest.Begin(4), 10u);
  EXPECT_EQ(manifest.End(4), 11u);
  // The empty files own no byte.
  EXPECT_EQ(manifest.FileAt(0), 1u);
  EXPECT_EQ(manifest.FileAt(9), 1u);
  EXPECT_EQ(manifest.FileAt(10), 4u);
}

TEST(Manifest, SizesTogetherStayBelowTheLimitWithoutOverflow) {
  Manifest manifest;
  ASSERT_TRUE(manifest.Add(MakeEntry("a", 5)).ok());
  EXPECT_EQ(manifest.Add(MakeEntry("b", ~std::uint64_t{0})).error().code,
            ErrorCode::kMalformed);
  EXPECT_FALSE(manifest.Add(MakeEntry("b", Manifest::kMaxTotal - 4)).ok());
  EXPECT_TRUE(manifest.Add(MakeEntry("b", Manifest::kMaxTotal - 5)).ok());
  EXPECT_TRUE(manifest.Add(MakeEntry("c", 0)).ok());
  EXPECT_FALSE(manifest.Add(MakeEntry("d", 1)).ok());
}

TEST(Manifest, RefusesNamesThatAreNotPlain) {
  for (const char* name : {"", "..", "/a", ".a", "a\n", "a/b"}) {
    Manifest manifest;
    EXPECT_EQ(manifest.Add(MakeEntry(name, 1)).error().code,
              ErrorCode::kMalformed)
        << name;
    EXPECT_EQ(manifest.size(), 0u);
  }
}

TEST(Manifest, RefusesTheSameNameTwice) {
  Manifest manifest;
  ASSERT_TRUE(manifest.Add(MakeEntry("b", 1)).ok());
  ASSERT_TRUE(manifest.Add(MakeEntry("a", 1)).ok());
  ASSERT_TRUE(manifest.Add(MakeEntry("b", 2)).ok());
  EXPECT_EQ(manifest.Seal().error().code, ErrorCode::kMalformed);
}

TEST(Manifest, RefusesAMalformedTimeAndAnEmptyList) {
  Manifest manifest;
  EXPECT_FALSE(manifest.Add(Entry{"a", 1, {0, 1'000'000'000}, false}).ok());
  EXPECT_FALSE(manifest.Seal().ok());
}

TEST(Manifest, NumberOfEntriesIsBounded) {
  Manifest manifest;
  for (std::size_t i = 0; i < Manifest::kMaxEntries; ++i) {
    ASSERT_TRUE(manifest.Add(MakeEntry(std::to_string(i), 0)).ok());
  }
  EXPECT_FALSE(manifest.Add(MakeEntry("x", 0)).ok());
  EXPECT_TRUE(manifest.Seal().ok());
}

TEST(Manifest, BytesOfNamesAreBounded) {
  Manifest manifest;
  std::size_t bytes = 0;
  for (std::size_t i = 0;; ++i) {
    std::string name = std::to_string(i);
    name.resize(255, 'a');
    if (!manifest.Add(MakeEntry(name, 0)).ok()) break;
    bytes += 255;
  }
  EXPECT_LE(bytes, Manifest::kMaxNameBytes);
  EXPECT_GT(bytes + 255, Manifest::kMaxNameBytes);
}

}  // namespace
}  // namespace p2pcp::file

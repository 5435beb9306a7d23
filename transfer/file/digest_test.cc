#include "transfer/file/digest.h"

#include <gtest/gtest.h>
#include <stdio.h>

#include <string>

#include "net/base/bytes.h"
#include "net/base/random.h"
#include "transfer/file/test_folder.h"

namespace p2pcp::file {
namespace {

std::string DigestOf(const std::string& text) {
  Hasher hasher;
  hasher.Update(AsBytes(text));
  return hasher.Finish().ToString();
}

// What the xxh128sum of the xxhash package says.
std::string Xxh128sum(const std::string& path) {
  FILE* pipe = popen(("xxh128sum '" + path + "'").c_str(), "r");
  if (pipe == nullptr) return "";
  char line[33] = {};
  const std::size_t size = fread(line, 1, 32, pipe);
  // The rest, so that it does not die of a closed pipe.
  char rest[512];
  while (fread(rest, 1, sizeof(rest), pipe) > 0) {
  }
  pclose(pipe);
  return std::string(line, size);
}

// The test vectors of the XXH3 specification for seed 0.
TEST(Digest, HasTheCanonicalFormOfTheSpecification) {
  EXPECT_EQ(DigestOf(""), "99aa06d3014798d86001c324468d497f");
  EXPECT_EQ(DigestOf("a"), "a96faf705af16834e6c632b61e964e1f");
}

TEST(Digest, IsWhatXxh128sumPrints) {
  TestFolder folder;
  for (const std::size_t size : {0, 1, 16, 17, 240, 241, 1024, 300'000}) {
    const std::string text = RandomText(size, size + 1);
    EXPECT_EQ(DigestOf(text), Xxh128sum(folder.Write("file", text)))
        << size << " bytes";
  }
}

TEST(Digest, DoesNotDependOnHowTheBytesArrive) {
  const std::string text = RandomText(100'000, 7);
  Hasher hasher;
  for (std::size_t at = 0; at < text.size(); at += 777) {
    hasher.Update(AsBytes(std::string_view(text).substr(at, 777)));
  }
  EXPECT_EQ(hasher.Finish().ToString(), DigestOf(text));
}

// Short ones are digested by other instructions than long ones.
TEST(Digest, IsTheSameOfWhatIsInMemoryWhole) {
  for (const std::size_t size :
       {0, 1, 16, 17, 128, 129, 240, 241, 4095, 4096, 4097, 65'536}) {
    const std::string text = RandomText(size, size + 1);
    EXPECT_EQ(Hasher::Of(AsBytes(text)).ToString(), DigestOf(text)) << size;
  }
}

TEST(Digest, ResetForgetsWhatWasSeen) {
  Hasher hasher;
  hasher.Update(AsBytes("something"));
  hasher.Reset();
  EXPECT_EQ(hasher.Finish().ToString(), DigestOf(""));
}

TEST(Digest, GoesOnFromWhatWasSavedAtAnyPlace) {
  const std::string text = RandomText(300'000, 8);
  const std::string_view view = text;
  SeededRandom random(9);
  for (int i = 0; i < 300; ++i) {
    const std::size_t at =
        i < 20 ? static_cast<std::size_t>(i) : random.Below(text.size() + 1);
    Hasher first;
    first.Update(AsBytes(view.substr(0, at)));
    EXPECT_EQ(first.size(), at);
    Hasher second;
    second.Update(AsBytes("what it saw before does not count"));
    ASSERT_TRUE(second.Restore(first.Save()));
    EXPECT_EQ(second.size(), at);
    EXPECT_EQ(second.Finish(), first.Finish()) << at;
    second.Update(AsBytes(view.substr(at)));
    EXPECT_EQ(second.Finish().ToString(), DigestOf(text)) << at;
  }
}

TEST(Digest, DoesNotGoOnFromWhatNoneOfItsVersionSaved) {
  Hasher hasher;
  hasher.Update(AsBytes("something"));
  const Hasher::Saved good = hasher.Save();
  // The version, the bytes in the buffer, the stripes.
  for (const std::size_t at : {3, 4, 8}) {
    Hasher::Saved bad = good;
    bad[at] ^= std::byte{0x40};
    EXPECT_FALSE(hasher.Restore(bad)) << at;
    EXPECT_EQ(hasher.Finish().ToString(), DigestOf("")) << at;
  }
  EXPECT_FALSE(hasher.Restore({}));
}

}  // namespace
}  // namespace p2pcp::file

#include "transfer/file/hash_set.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <unordered_set>

#include "net/base/random.h"

namespace p2pcp::file {
namespace {

TEST(HashSet, HoldsWhatWasInsertedAndNothingElse) {
  HashSet set;
  EXPECT_FALSE(set.Contains(5));
  std::unordered_set<std::uint64_t> model;
  SeededRandom random(1);
  for (int i = 0; i < 100'000; ++i) {
    // Some of them twice, some that collide.
    const std::uint64_t hash =
        i % 3 == 0 ? random.Below(1000) << 40 : random.NextU64();
    set.Insert(hash);
    model.insert(hash == 0 ? 1 : hash);
  }
  EXPECT_EQ(set.size(), model.size());
  std::size_t seen = 0;
  set.ForEach([&](std::uint64_t hash) {
    EXPECT_TRUE(model.contains(hash));
    ++seen;
  });
  EXPECT_EQ(seen, model.size());
  for (const std::uint64_t hash : model) EXPECT_TRUE(set.Contains(hash));
  for (int i = 0; i < 1000; ++i) {
    const std::uint64_t hash = random.NextU64();
    EXPECT_EQ(set.Contains(hash), model.contains(hash));
  }
}

}  // namespace
}  // namespace p2pcp::file

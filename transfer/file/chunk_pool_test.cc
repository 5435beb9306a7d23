#include "transfer/file/chunk_pool.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "net/base/bytes.h"
#include "net/base/random.h"

namespace p2pcp::file {
namespace {

constexpr std::uint64_t kChunk = ChunkPool::kChunkBytes;

void Put(ChunkPool& pool, std::size_t chunk, std::uint64_t begin,
         BytePieces bytes) {
  pool.Put(chunk, begin, begin + bytes.size(), bytes);
}

TEST(ChunkPool, AChunkIsDueWhenNothingIsMissing) {
  ChunkPool pool;
  const std::size_t chunk = pool.Allocate(kChunk, 10);
  Put(pool, chunk, kChunk + 5, AsBytes("fghij"));
  EXPECT_FALSE(pool.IsDue(chunk));
  Put(pool, chunk, kChunk, AsBytes("abcde"));
  EXPECT_TRUE(pool.IsDue(chunk));
  EXPECT_EQ(pool.FirstDirty(chunk), (Interval{kChunk, kChunk + 10}));
  EXPECT_EQ(AsText(pool.TakeDirty(chunk, kChunk + 4)), "abcd");
  EXPECT_EQ(AsText(pool.TakeDirty(chunk, kChunk + 10)), "efghij");
  EXPECT_TRUE(pool.FirstDirty(chunk).empty());
  pool.Written(chunk);
  EXPECT_TRUE(pool.IsUsed(chunk));
  pool.Written(chunk);
  EXPECT_FALSE(pool.IsUsed(chunk));
  EXPECT_EQ(pool.free(), ChunkPool::kChunks);
}

TEST(ChunkPool, ABufferThatIsWrittenInPartsStaysForTheRest) {
  ChunkPool pool;
  const std::size_t chunk = pool.Allocate(0, 10);
  Put(pool, chunk, 0, AsBytes("abc"));
  pool.TakeDirty(chunk, 3);
  Put(pool, chunk, 3, AsBytes("d"));
  pool.Written(chunk);
  EXPECT_TRUE(pool.IsUsed(chunk));
  EXPECT_EQ(pool.FirstDirty(chunk), (Interval{3, 4}));
}

TEST(ChunkPool, FindsChunksByWhereTheyBegin) {
  ChunkPool pool;
  const std::size_t a = pool.Allocate(0, 1);
  const std::size_t b = pool.Allocate(kChunk, 1);
  EXPECT_EQ(pool.Find(0), a);
  EXPECT_EQ(pool.Find(kChunk), b);
  EXPECT_EQ(pool.Find(2 * kChunk), std::nullopt);
  EXPECT_EQ(ChunkPool::ChunkBegin(kChunk - 1), 0u);
  EXPECT_EQ(ChunkPool::ChunkBegin(kChunk), kChunk);
}

TEST(ChunkPool, OldestIsTheOneNotPutToForLongest) {
  ChunkPool pool;
  const std::size_t a = pool.Allocate(0, 100);
  const std::size_t b = pool.Allocate(kChunk, 100);
  EXPECT_EQ(pool.Oldest(), std::nullopt);  // Nothing to write in them.
  Put(pool, a, 0, AsBytes("x"));
  Put(pool, b, kChunk, AsBytes("x"));
  EXPECT_EQ(pool.Oldest(), a);
  Put(pool, a, 1, AsBytes("x"));
  EXPECT_EQ(pool.Oldest(), b);
  pool.MakeDue(b);
  EXPECT_EQ(pool.Oldest(), a);
}

TEST(ChunkPool, PartsThatWaitApartAreBounded) {
  ChunkPool pool;
  const std::size_t chunk = pool.Allocate(0, kChunk);
  for (std::size_t i = 0; i < ChunkPool::kMaxDirty; ++i) {
    ASSERT_TRUE(pool.HasRoom(chunk, 2 * i, 2 * i + 1));
    Put(pool, chunk, 2 * i, AsBytes("x"));
  }
  const std::uint64_t end = 2 * ChunkPool::kMaxDirty;
  EXPECT_FALSE(pool.HasRoom(chunk, end, end + 1));
  EXPECT_TRUE(pool.HasRoom(chunk, 1, 2));
  EXPECT_TRUE(pool.HasRoom(chunk, end - 1, end));
  Put(pool, chunk, 1, AsBytes("x"));
  EXPECT_TRUE(pool.HasRoom(chunk, end, end + 1));
}

// Whatever the order, exactly what was put comes out, in order.
TEST(ChunkPool, WhatGoesInComesOut) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE(seed);
    SeededRandom random(seed);
    ChunkPool pool;
    const std::size_t chunk = pool.Allocate(kChunk, kChunk);
    std::map<std::uint64_t, char> model;
    for (int i = 0; i < 60; ++i) {
      const std::uint64_t begin = kChunk + random.Below(500);
      std::string text;
      while (text.size() < 12 && !model.contains(begin + text.size())) {
        text += static_cast<char>('a' + random.Below(26));
      }
      if (text.empty()) continue;
      ASSERT_TRUE(pool.HasRoom(chunk, begin, begin + text.size()));
      Put(pool, chunk, begin, AsBytes(text));
      for (std::size_t j = 0; j < text.size(); ++j) model[begin + j] = text[j];
    }
    while (!pool.FirstDirty(chunk).empty()) {
      const Interval dirty = pool.FirstDirty(chunk);
      const std::uint64_t end = dirty.begin + 1 + random.Below(dirty.size());
      const MutableByteSpan bytes = pool.TakeDirty(chunk, end);
      for (std::uint64_t at = dirty.begin; at < end; ++at) {
        ASSERT_FALSE(model.empty());
        ASSERT_EQ(model.begin()->first, at);
        ASSERT_EQ(model.begin()->second,
                  AsText(bytes)[static_cast<std::size_t>(at - dirty.begin)]);
        model.erase(model.begin());
      }
    }
    EXPECT_TRUE(model.empty());
  }
}

}  // namespace
}  // namespace p2pcp::file

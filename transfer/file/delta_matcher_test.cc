#include "transfer/file/delta_matcher.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/random.h"
#include "transfer/file/test_folder.h"

namespace p2pcp::file {
namespace {

constexpr std::uint64_t kBlock = kMinDeltaBlock;

std::vector<BlockSignature> Sign(const std::string& base) {
  std::vector<BlockSignature> signatures;
  const std::size_t block = DeltaBlockBytes(base.size());
  for (std::size_t at = 0; at < base.size(); at += block) {
    signatures.push_back(SignBlock(
        AsBytes(base).subspan(at, std::min(block, base.size() - at))));
  }
  return signatures;
}

struct Outcome {
  std::vector<DeltaSegment> segments;
  std::string made;  // From the base and what travelled.
  std::uint64_t travelled = 0;
  std::uint64_t shortest = ~std::uint64_t{0};  // Of what travelled.
};

// Checks what holds for all segments, and makes the file of them.
Outcome Collect(std::vector<DeltaSegment> segments, const std::string& base,
                const std::string& next) {
  Outcome outcome;
  std::uint64_t run = 0;
  for (const DeltaSegment& segment : segments) {
    EXPECT_EQ(segment.begin, outcome.made.size());
    EXPECT_LT(segment.begin, segment.end);
    if (segment.copy) {
      EXPECT_LE(segment.from + segment.size(), base.size());
      if (run > 0) outcome.shortest = std::min(outcome.shortest, run);
      run = 0;
    } else {
      run += segment.size();
      outcome.travelled += segment.size();
    }
    outcome.made += segment.copy ? base.substr(segment.from, segment.size())
                                 : next.substr(segment.begin, segment.size());
  }
  outcome.segments = std::move(segments);
  return outcome;
}

// All of next goes in, feed bytes at once.
std::vector<DeltaSegment> Feed(DeltaMatcher& matcher, const std::string& next,
                               std::size_t feed) {
  std::vector<DeltaSegment> segments;
  for (std::size_t at = 0; at < next.size(); at += feed) {
    const std::size_t size = std::min(feed, next.size() - at);
    CopyBytes(AsBytes(next).subspan(at, size), matcher.Buffer(at, size));
    matcher.Process(size, at + size == next.size());
    for (const DeltaSegment& segment : matcher.TakeSegments()) {
      segments.push_back(segment);
    }
  }
  return segments;
}

Outcome Make(const std::string& base, const std::string& next,
             std::size_t feed = DeltaMatcher::kMaxFeed) {
  DeltaMatcher matcher(base.size());
  matcher.Add(Sign(base));
  return Collect(Feed(matcher, next, feed), base, next);
}

TEST(DeltaSignature, BlocksGrowWithTheRootOfTheSize) {
  EXPECT_EQ(DeltaBlockBytes(1), 4u << 10);
  EXPECT_EQ(DeltaBlockBytes(std::uint64_t{64} << 20), 4u << 10);
  EXPECT_EQ(DeltaBlockBytes((std::uint64_t{64} << 20) + 1), 8u << 10);
  EXPECT_EQ(DeltaBlockBytes(std::uint64_t{10} << 30), 64u << 10);
  EXPECT_EQ(DeltaBlockBytes((std::uint64_t{1} << 48) - 1), 64u << 10);
  EXPECT_EQ(DeltaBlocks((std::uint64_t{1} << 48) - 1), std::uint64_t{1} << 32);
  EXPECT_EQ(DeltaBlocks(4096), 1u);
  EXPECT_EQ(DeltaBlocks(4097), 2u);
}

// What both sides have to agree on.
TEST(DeltaSignature, IsWhatTheProtocolSays) {
  EXPECT_EQ(RollingSum::kWeights[0], 0xe220a839u);
  EXPECT_EQ(RollingSum::kWeights[255], 0x5a5832bbu);
  const BlockSignature abc = SignBlock(AsBytes("abc"));
  EXPECT_EQ(abc.weak, 0xc8aa7ff4u);
  EXPECT_EQ(abc.strong, 0x06b05ab6733a6185u);  // echo -n abc | xxh128sum
}

TEST(RollingSum, MovesOnAsIfItWereMadeAnew) {
  const std::string text = RandomText(1000, 1);
  const ByteSpan bytes = AsBytes(text);
  RollingSum sum(bytes.first(100));
  for (std::size_t at = 0; at + 100 < bytes.size(); ++at) {
    ASSERT_EQ(sum.weak(), RollingSum(bytes.subspan(at, 100)).weak()) << at;
    sum.Roll(bytes[at], bytes[at + 100], 100);
  }
}

TEST(DeltaMatcher, NothingTravelsOfTheSameContent) {
  const std::string base = RandomText(3 * kBlock + 100, 1);
  const Outcome outcome = Make(base, base);
  EXPECT_EQ(outcome.travelled, 0u);
  EXPECT_EQ(outcome.made, base);
  EXPECT_EQ(outcome.segments,
            (std::vector<DeltaSegment>{{0, base.size(), true, 0}}));
}

TEST(DeltaMatcher, WhatMovedIsFoundWhereverItIs) {
  const std::string base = RandomText(100 * kBlock, 1);
  for (const std::size_t shift : {1u, 100u, 4095u, 4096u, 5000u, 40'000u}) {
    const std::string extra = RandomText(shift, 2);
    const std::string longer = extra + base;
    Outcome outcome = Make(base, longer);
    EXPECT_EQ(outcome.made, longer);
    EXPECT_LE(outcome.travelled, shift + kBlock) << shift;
    const std::string shorter = base.substr(shift);
    outcome = Make(base, shorter);
    EXPECT_EQ(outcome.made, shorter);
    EXPECT_LE(outcome.travelled, kBlock + DeltaMatcher::kMinLiteral) << shift;
  }
}

TEST(DeltaMatcher, OnlyTheBlocksAroundAChangeTravel) {
  const std::string base = RandomText(100 * kBlock + 77, 1);
  std::string next = base;
  for (const std::size_t at : {10u, 20u, 30u}) {
    next.replace(at * kBlock + 100, 10, "0123456789");
  }
  const Outcome outcome = Make(base, next);
  EXPECT_EQ(outcome.made, next);
  EXPECT_EQ(outcome.travelled, 3 * kBlock);
}

TEST(DeltaMatcher, BlocksInAnotherOrderAreCopied) {
  const std::string base = RandomText(64 * kBlock, 1);
  std::string next;
  for (std::size_t i = 64; i-- > 0;) next += base.substr(i * kBlock, kBlock);
  const Outcome outcome = Make(base, next);
  EXPECT_EQ(outcome.made, next);
  EXPECT_EQ(outcome.travelled, 0u);
}

TEST(DeltaMatcher, ItMakesNoDifferenceHowManyBytesGoInAtOnce) {
  const std::string base = RandomText(40 * kBlock + 500, 1);
  const std::string next = base.substr(0, 10'000) + "inserted" +
                           base.substr(10'000, 60'000) + base.substr(80'000);
  const Outcome whole = Make(base, next);
  for (const std::size_t feed : {1u, 7u, 1000u, 4096u, 4097u, 65'536u}) {
    const Outcome outcome = Make(base, next, feed);
    EXPECT_EQ(outcome.made, next);
    EXPECT_EQ(outcome.travelled, whole.travelled) << feed;
  }
}

TEST(DeltaMatcher, ShortLiteralsTakeOfTheCopiesBehindThem) {
  const std::string base = RandomText(64 * kBlock, 1);
  std::string next;
  for (std::size_t i = 0; i < 64; ++i) {
    next += base.substr(i * kBlock, kBlock) + "x";
  }
  const Outcome outcome = Make(base, next);
  EXPECT_EQ(outcome.made, next);
  EXPECT_GE(outcome.shortest, DeltaMatcher::kMinLiteral);
}

TEST(DeltaMatcher, AnEndThatIsNoWholeBlockIsFound) {
  const std::string base = RandomText(10 * kBlock + 1000, 1);
  const std::string next = RandomText(5000, 2) + base.substr(9 * kBlock);
  const Outcome outcome = Make(base, next);
  EXPECT_EQ(outcome.made, next);
  EXPECT_LE(outcome.travelled, 5000u);
}

TEST(DeltaMatcher, WhatIsFlushedIsNotJoinedWithWhatFollows) {
  const std::string base = RandomText(10 * kBlock, 1);
  DeltaMatcher matcher(base.size());
  matcher.Add(Sign(base));
  CopyBytes(AsBytes(base).first(6000), matcher.Buffer(0, 6000));
  matcher.Process(6000, /*flush=*/true);
  // A hole, or what was there, and then the file goes on.
  CopyBytes(AsBytes(base).subspan(2 * kBlock, kBlock),
            matcher.Buffer(20'000, kBlock));
  matcher.Process(kBlock, /*flush=*/true);
  EXPECT_EQ(
      matcher.TakeSegments(),
      (std::vector<DeltaSegment>{{0, kBlock, true, 0},
                                 {kBlock, 6000, false, 0},
                                 {20'000, 20'000 + kBlock, true, 2 * kBlock}}));
}

TEST(DeltaMatcher, SignaturesThatComeLateAreOfUseFromThenOn) {
  const std::string base = RandomText(40 * kBlock, 1);
  const std::vector<BlockSignature> signatures = Sign(base);
  DeltaMatcher matcher(base.size());
  std::vector<DeltaSegment> segments;
  for (std::size_t i = 0; i < 40; ++i) {
    if (i == 20) matcher.Add(signatures);
    CopyBytes(AsBytes(base).subspan(i * kBlock, kBlock),
              matcher.Buffer(i * kBlock, kBlock));
    matcher.Process(kBlock, i == 39);
    for (const DeltaSegment& segment : matcher.TakeSegments()) {
      segments.push_back(segment);
    }
  }
  const Outcome outcome = Collect(std::move(segments), base, base);
  EXPECT_EQ(outcome.made, base);
  EXPECT_LE(outcome.travelled, 21 * kBlock);
  EXPECT_GE(outcome.travelled, 19 * kBlock);
}

TEST(DeltaMatcher, KeepsAWindowOfTheBase) {
  const std::string base = RandomText(64 * kBlock, 1);
  const std::vector<BlockSignature> signatures = Sign(base);
  DeltaMatcher matcher(base.size(), /*window=*/16);
  std::vector<DeltaSegment> segments;
  const std::string next = RandomText(3 * kBlock + 5, 2) + base;
  for (std::size_t at = 0; at < next.size(); at += kBlock) {
    const std::uint64_t wanted = matcher.WantedAt(at);
    EXPECT_LE(wanted, at / kBlock + 8);
    EXPECT_LE(matcher.NeededAt(at), wanted);
    matcher.Add(std::span(signatures)
                    .subspan(matcher.known(), wanted - matcher.known()));
    const std::size_t size = std::min<std::size_t>(kBlock, next.size() - at);
    CopyBytes(AsBytes(next).subspan(at, size), matcher.Buffer(at, size));
    matcher.Process(size, at + size == next.size());
    for (const DeltaSegment& segment : matcher.TakeSegments()) {
      segments.push_back(segment);
    }
  }
  const Outcome outcome = Collect(std::move(segments), base, next);
  EXPECT_EQ(outcome.made, next);
  EXPECT_LE(outcome.travelled, 5 * kBlock);
  // What has left the window is not found any more.
  DeltaMatcher late(base.size(), /*window=*/16);
  late.Add(signatures);
  const std::string front = base.substr(0, 2 * kBlock);
  EXPECT_EQ(Collect(Feed(late, front, front.size()), base, front).travelled,
            front.size());
}

TEST(DeltaMatcher, LooksFurtherAheadWhileNothingMatches) {
  DeltaMatcher matcher(std::uint64_t{10} << 30);
  EXPECT_EQ(matcher.NeededAt(0), 1025u);
  EXPECT_EQ(matcher.WantedAt(0), 4097u);
  const std::string noise = RandomText(1 << 20, 1);
  CopyBytes(AsBytes(noise), matcher.Buffer(0, noise.size()));
  matcher.Process(noise.size(), /*flush=*/false);
  // Less than the block that may still match.
  EXPECT_EQ(matcher.NeededAt(1 << 20), 1025u + 16 + 8 * 15);
  EXPECT_EQ(matcher.WantedAt(1 << 20), 4097u + 16 + 16 * 15);
  // Half the window at most.
  EXPECT_EQ(matcher.WantedAt(std::uint64_t{1} << 30),
            (1u << 14) + 4096 + 1 + 16 * 15);
}

TEST(DeltaMatcher, ABaseThatEndsEarlyIsWhatCame) {
  const std::string base = RandomText(10 * kBlock + 100, 1);
  DeltaMatcher matcher(base.size());
  const std::vector<BlockSignature> signatures = Sign(base);
  matcher.Add(std::span(signatures).first(4));
  matcher.EndBase();
  EXPECT_EQ(matcher.NeededAt(1 << 20), 4u);
  const Outcome outcome = Collect(Feed(matcher, base, 10'000), base, base);
  EXPECT_EQ(outcome.made, base);
  EXPECT_EQ(outcome.travelled, 6 * kBlock + 100);
}

// All signatures promise each window of zeros, and none of them keeps it.
TEST(DeltaMatcher, PromisesInVainCostNoMoreThanTheRest) {
  const std::string zeros(kBlock, '\0');
  const std::uint64_t size = std::uint64_t{64} << 20;
  DeltaMatcher matcher(size);
  BlockSignature lie = SignBlock(AsBytes(zeros));
  lie.strong ^= 1;
  matcher.Add(std::vector<BlockSignature>(DeltaBlocks(size), lie));
  const std::string file(16 << 20, '\0');
  // Else this would hash 64 GiB.
  const Outcome outcome =
      Collect(Feed(matcher, file, DeltaMatcher::kMaxFeed), file, file);
  EXPECT_EQ(outcome.travelled, file.size());
}

TEST(DeltaMatcher, WhateverChangesTheFileIsMadeOfItsSegments) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    SeededRandom random(seed);
    const std::string base =
        RandomText(kBlock * (1 + random.Below(30)) + random.Below(kBlock),
                   static_cast<unsigned>(seed));
    std::string next = base;
    for (std::uint64_t i = random.Below(6); i > 0; --i) {
      const std::size_t at = random.Below(next.size() + 1);
      const std::size_t size =
          std::min<std::size_t>(random.Below(3 * kBlock), next.size() - at);
      switch (random.Below(3)) {
        case 0:
          next.erase(at, size);
          break;
        case 1:
          next.insert(at, RandomText(size, static_cast<unsigned>(i)));
          break;
        default:
          next.insert(random.Below(next.size() + 1), next.substr(at, size));
          break;
      }
    }
    const Outcome outcome = Make(base, next, 1 + random.Below(100'000));
    ASSERT_TRUE(outcome.made == next) << "seed " << seed;
    ASSERT_GE(outcome.shortest, DeltaMatcher::kMinLiteral) << "seed " << seed;
  }
}

}  // namespace
}  // namespace p2pcp::file

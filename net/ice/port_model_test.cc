#include "net/ice/port_model.h"

#include <gtest/gtest.h>

#include <utility>
#include <vector>

#include "net/base/random.h"

namespace p2pcp::ice {
namespace {

std::vector<PortSample> Samples(const std::vector<int>& ports) {
  std::vector<PortSample> samples;
  std::uint16_t local = 50000;
  for (const int port : ports) {
    samples.push_back({local, static_cast<std::uint16_t>(port)});
    local = static_cast<std::uint16_t>(local + 37);
  }
  return samples;
}

std::vector<int> Drawn(Random& random, int low, int count) {
  std::vector<int> ports;
  for (int i = 0; i < kPortSamples; ++i) {
    ports.push_back(low + static_cast<int>(
                              random.Below(static_cast<std::uint64_t>(count))));
  }
  return ports;
}

TEST(InferPortModel, TooFewSamplesSayNothing) {
  EXPECT_EQ(InferPortModel(Samples({1, 2, 3, 4, 5})).allocation,
            PortAllocation::kUnknown);
  EXPECT_EQ(InferPortModel({}).allocation, PortAllocation::kUnknown);
}

TEST(InferPortModel, SeesThatPortsAreKept) {
  auto samples = Samples({1, 2, 3, 4, 5, 6, 7, 8});
  for (PortSample& sample : samples) sample.external = sample.local;
  samples[3].external = 9;  // Taken by somebody else.
  EXPECT_EQ(InferPortModel(samples).allocation, PortAllocation::kPreserving);
}

TEST(InferPortModel, SeesSequencesAndTheirSteps) {
  for (const int step : {1, 2, 4, -1, -2}) {
    std::vector<int> ports;
    for (int i = 0; i < kPortSamples; ++i) ports.push_back(20000 + i * step);
    const PortModel model = InferPortModel(Samples(ports));
    EXPECT_EQ(model.allocation, PortAllocation::kSequential) << step;
    EXPECT_EQ(model.step, step);
    EXPECT_EQ(model.last, 20000 + 15 * step);
  }
}

TEST(InferPortModel, FlowsOfOthersAndAReorderedPairDoNotHideASequence) {
  const PortModel model = InferPortModel(Samples(
      {700, 702, 704, 710, 712, 714, 718, 716, 720, 722, 726, 728, 730, 732}));
  EXPECT_EQ(model.allocation, PortAllocation::kSequential);
  EXPECT_EQ(model.step, 2);
  EXPECT_EQ(model.last, 732);
}

TEST(InferPortModel, SeesBlocksAndAlmostAllOfTheirPorts) {
  int covered = 0;
  int total = 0;
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    SeededRandom random(seed);
    for (const auto& [low, count] :
         {std::pair(30720, 512), std::pair(30000, 512), std::pair(8000, 2048),
          std::pair(40960, 256)}) {
      const PortModel model =
          InferPortModel(Samples(Drawn(random, low, count)));
      ASSERT_EQ(model.allocation, PortAllocation::kBlock) << seed;
      EXPECT_LE(model.size(), 2 * count) << seed;
      for (int port = low; port < low + count; ++port) {
        covered += port >= model.low && port <= model.high;
        ++total;
      }
    }
  }
  EXPECT_GT(covered, total * 97 / 100);
}

TEST(InferPortModel, AllPortsAreNoBlock) {
  for (std::uint64_t seed = 1; seed <= 500; ++seed) {
    SeededRandom random(seed);
    EXPECT_EQ(InferPortModel(Samples(Drawn(random, 1024, 64512))).allocation,
              PortAllocation::kRandom)
        << seed;
  }
}

TEST(InferPortModel, ABlockIsNoSequence) {
  for (std::uint64_t seed = 1; seed <= 500; ++seed) {
    SeededRandom random(seed);
    EXPECT_EQ(InferPortModel(Samples(Drawn(random, 30720, 512))).allocation,
              PortAllocation::kBlock)
        << seed;
  }
}

}  // namespace
}  // namespace p2pcp::ice

#include "net/ice/port_model.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdlib>

namespace p2pcp::ice {
namespace {

// Three quarters: a lost request, or two that overtook each other, spoil two
// of the differences.
bool Most(std::size_t some, std::size_t all) { return 4 * some >= 3 * all; }

// Small differences, nearly all of one sign.
bool InferSequence(std::span<const PortSample> samples, PortModel* model) {
  std::array<int, kMaxSequenceGap + 1> counts{};
  std::size_t up = 0;
  std::size_t down = 0;
  for (std::size_t i = 1; i < samples.size(); ++i) {
    const int step = samples[i].external - samples[i - 1].external;
    if (step == 0 || std::abs(step) > kMaxSequenceGap) continue;
    (step > 0 ? up : down) += 1;
    ++counts[static_cast<std::size_t>(std::abs(step))];
  }
  if (!Most(std::max(up, down), samples.size() - 1)) return false;
  // Flows of others only make a difference larger.
  const auto step = std::max_element(counts.begin(), counts.end());
  model->step = static_cast<std::int16_t>(step - counts.begin());
  if (down > up) model->step = static_cast<std::int16_t>(-model->step);
  // The last one by its place in the sequence, whatever came last.
  const auto by_port = [](const PortSample& a, const PortSample& b) {
    return a.external < b.external;
  };
  const auto half = samples.subspan(samples.size() / 2);
  model->last =
      up > down ? std::max_element(half.begin(), half.end(), by_port)->external
                : std::min_element(half.begin(), half.end(), by_port)->external;
  return true;
}

// The range that the ports were drawn from, not only the part they span.
void InferBlock(int low, int high, int count, PortModel* model) {
  const int range = high - low + 1;
  // Blocks are mostly aligned powers of two.
  for (int size = 64; size <= 2 * range; size *= 2) {
    if (low / size != high / size) continue;
    model->low = static_cast<std::uint16_t>(low / size * size);
    model->high = static_cast<std::uint16_t>(model->low + size - 1);
    return;
  }
  const int margin = range / (count - 1) + 1;
  model->low = static_cast<std::uint16_t>(std::max(1024, low - margin));
  model->high = static_cast<std::uint16_t>(std::min(65535, high + margin));
}

}  // namespace

PortModel InferPortModel(std::span<const PortSample> samples) {
  PortModel model;
  if (samples.size() < static_cast<std::size_t>(kMinPortSamples)) return model;
  const auto preserved = static_cast<std::size_t>(std::ranges::count_if(
      samples, [](const PortSample& s) { return s.local == s.external; }));
  if (Most(preserved, samples.size())) {
    model.allocation = PortAllocation::kPreserving;
    return model;
  }
  if (InferSequence(samples, &model)) {
    model.allocation = PortAllocation::kSequential;
    return model;
  }
  const auto [low, high] =
      std::ranges::minmax(samples, {}, &PortSample::external);
  if (high.external - low.external >= kMaxBlockSize) {
    model.allocation = PortAllocation::kRandom;
    return model;
  }
  model.allocation = PortAllocation::kBlock;
  InferBlock(low.external, high.external, static_cast<int>(samples.size()),
             &model);
  return model;
}

std::string ToString(const PortModel& model) {
  switch (model.allocation) {
    case PortAllocation::kUnknown:
      return "unknown ports";
    case PortAllocation::kPreserving:
      return "the inside port";
    case PortAllocation::kSequential:
      return "ports in steps of " + std::to_string(model.step) + " from " +
             std::to_string(model.last);
    case PortAllocation::kBlock:
      return "ports within " + std::to_string(model.low) + "-" +
             std::to_string(model.high);
    case PortAllocation::kRandom:
      return "random ports";
  }
  return "?";
}

}  // namespace p2pcp::ice

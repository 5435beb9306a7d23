#include "cmd/progress.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "cmd/text.h"
#include "net/base/check.h"

namespace p2pcp::cmd {
namespace {

constexpr double kFastHalfLife = 1.0;   // Seconds.
constexpr double kSlowHalfLife = 10.0;  // Seconds.
constexpr std::size_t kBarColumns = 20;
// A name shorter than this says nothing; rather drop something else.
constexpr std::size_t kMinNameColumns = 8;

// Exponential smoothing over uneven steps. While less than the half-life has
// been seen, the plain mean is the better estimate, so the weight of the new
// sample is at least its share of the time seen.
double Smooth(double old, double sample, double dt, double seen,
              double half_life) {
  const double weight =
      std::max(1.0 - std::exp2(-dt / half_life), dt / std::max(seen, dt));
  return old + weight * (sample - old);
}

std::string Bar(double fraction) {
  const auto filled = static_cast<std::size_t>(
      std::lround(fraction * static_cast<double>(kBarColumns)));
  std::string bar;
  for (std::size_t i = 0; i < kBarColumns; ++i) {
    bar += i < filled ? "\u2588" : "\u2591";
  }
  return bar;
}

}  // namespace

void RateMeter::Update(TimePoint now, std::uint64_t bytes_done) {
  if (!last_) {
    first_ = now;
  } else {
    const double dt = std::chrono::duration<double>(now - *last_).count();
    if (dt <= 0) return;
    const double seen = std::chrono::duration<double>(now - first_).count();
    const double sample =
        bytes_done >= last_bytes_
            ? static_cast<double>(bytes_done - last_bytes_) / dt
            : 0;
    fast_ = Smooth(fast_, sample, dt, seen, kFastHalfLife);
    slow_ = Smooth(slow_, sample, dt, seen, kSlowHalfLife);
  }
  last_ = now;
  last_bytes_ = bytes_done;
}

std::optional<Duration> RateMeter::Eta(std::uint64_t bytes_left) const {
  const double seconds = static_cast<double>(bytes_left) / slow_;
  // A hundred days is as good as never.
  if (!(slow_ > 0) || seconds > 100.0 * 86400) return std::nullopt;
  return std::chrono::round<Duration>(std::chrono::duration<double>(seconds));
}

std::string RenderProgress(const ProgressView& view, std::size_t columns) {
  P2PCP_CHECK(columns >= 1);
  const double fraction =
      view.bytes_total == 0
          ? 1.0
          : std::min(1.0, static_cast<double>(view.bytes_done) /
                              static_cast<double>(view.bytes_total));
  // Rounded down: 100 % is said only when it is all there.
  const std::string percent =
      fmt::format("{:3d} %", static_cast<int>(fraction * 100));

  // In the order of the line; the least important part is left out first.
  struct Part {
    std::string text;
    int importance;
  };
  std::vector<Part> parts;
  parts.push_back({Bar(fraction), 3});
  parts.push_back({percent, 9});
  parts.push_back(
      {FormatSize(view.bytes_done) + " of " + FormatSize(view.bytes_total), 5});
  if (view.files_total > 1) {
    parts.push_back(
        {fmt::format("{}/{} files", view.files_done, view.files_total), 4});
  }
  parts.push_back({FormatRate(view.rate), 7});
  if (view.eta) parts.push_back({"ETA " + FormatDuration(*view.eta), 6});
  if (!view.path.empty()) parts.push_back({view.path, 2});
  if (view.rtt) parts.push_back({"rtt " + FormatLatency(*view.rtt), 1});

  const auto width = [&] {
    std::size_t sum = 0;
    for (const Part& part : parts) sum += 2 + DisplayWidth(part.text);
    return sum;
  };
  const std::size_t name_columns =
      std::min(DisplayWidth(view.name), kMinNameColumns);
  while (parts.size() > 1 && name_columns + width() > columns) {
    parts.erase(std::min_element(parts.begin(), parts.end(),
                                 [](const Part& a, const Part& b) {
                                   return a.importance < b.importance;
                                 }));
  }
  std::string rest;
  for (const Part& part : parts) rest += "  " + part.text;
  const std::size_t rest_columns = DisplayWidth(rest);
  if (rest_columns >= columns) {
    return Ellipsize(std::string_view(rest).substr(2), columns);
  }
  return Ellipsize(view.name, columns - rest_columns) + rest;
}

}  // namespace p2pcp::cmd

#include "cmd/progress.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <utility>
#include <vector>

#include "cmd/text.h"
#include "net/base/check.h"

namespace p2pcp::cmd {
namespace {

constexpr double kFastHalfLife = 1.0;   // Seconds.
constexpr double kSlowHalfLife = 10.0;  // Seconds.
constexpr std::size_t kBarColumns = 20;
// A name shorter than this says nothing; rather drop something else.
constexpr std::size_t kMinNameColumns = 8;
constexpr std::size_t kMinTextColumns = 16;
constexpr std::string_view kGap = "  ";

double Seconds(Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

// Exponential smoothing over uneven steps. While less than the half-life has
// been seen, the plain mean is the better estimate, so the weight of the new
// sample is at least its share of the time seen.
double Smooth(double old, double sample, double dt, double seen,
              double half_life) {
  const double weight =
      std::max(1.0 - std::exp2(-dt / half_life), dt / std::max(seen, dt));
  return old + weight * (sample - old);
}

double Fraction(std::uint64_t done, std::uint64_t total) {
  if (total == 0) return 1.0;
  return std::min(1.0, static_cast<double>(done) / static_cast<double>(total));
}

// Rounded down: 100 % is said only when it is all there.
int Percent(std::uint64_t done, std::uint64_t total) {
  return static_cast<int>(Fraction(done, total) * 100);
}

std::string Blocks(std::size_t count, const char* block) {
  std::string blocks;
  for (std::size_t i = 0; i < count; ++i) blocks += block;
  return blocks;
}

// In the order of the line; the least important part is left out first.
struct Part {
  StyledLine text;
  int importance;
};

std::size_t Width(const Part& part) {
  return kGap.size() + DisplayWidth(PlainText(part.text));
}

Part Bar(const ProgressView& view) {
  const auto filled = static_cast<std::size_t>(
      std::lround(Fraction(view.bytes_done, view.bytes_total) * kBarColumns));
  return {{{Blocks(filled, "\u2588"),
            view.stalled ? Style::kWarning : Style::kGood},
           {Blocks(kBarColumns - filled, "\u2591")}},
          3};
}

std::string Totals(const ProgressView& view) {
  return fmt::format("{} of {}{}", FormatSize(view.bytes_done),
                     view.complete ? "" : "at least ",
                     FormatSize(view.bytes_total));
}

// Nothing is known yet of what there is to be moved.
bool IsBlank(const ProgressView& view) {
  return view.phase && view.bytes_total == 0;
}

std::vector<Part> PartsOf(const ProgressView& view) {
  std::vector<Part> parts;
  const auto add = [&](std::string text, int importance,
                       Style style = Style::kPlain) {
    parts.push_back({{{std::move(text), style}}, importance});
  };
  if (view.files_total > 1 && !view.phase && view.file_bytes_total > 0) {
    add(fmt::format("{} % of {}",
                    Percent(view.file_bytes_done, view.file_bytes_total),
                    FormatSize(view.file_bytes_total)),
        6);
  }
  if (!IsBlank(view)) {
    parts.push_back(Bar(view));
    add(fmt::format("{:3d} %", Percent(view.bytes_done, view.bytes_total)), 10);
    add(Totals(view), 5);
  }
  if (view.files_total > 1) {
    add(fmt::format("{}/{} files", view.files_done, view.files_total), 4);
  }
  if (view.stalled) {
    add(fmt::format("stalled for {}, punching again",
                    FormatDuration(*view.stalled)),
        9, Style::kWarning);
  } else if (!IsBlank(view)) {
    add(FormatRate(view.rate), 8);
    if (view.eta) add("ETA " + FormatRemaining(*view.eta), 7);
  }
  if (!view.path.empty()) add(view.path, 2);
  if (view.rtt) add("rtt " + FormatLatency(*view.rtt), 1);
  return parts;
}

}  // namespace

void RateMeter::Update(TimePoint now, std::uint64_t bytes_done) {
  if (last_) {
    if (now <= *last_) return;
    const double dt = Seconds(now - *last_);
    seen_ += now - *last_;
    const double sample =
        bytes_done >= last_bytes_
            ? static_cast<double>(bytes_done - last_bytes_) / dt
            : 0;
    fast_ = Smooth(fast_, sample, dt, Seconds(seen_), kFastHalfLife);
    slow_ = Smooth(slow_, sample, dt, Seconds(seen_), kSlowHalfLife);
  }
  last_ = now;
  last_bytes_ = bytes_done;
}

void RateMeter::Pause(TimePoint now, std::uint64_t bytes_done) {
  last_ = now;
  last_bytes_ = bytes_done;
}

std::optional<Duration> RateMeter::Eta(std::uint64_t bytes_left) const {
  if (seen_ < kEtaAfter) return std::nullopt;
  const double seconds = static_cast<double>(bytes_left) / slow_;
  // A hundred days is as good as never.
  if (!(slow_ > 0) || seconds > 100.0 * 86400) return std::nullopt;
  return std::chrono::round<Duration>(std::chrono::duration<double>(seconds));
}

StyledLine RenderProgress(const ProgressView& view, std::size_t columns) {
  P2PCP_CHECK(columns >= 1);
  std::vector<Part> parts = PartsOf(view);
  const auto width = [&] {
    std::size_t sum = 0;
    for (const Part& part : parts) sum += Width(part);
    return sum;
  };
  // One that only marks its neighbour takes a column all the same.
  const std::size_t name_columns =
      view.name.empty()
          ? 0
          : std::clamp<std::size_t>(DisplayWidth(view.name), 1,
                                    IsBlank(view) ? columns : kMinNameColumns);
  const std::size_t least = IsBlank(view) ? 0 : 1;
  while (parts.size() > least && name_columns + width() > columns) {
    parts.erase(std::min_element(parts.begin(), parts.end(),
                                 [](const Part& a, const Part& b) {
                                   return a.importance < b.importance;
                                 }));
  }
  if (parts.empty()) return {{CutOff(view.name, columns)}};
  if (width() >= columns && parts.size() == 1) {
    // No room for a name.
    const StyledPiece& last = parts.front().text.front();
    return {{Ellipsize(last.text, columns), last.style}};
  }
  StyledLine line;
  if (!view.name.empty()) {
    line.push_back({Ellipsize(view.name, columns - width())});
  }
  for (Part& part : parts) {
    if (!line.empty()) line.push_back({std::string(kGap)});
    std::move(part.text.begin(), part.text.end(), std::back_inserter(line));
  }
  return line;
}

std::string RenderState(const ProgressView& view, const std::string& verb,
                        Duration since) {
  std::string text = fmt::format("{} for {}", verb, FormatDuration(since));
  if (!IsBlank(view)) {
    text +=
        fmt::format(": {} % ({})", Percent(view.bytes_done, view.bytes_total),
                    Totals(view));
  }
  if (view.files_total > 1) {
    text += fmt::format(", {} of {} files", view.files_done, view.files_total);
  }
  if (!view.name.empty()) {
    text += "\n  now: " + view.name;
    if (!view.phase && view.file_bytes_total > 0) {
      text += fmt::format(", {} of {}", FormatSize(view.file_bytes_done),
                          FormatSize(view.file_bytes_total));
    }
  }
  if (view.stalled) {
    text += fmt::format("\n  stalled for {}, punching again",
                        FormatDuration(*view.stalled));
  } else if (!IsBlank(view)) {
    text += fmt::format("\n  {} now, {} of late", FormatRate(view.rate),
                        FormatRate(view.slow_rate));
    if (view.eta) text += ", ETA " + FormatRemaining(*view.eta);
  }
  if (!view.path.empty()) {
    text += "\n  " + view.path;
    if (view.rtt) text += ", rtt " + FormatLatency(*view.rtt);
  }
  return text;
}

StyledLine RenderWaiting(const std::string& text, Duration since,
                         std::optional<Duration> left, std::size_t columns) {
  P2PCP_CHECK(columns >= 1);
  std::string times = std::string(kGap) + FormatDuration(since);
  if (left) times += fmt::format(", {} left", FormatDuration(*left));
  const std::size_t width = DisplayWidth(times);
  // Its first words tell what it is.
  if (std::min(DisplayWidth(text), kMinTextColumns) + width > columns) {
    return {{CutOff(text, columns)}};
  }
  return {{CutOff(text, columns - width)}, {times}};
}

}  // namespace p2pcp::cmd

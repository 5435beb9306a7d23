#include "tests/lab/link_emulator/options.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <span>
#include <utility>

namespace p2pcp::lab {
namespace {

struct Unit {
  std::string_view name;
  double factor;
};

constexpr std::array kRateUnits = {Unit{"bit", 1}, Unit{"kbit", 1e3},
                                   Unit{"mbit", 1e6}, Unit{"gbit", 1e9}};
constexpr std::array kSizeUnits = {Unit{"", 1}, Unit{"k", 1024},
                                   Unit{"M", 1024 * 1024}};
constexpr std::array kTimeUnits = {Unit{"us", 1e3}, Unit{"ms", 1e6},
                                   Unit{"s", 1e9}};
constexpr std::array kChanceUnits = {Unit{"%", 0.01}};
constexpr std::array kPerSecondUnits = {Unit{"/s", 1}};

// Far above any use, so that nothing computed from it overflows.
constexpr double kMaxRate = 1e12;
constexpr double kMaxSize = 1e9;
constexpr double kMaxTime = 60e9;
constexpr double kMaxPerSecond = 1e6;

// A number with one of the units, at most limit after scaling. "0" needs no
// unit.
std::optional<double> ParseNumber(std::string_view text,
                                  std::span<const Unit> units, double limit) {
  double number = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || !std::isfinite(number) || number < 0) {
    return std::nullopt;
  }
  const std::string_view unit =
      text.substr(static_cast<std::size_t>(end - text.data()));
  if (number == 0 && unit.empty()) return 0;
  for (const Unit& known : units) {
    if (known.name != unit) continue;
    const double value = number * known.factor;
    if (value > limit) return std::nullopt;
    return value;
  }
  return std::nullopt;
}

struct ChanceOption {
  std::string_view name;
  double Options::*member;
};
constexpr std::array kChances = {
    ChanceOption{"loss", &Options::loss},
    ChanceOption{"burst_enter", &Options::burst_enter},
    ChanceOption{"burst_leave", &Options::burst_leave},
    ChanceOption{"burst_loss", &Options::burst_loss},
    ChanceOption{"reorder", &Options::reorder},
    ChanceOption{"duplicate", &Options::duplicate},
    ChanceOption{"flip", &Options::flip},
    ChanceOption{"truncate", &Options::truncate},
    ChanceOption{"replay", &Options::replay},
    ChanceOption{"reflect", &Options::reflect},
};
constexpr std::array kPerSecond = {
    ChanceOption{"strangers", &Options::strangers},
    ChanceOption{"forged", &Options::forged},
};
struct TimeOption {
  std::string_view name;
  Duration Options::*member;
};
constexpr std::array kTimes = {
    TimeOption{"delay", &Options::delay},
    TimeOption{"jitter", &Options::jitter},
    TimeOption{"reorder_delay", &Options::reorder_delay},
};

struct RateOption {
  std::string_view name;
  std::uint64_t Options::*member;
};
constexpr std::array kRates = {
    RateOption{"rate", &Options::rate},
    RateOption{"policer", &Options::policer},
};
struct SizeOption {
  std::string_view name;
  std::size_t Options::*member;
};
constexpr std::array kSizes = {
    SizeOption{"queue", &Options::queue},
    SizeOption{"policer_burst", &Options::policer_burst},
};

// False: no such option, or no such value.
bool SetOption(std::string_view name, std::string_view value,
               Options& options) {
  for (const ChanceOption& option : kChances) {
    if (option.name != name) continue;
    const auto number = ParseNumber(value, kChanceUnits, 1);
    if (number) options.*option.member = *number;
    return number.has_value();
  }
  for (const ChanceOption& option : kPerSecond) {
    if (option.name != name) continue;
    const auto number = ParseNumber(value, kPerSecondUnits, kMaxPerSecond);
    if (number) options.*option.member = *number;
    return number.has_value();
  }
  for (const TimeOption& option : kTimes) {
    if (option.name != name) continue;
    const auto number = ParseNumber(value, kTimeUnits, kMaxTime);
    if (number) {
      options.*option.member = Duration(std::llround(*number));
    }
    return number.has_value();
  }
  for (const RateOption& option : kRates) {
    if (option.name != name) continue;
    const auto number = ParseNumber(value, kRateUnits, kMaxRate);
    if (number) options.*option.member = static_cast<std::uint64_t>(*number);
    return number.has_value();
  }
  for (const SizeOption& option : kSizes) {
    if (option.name != name) continue;
    const auto number = ParseNumber(value, kSizeUnits, kMaxSize);
    if (number) options.*option.member = static_cast<std::size_t>(*number);
    return number.has_value();
  }
  return false;
}

}  // namespace

Result<Options> ParseOptions(std::string_view text, Options options) {
  while (true) {
    const std::size_t begin = text.find_first_not_of(" \t\n");
    if (begin == std::string_view::npos) return options;
    text.remove_prefix(begin);
    const std::size_t end = std::min(text.find_first_of(" \t\n"), text.size());
    const std::string_view word = text.substr(0, end);
    text.remove_prefix(end);
    if (word == "clear") {
      options = Options{};
      continue;
    }
    const std::size_t equals = word.find('=');
    if (equals == std::string_view::npos ||
        !SetOption(word.substr(0, equals), word.substr(equals + 1), options)) {
      return Error{ErrorCode::kUsage,
                   "bad option \"" + std::string(word) + "\""};
    }
  }
}

std::string DescribeOptions() {
  return "  rate=100mbit queue=256k delay=20ms jitter=2ms\n"
         "  policer=20mbit policer_burst=128k\n"
         "  loss=5% burst_enter=1% burst_leave=20% burst_loss=100%\n"
         "  reorder=1% reorder_delay=5ms duplicate=1%\n"
         "UDP only: flip=1% truncate=1% replay=1% reflect=1%\n"
         "  strangers=100/s forged=100/s\n"
         "  clear (everything back to nothing)\n";
}

}  // namespace p2pcp::lab

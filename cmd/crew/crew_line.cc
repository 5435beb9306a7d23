#include "cmd/crew/crew_line.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

namespace p2pcp::cmd {
namespace {

using Json = nlohmann::json;

// Events put their name first (events.cc), so that those of a million files
// need not be parsed.
constexpr std::string_view kProgress = R"({"event":"progress",)";
// Longer ones are no progress: a name of 4 KiB, each byte escaped, is shorter.
constexpr std::size_t kMaxLine = 64 << 10;

std::uint64_t Number(const Json& event, const char* key) {
  const auto field = event.find(key);
  return field != event.end() && field->is_number_unsigned()
             ? field->get<std::uint64_t>()
             : 0;
}

// Not less than 0; nullopt: it is not there, null or out of any use.
std::optional<double> Real(const Json& event, const char* key) {
  constexpr double kMost = 1e15;
  const auto field = event.find(key);
  if (field == event.end() || !field->is_number()) return std::nullopt;
  const double value = field->get<double>();
  if (!(value >= 0 && value <= kMost)) return std::nullopt;
  return value;
}

// Sums of what others claim.
void AddTo(std::uint64_t& sum, std::uint64_t value) {
  if (__builtin_add_overflow(sum, value, &sum)) sum = UINT64_MAX;
}

}  // namespace

void CrewLine::HandleBegan(TimePoint now, unsigned number, std::string peer) {
  transfers_[number].peer = std::move(peer);
  since_ = now;
}

void CrewLine::HandleEnded(TimePoint now, unsigned number) {
  transfers_.erase(number);
  since_ = now;
}

void CrewLine::HandleOutput(unsigned number, std::string_view line) {
  const auto transfer = transfers_.find(number);
  if (transfer == transfers_.end() || !line.starts_with(kProgress) ||
      line.size() > kMaxLine) {
    return;
  }
  const Json event = Json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!event.is_object()) return;
  ProgressView& view = transfer->second.view;
  view.bytes_done = Number(event, "bytes");
  view.bytes_total = Number(event, "bytes_total");
  view.files_done = Number(event, "files");
  view.files_total = Number(event, "files_total");
  view.complete = event.value("complete", Json()) == true;
  view.rate = Real(event, "bytes_per_second").value_or(0);
  view.eta.reset();
  // As RateMeter: more than a hundred days is as good as never.
  if (const auto eta = Real(event, "eta_seconds"); eta && *eta < 100 * 86400) {
    view.eta =
        std::chrono::round<Duration>(std::chrono::duration<double>(*eta));
  }
}

StyledLine CrewLine::Render(TimePoint now, std::size_t columns) const {
  // As a phase: its bytes are of no one file.
  ProgressView all;
  all.phase = true;
  for (const auto& [number, transfer] : transfers_) {
    all.name += (all.name.empty() ? "" : ", ") + transfer.peer;
    const ProgressView& view = transfer.view;
    AddTo(all.bytes_done, view.bytes_done);
    AddTo(all.bytes_total, view.bytes_total);
    AddTo(all.files_done, view.files_done);
    AddTo(all.files_total, view.files_total);
    all.complete = all.complete && view.complete;
    all.rate += view.rate;
    // The last one is the end of all.
    if (view.eta) all.eta = std::max(all.eta.value_or(*view.eta), *view.eta);
  }
  if (all.bytes_total > 0) return RenderProgress(all, columns);
  return RenderWaiting(
      transfers_.empty() ? idle_ : fmt::format("{}: connecting", all.name),
      now - since_, std::nullopt, columns);
}

}  // namespace p2pcp::cmd

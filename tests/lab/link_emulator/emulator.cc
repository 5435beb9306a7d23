#include "tests/lab/link_emulator/emulator.h"

#include <algorithm>
#include <utility>

#include "tests/lab/link_emulator/options.h"

namespace p2pcp::lab {
namespace {

void Append(std::string& text, std::string_view name, std::uint64_t value) {
  if (text.back() != '{') text += ", ";
  text += '"';
  text += name;
  text += "\": ";
  text += std::to_string(value);
}

std::string DirectionStats(const LinkStats& link, const MiddleboxStats& box) {
  std::string text = "{";
  Append(text, "received", link.received);
  Append(text, "delivered", link.delivered);
  Append(text, "bytes", link.bytes);
  Append(text, "lost", link.lost);
  Append(text, "queue_drops", link.queue_drops);
  Append(text, "policed", link.policed);
  Append(text, "reordered", link.reordered);
  Append(text, "duplicated", link.duplicated);
  Append(text, "flipped", box.flipped);
  Append(text, "truncated", box.truncated);
  Append(text, "replayed", box.replayed);
  Append(text, "reflected", box.reflected);
  Append(text, "invented", box.invented);
  return text + "}";
}

}  // namespace

Emulator::Emulator(std::uint64_t seed, std::size_t mtu)
    : random_(seed),
      pool_(mtu),
      directions_{Direction(random_, pool_), Direction(random_, pool_)} {}

std::string Emulator::HandleCommand(std::string_view command) {
  if (command == "stats") return Stats();
  const std::size_t blank = std::min(command.find(' '), command.size());
  const std::string_view which = command.substr(0, blank);
  const std::string_view words = command.substr(blank);
  if (which != "ab" && which != "ba" && which != "both") {
    return "error: a command is \"stats\" or \"ab|ba|both OPTION...\"";
  }
  for (End end = 0; end < 2; ++end) {
    if (which == (end == 0 ? "ba" : "ab")) continue;
    Options& options = directions_[end].link.options();
    Result<Options> changed = ParseOptions(words, options);
    if (!changed) return "error: " + changed.error().message;
    options = *changed;
  }
  return "ok";
}

std::string Emulator::Stats() const {
  return "{\"ab\": " +
         DirectionStats(directions_[0].link.stats(),
                        directions_[0].middlebox.stats()) +
         ", \"ba\": " +
         DirectionStats(directions_[1].link.stats(),
                        directions_[1].middlebox.stats()) +
         "}";
}

void Emulator::Spread(TimePoint now, End from) {
  for (PacketPtr& packet : outcome_.forward) {
    directions_[from].link.Send(now, std::move(packet));
  }
  for (PacketPtr& packet : outcome_.back) {
    directions_[1 - from].link.Send(now, std::move(packet));
  }
  outcome_.forward.clear();
  outcome_.back.clear();
}

void Emulator::HandlePacket(TimePoint now, End end, PacketPtr packet) {
  Direction& direction = directions_[end];
  direction.middlebox.Handle(direction.link.options(), std::move(packet),
                             outcome_);
  Spread(now, end);
}

void Emulator::HandleTimeout(TimePoint now) {
  for (End end = 0; end < 2; ++end) {
    Direction& direction = directions_[end];
    direction.middlebox.HandleTimeout(now, direction.link.options(), outcome_);
    Spread(now, end);
  }
}

std::optional<TimePoint> Emulator::PollTimeout() const {
  std::optional<TimePoint> next;
  for (const Direction& direction : directions_) {
    for (const std::optional<TimePoint> time :
         {direction.link.PollTimeout(),
          direction.middlebox.PollTimeout(direction.link.options())}) {
      if (time && (!next || *time < *next)) next = time;
    }
  }
  return next;
}

PacketPtr Emulator::PollDelivery(TimePoint now, End end) {
  return directions_[1 - end].link.PollDelivery(now);
}

}  // namespace p2pcp::lab

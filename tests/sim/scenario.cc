#include "tests/sim/scenario.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <numeric>

#include "net/base/random.h"

namespace p2pcp::sim {
namespace {

constexpr std::uint64_t kMebi = 1 << 20;
// Bytes of file in a packet of the smallest path, as the limits count.
constexpr double kPacketBytes = 1100;
// RFC 9002 section 7.2: the smallest congestion window, in packets.
constexpr double kMinimumWindow = 2;
// How much longer than the estimate below a transfer may take.
constexpr double kPatience = 2;

// Bytes sent for each that the losses call for, and some for control messages.
constexpr double kMaxAmplification = 2;
constexpr double kSpareBytes = 1 << 20;

double Seconds(Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

double Combine(std::initializer_list<double> losses) {
  double kept = 1;
  for (double loss : losses) kept *= 1 - loss;
  return 1 - kept;
}

double LossOf(const LinkOptions& link) {
  const double bad = link.bursts.enter > 0
                         ? link.bursts.loss * link.bursts.enter /
                               (link.bursts.enter + link.bursts.leave)
                         : 0;
  return Combine({link.loss, bad, link.flip, link.truncate});
}

class Drawer {
 public:
  explicit Drawer(std::uint64_t seed) : random_(seed) {}

  bool OneIn(std::uint64_t n) { return random_.Below(n) == 0; }
  template <typename T, std::size_t N>
  T Pick(const T (&choices)[N]) {
    return choices[random_.Below(N)];
  }
  std::uint64_t Between(std::uint64_t low, std::uint64_t high) {
    return low + random_.Below(high - low + 1);
  }
  Duration Between(Duration low, Duration high) {
    return low + Duration(static_cast<std::int64_t>(random_.Below(
                     static_cast<std::uint64_t>((high - low).count()) + 1)));
  }

 private:
  SeededRandom random_;
};

void DrawFaults(Drawer& draw, Duration round_trip, LinkOptions& link) {
  link.loss = draw.Pick({0.0, 0.01, 0.05, 0.2});
  if (draw.OneIn(4)) {
    // Bursts of 10 packets on average that take 1 % of all.
    link.bursts = {.enter = 0.001, .leave = 0.1};
  }
  if (draw.OneIn(3)) {
    link.reorder = draw.Pick({0.001, 0.01, 0.1});
    link.reorder_delay =
        std::max<Duration>(round_trip / draw.Pick({2, 4, 8, 16}), 100us);
  }
  if (draw.OneIn(3)) {
    link.duplicate = draw.Pick({0.01, 0.1, 0.5});
    link.duplicate_delay = draw.Between(0ms, 100ms);
  }
  if (draw.OneIn(3)) link.flip = draw.Pick({0.001, 0.01, 0.05});
  if (draw.OneIn(6)) link.truncate = 0.01;
  if (draw.OneIn(3)) link.jitter = draw.Between(0ms, round_trip / 4);
}

void DrawHappenings(Drawer& draw, Scenario& scenario) {
  using Kind = Happening::Kind;
  const auto when = [&] {
    return static_cast<double>(draw.Between(0, 95)) / 100;
  };
  if (draw.OneIn(5)) {
    // Less than the 45 s after which a silent path counts as lost.
    scenario.happenings.push_back(
        {draw.OneIn(2) ? Kind::kOutage : Kind::kOneWayOutage, when(),
         draw.Between(100ms, scenario.homes ? 4s : 31s)});
  }
  if (draw.OneIn(8)) {
    scenario.happenings.push_back({Kind::kStorm, when(), 1s});
  }
  if (draw.OneIn(8)) {
    scenario.happenings.push_back({Kind::kSmallerMtu, when(), {}});
  }
  if (scenario.homes) {
    // Always the same side: if both moved at once, neither could know where
    // the other is.
    const bool sender = draw.OneIn(2);
    const std::uint64_t count = draw.Between(0, 3);
    for (std::uint64_t i = 0; i < count; ++i) {
      const Kind kind = !sender         ? Kind::kRebindReceiver
                        : draw.OneIn(2) ? Kind::kRebindSender
                                        : Kind::kRenumberSender;
      scenario.happenings.push_back({kind, when(), {}});
    }
  }
}

std::string DescribeLink(const LinkOptions& link) {
  char text[256];
  std::snprintf(
      text, sizeof(text),
      "%.1f MB/s queue %zu KiB delay %.1f ms jitter %.1f ms loss %g bursts %g "
      "reorder %g by %.1f ms duplicate %g flip %g truncate %g",
      static_cast<double>(link.rate) / 1e6, link.queue_bytes / 1024,
      Seconds(link.delay) * 1e3, Seconds(link.jitter) * 1e3, link.loss,
      link.bursts.enter, link.reorder, Seconds(link.reorder_delay) * 1e3,
      link.duplicate, link.flip, link.truncate);
  return text;
}

std::string_view NameOf(Happening::Kind kind) {
  switch (kind) {
    case Happening::Kind::kOutage:
      return "outage";
    case Happening::Kind::kOneWayOutage:
      return "one-way outage";
    case Happening::Kind::kRebindSender:
      return "sender rebound";
    case Happening::Kind::kRebindReceiver:
      return "receiver rebound";
    case Happening::Kind::kRenumberSender:
      return "sender renumbered";
    case Happening::Kind::kStorm:
      return "storm";
    case Happening::Kind::kSmallerMtu:
      return "MTU falls";
    case Happening::Kind::kKillSender:
      return "sender killed";
    case Happening::Kind::kKillReceiver:
      return "receiver killed";
    case Happening::Kind::kCancelSender:
      return "sender cancels";
    case Happening::Kind::kCancelReceiver:
      return "receiver cancels";
  }
  return "";
}

}  // namespace

std::uint64_t Scenario::TotalBytes() const {
  return std::accumulate(file_sizes.begin(), file_sizes.end(),
                         std::uint64_t{0});
}

double Scenario::LossToReceiver() const {
  return Combine({LossOf(to_receiver), attacker.flip, attacker.truncate});
}

double Scenario::MostBytesSent() const {
  const double total = static_cast<double>(TotalBytes());
  double bytes =
      kSpareBytes + kMaxAmplification * total / (1 - LossToReceiver());
  // What was in flight when something happened may have to be sent again.
  const double in_flight =
      static_cast<double>(to_receiver.rate) * Seconds(RoundTrip()) +
      static_cast<double>(to_receiver.queue_bytes);
  for (std::size_t i = 0; i < happenings.size(); ++i) {
    bytes += std::min(total, in_flight);
  }
  return bytes;
}

Duration Scenario::TimeLimit() const {
  // Mathis et al. (1997): a loss-based controller keeps about sqrt(3/2)/sqrt(p)
  // packets a round trip. Queues, jitter, reordering and lost ACKs are what
  // kPatience is for.
  const double loss = LossToReceiver();
  const double round_trip =
      Seconds(RoundTrip() + to_receiver.jitter + to_sender.jitter) + 0.02;
  const double bytes = static_cast<double>(TotalBytes()) * (1 + 2 * loss);
  double seconds = bytes / static_cast<double>(to_receiver.rate);
  if (loss > 0) {
    const double window = std::max(kMinimumWindow, std::sqrt(1.5 / loss));
    seconds += bytes / (window * kPacketBytes) * round_trip;
  }
  double limit = 30 + kPatience * seconds + 50 * round_trip;
  for (const Happening& happening : happenings) {
    limit += 15 + 2 * Seconds(happening.duration);
  }
  return std::chrono::duration_cast<Duration>(
      std::chrono::duration<double>(limit));
}

std::string Scenario::Describe() const {
  std::string text = std::to_string(file_sizes.size()) + " files, " +
                     std::to_string(TotalBytes()) + " bytes";
  text += homes ? ", homes" : ", wire";
  text += suite == crypto::Suite::kAes256Gcm ? ", AES" : ", ChaCha20";
  text += ", disk " + std::to_string(disk.latency / 1us) + " us";
  text += "; to receiver: " + DescribeLink(to_receiver);
  text += "; to sender: " + DescribeLink(to_sender);
  char attack[160];
  std::snprintf(attack, sizeof(attack),
                "; attacker: flip %g truncate %g replay %g x%d reflect %g "
                "invent %g",
                attacker.flip, attacker.truncate, attacker.replay,
                attacker.copies, attacker.reflect, attacker.invent);
  text += attack;
  for (const Happening& happening : happenings) {
    text += "; ";
    text += NameOf(happening.kind);
    text += " at " + std::to_string(std::lround(happening.when * 100)) + " %";
    if (happening.duration > Duration::zero()) {
      text += " for " + std::to_string(happening.duration / 1ms) + " ms";
    }
  }
  return text;
}

Scenario DrawScenario(std::uint64_t seed) {
  Drawer draw(seed);
  Scenario scenario;
  scenario.seed = seed;
  scenario.suite =
      draw.Pick({crypto::Suite::kAes256Gcm, crypto::Suite::kChaCha20Poly1305});
  scenario.file_sizes = {draw.Between(4 * kMebi, 5 * kMebi)};
  if (draw.OneIn(4)) {
    const std::uint64_t count = draw.Between(1, 40);
    for (std::uint64_t i = 0; i < count; ++i) {
      scenario.file_sizes.push_back(
          draw.Between(0, draw.Pick({0, 1, 1000, 50'000})));
    }
  }

  const Duration round_trip = draw.Pick<Duration>({1ms, 50ms, 300ms});
  for (LinkOptions* link : {&scenario.to_receiver, &scenario.to_sender}) {
    link->delay = round_trip / 2;
    link->rate = draw.Pick({1'250'000u, 12'500'000u, 125'000'000u});
    // From a third of the bandwidth-delay product to four times of it.
    const double bdp = static_cast<double>(link->rate) * Seconds(round_trip);
    link->queue_bytes = std::max<std::size_t>(
        64 * 1024, static_cast<std::size_t>(bdp * draw.Pick({0.33, 1.0, 4.0})));
    link->queue_bytes = std::min<std::size_t>(link->queue_bytes, 16 * kMebi);
    if (!draw.OneIn(4)) DrawFaults(draw, round_trip, *link);
  }
  // Often both ways are alike.
  if (draw.OneIn(2)) scenario.to_sender = scenario.to_receiver;

  if (draw.OneIn(4)) {
    AttackerOptions& attacker = scenario.attacker;
    if (draw.OneIn(2)) attacker.flip = draw.Pick({0.01, 0.05});
    if (draw.OneIn(2)) attacker.truncate = draw.Pick({0.01, 0.05});
    if (draw.OneIn(2)) attacker.replay = draw.Pick({0.01, 0.05});
    if (draw.OneIn(2)) attacker.reflect = draw.Pick({0.01, 0.05});
    if (draw.OneIn(2)) attacker.invent = draw.Pick({0.01, 0.05});
    if (draw.OneIn(4)) attacker.copies = 20;
  }
  scenario.homes = draw.OneIn(3);
  if (draw.OneIn(2)) scenario.disk.latency = draw.Pick<Duration>({1ms, 20ms});
  DrawHappenings(draw, scenario);
  return scenario;
}

}  // namespace p2pcp::sim

#include "net/ice/tactic.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace p2pcp::ice {
namespace {

Nat Make(Dependence mapping, PortModel ports) {
  Nat nat;
  nat.mapping = mapping;
  nat.ports = ports;
  nat.external = {*IpAddress::Parse("203.0.113.1")};
  return nat;
}

constexpr Dependence kHard = Dependence::kAddressAndPortDependent;

const std::vector<std::pair<std::string, Nat>>& Nats() {
  static const auto* const nats = new std::vector<std::pair<std::string, Nat>>{
      {"unknown", Make(Dependence::kUnknown, {})},
      {"independent", Make(Dependence::kEndpointIndependent, {})},
      {"preserving", Make(kHard, {.allocation = PortAllocation::kPreserving})},
      {"sequential", Make(kHard, {.allocation = PortAllocation::kSequential,
                                  .last = 20000,
                                  .step = 1})},
      {"block 512", Make(kHard, {.allocation = PortAllocation::kBlock,
                                 .low = 30720,
                                 .high = 31231})},
      {"block 8192", Make(kHard, {.allocation = PortAllocation::kBlock,
                                  .low = 8192,
                                  .high = 16383})},
      {"random", Make(kHard, {.allocation = PortAllocation::kRandom})},
      {"not sampled", Make(kHard, {})}};
  return *nats;
}

std::string Describe(const Tactic& tactic) {
  std::string text(ToString(tactic.kind));
  if (tactic.sockets > 0) text += " " + std::to_string(tactic.sockets);
  if (tactic.read_ours) text += " read";
  if (tactic.read_theirs) text += " wait";
  return text;
}

TEST(ChooseTactic, TheWholeTable) {
  std::string table;
  for (const auto& [ours, a] : Nats()) {
    table += ours + ":";
    for (const auto& [theirs, b] : Nats()) {
      table += " " + Describe(ChooseTactic(a, b)) + ";";
    }
    table += "\n";
  }
  const std::string easy =
      " none; none; none; guess wait; guess; guess; guess; guess;\n";
  EXPECT_EQ(
      table,
      "unknown:" + easy + "independent:" + easy + "preserving:" + easy +
          "sequential: open 16 read; open 16 read; open 16 read; "
          "meet 25 read wait; lottery 80 read; none; none; none;\n"
          "block 512: open 128; open 128; open 128; lottery 256 wait; "
          "lottery 256; none; none; none;\n"
          "block 8192: open 256; open 256; open 256; none; none; none; none; "
          "none;\n"
          "random: open 256; open 256; open 256; none; none; none; none; "
          "none;\n"
          "not sampled: open 256; open 256; open 256; none; none; none; none; "
          "none;\n");
}

// Whatever the one does, the other does its half.
TEST(ChooseTactic, TheTwoHalvesFit) {
  for (const auto& [ours, a] : Nats()) {
    for (const auto& [theirs, b] : Nats()) {
      const TacticKind one = ChooseTactic(a, b).kind;
      const TacticKind other = ChooseTactic(b, a).kind;
      switch (one) {
        case TacticKind::kOpen:
          EXPECT_EQ(other, TacticKind::kGuess) << ours << ", " << theirs;
          break;
        case TacticKind::kGuess:
          EXPECT_EQ(other, TacticKind::kOpen) << ours << ", " << theirs;
          break;
        case TacticKind::kNone:
        case TacticKind::kMeet:
        case TacticKind::kLottery:
          EXPECT_EQ(other, one) << ours << ", " << theirs;
          break;
      }
    }
  }
}

TEST(ChooseTactic, NothingWithoutAnAddress) {
  Nat hard = Nats().back().second;
  const Nat easy = Nats()[1].second;
  hard.external.clear();
  EXPECT_EQ(ChooseTactic(easy, hard).kind, TacticKind::kNone);
  EXPECT_EQ(ChooseTactic(hard, easy).kind, TacticKind::kNone);
}

}  // namespace
}  // namespace p2pcp::ice

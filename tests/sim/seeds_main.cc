#include <gtest/gtest.h>

#include <charconv>
#include <cstdio>
#include <string_view>

#include "tests/sim/seeds.h"

namespace p2pcp::sim {
namespace {

SeedFlags flags;

// True if argument is "NAME=number".
bool Parse(std::string_view argument, std::string_view name,
           std::optional<std::uint64_t>& value) {
  if (!argument.starts_with(name)) return false;
  argument.remove_prefix(name.size());
  std::uint64_t number = 0;
  const char* const end = argument.data() + argument.size();
  const auto [stop, error] = std::from_chars(argument.data(), end, number);
  if (error != std::errc() || stop != end) return false;
  value = number;
  return true;
}

}  // namespace

const SeedFlags& Seeds() { return flags; }

std::vector<std::uint64_t> SeedsOfDeck(std::uint64_t deck, std::uint64_t decks,
                                       std::uint64_t own) {
  const std::uint64_t first = flags.seed.value_or(1);
  const std::uint64_t last = flags.seed.value_or(flags.seeds.value_or(own));
  std::vector<std::uint64_t> seeds;
  for (std::uint64_t seed = first; seed <= last; ++seed) {
    if (seed % decks == deck) seeds.push_back(seed);
  }
  return seeds;
}

}  // namespace p2pcp::sim

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  for (int i = 1; i < argc; ++i) {
    if (!p2pcp::sim::Parse(argv[i], "--seed=", p2pcp::sim::flags.seed) &&
        !p2pcp::sim::Parse(argv[i], "--seeds=", p2pcp::sim::flags.seeds)) {
      std::fprintf(stderr, "usage: %s [--seed=N | --seeds=N]\n", argv[0]);
      return 2;
    }
  }
  return RUN_ALL_TESTS();
}

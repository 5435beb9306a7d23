#include "net/connect/no_path.h"

#include <gtest/gtest.h>

#include <string>

namespace p2pcp::connect {
namespace {

ice::Nat Make(ice::Dependence mapping, ice::PortAllocation allocation) {
  ice::Nat nat;
  nat.mapping = mapping;
  nat.ports.allocation = allocation;
  nat.external = {*IpAddress::Parse("203.0.113.1")};
  return nat;
}

const ice::Nat kEasy =
    Make(ice::Dependence::kEndpointIndependent, ice::PortAllocation::kUnknown);
const ice::Nat kRandom = Make(ice::Dependence::kAddressAndPortDependent,
                              ice::PortAllocation::kRandom);

TEST(ExplainNoPath, NamesBothNatsWhatWasTriedAndWhatHelps) {
  EXPECT_EQ(
      ExplainNoPath({.ours = kEasy,
                     .theirs = kRandom,
                     .probes = 3020,
                     .tried = ice::TacticKind::kGuess,
                     .guesses = 3000,
                     .may_guess = true}),
      "no datagram gets through to the peer\n"
      "  our NAT: the same port for every destination (endpoint-independent)\n"
      "  the peer's NAT: another port for every destination (symmetric), "
      "random ports\n"
      "  tried: 3020 probes, 3000 of them to guessed ports of the peer's NAT\n"
      "  what helps: try again, for guessing needs luck; else, at the peer's, "
      "switch UPnP or PCP on in the router, use IPv6 on both sides, or another "
      "network (a phone's often differs)");
}

std::string Remedy(const ice::Nat& ours, const ice::Nat& theirs,
                   bool may_guess) {
  return ExplainNoPath(
      {.ours = ours, .theirs = theirs, .may_guess = may_guess});
}

TEST(ExplainNoPath, SaysForEachPairWhatWouldHelp) {
  EXPECT_NE(Remedy(kRandom, kRandom, true).find("on either side"),
            std::string::npos);
  EXPECT_NE(Remedy(kRandom, kEasy, false).find("--no-port-guess"),
            std::string::npos);
  EXPECT_NE(Remedy(kEasy, kEasy, true).find("a firewall"), std::string::npos);
  EXPECT_NE(Remedy({}, kEasy, true).find("UDP is probably blocked: "),
            std::string::npos);
  EXPECT_NE(Remedy(kEasy, {}, true).find("blocked there"), std::string::npos);
}

}  // namespace
}  // namespace p2pcp::connect

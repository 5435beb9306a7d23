#include "cmd/doctor/diagnosis.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <tuple>

namespace p2pcp::cmd {
namespace {

SocketAddress At(std::string_view text) { return *SocketAddress::Parse(text); }

StunFact Answer(std::string_view server, std::string_view mapped) {
  return {"stun.example", At(server), At(mapped), Duration(20ms)};
}

// A host at home, behind a NAT of that kind, with everything in order.
NetworkFacts Home(std::string_view first, std::string_view second) {
  NetworkFacts facts;
  facts.brokers = {{"mqtts://broker.example", Duration(50ms), ""}};
  facts.stun = {Answer("198.51.100.1:3478", first),
                Answer("198.51.100.9:3478", second)};
  facts.addresses = {*IpAddress::Parse("192.168.1.2")};
  ClassifyAnswers(facts);
  facts.has_router = true;
  facts.receive_buffer = facts.receive_buffer_wanted = 8 << 20;
  return facts;
}

Outlook For(const Diagnosis& diagnosis, std::string_view peer) {
  for (const Verdict& verdict : diagnosis.verdicts) {
    if (verdict.peer.find(peer) != std::string_view::npos) {
      return verdict.outlook;
    }
  }
  ADD_FAILURE() << "no verdict on a peer " << peer;
  return Outlook::kWillNot;
}

std::string MappingOf(const NetworkFacts& facts) {
  return nlohmann::json::parse(
      DiagnosisAsJson(facts, Diagnose(facts)))["nat"]["mapping"];
}

TEST(Diagnosis, TellsMappingsApart) {
  EXPECT_EQ(MappingOf(Home("203.0.113.7:4000", "203.0.113.7:4000")),
            "endpoint_independent");
  EXPECT_EQ(MappingOf(Home("203.0.113.7:4000", "203.0.113.7:4001")),
            "dependent");
  EXPECT_EQ(MappingOf(Home("192.168.1.2:4000", "192.168.1.2:4000")), "no_nat");
  NetworkFacts one = Home("203.0.113.7:4000", "203.0.113.7:4000");
  one.stun.pop_back();
  ClassifyAnswers(one);
  EXPECT_EQ(MappingOf(one), "unknown");
}

// Two names of one server, as stun and stun1 of some operators are.
TEST(Diagnosis, OneServerTellsNothingOfTheMapping) {
  NetworkFacts facts = Home("203.0.113.7:4000", "203.0.113.7:4000");
  facts.stun[1].address = facts.stun[0].address;
  ClassifyAnswers(facts);
  EXPECT_EQ(MappingOf(facts), "unknown");
}

TEST(Diagnosis, WhatTheNatLetsInDecidesWhoCanReachUs) {
  NetworkFacts facts = Home("203.0.113.7:4000", "203.0.113.7:4000");
  for (const auto& [filtering, outlook, word] :
       {std::tuple(ice::Dependence::kEndpointIndependent, Outlook::kWillPunch,
                   "from anywhere"),
        std::tuple(ice::Dependence::kAddressDependent, Outlook::kWillPunch,
                   "from hosts"),
        std::tuple(ice::Dependence::kAddressAndPortDependent,
                   Outlook::kNeedsGuessing, "only from where")}) {
    facts.nat.filtering = filtering;
    EXPECT_EQ(For(Diagnose(facts), "symmetric"), outlook) << word;
    EXPECT_TRUE(std::ranges::any_of(DescribeFacts(facts),
                                    [word = word](const std::string& line) {
                                      return line.starts_with("filter    ") &&
                                             line.find(word) !=
                                                 std::string::npos;
                                    }))
        << word;
  }
}

TEST(Diagnosis, AnOrdinaryHomeWorks) {
  const Diagnosis diagnosis =
      Diagnose(Home("203.0.113.7:4000", "203.0.113.7:4000"));
  EXPECT_EQ(diagnosis.code, ExitCode::kVerified);
  EXPECT_EQ(For(diagnosis, "ordinary"), Outlook::kWillPunch);
  EXPECT_EQ(For(diagnosis, "symmetric"), Outlook::kNeedsGuessing);
  EXPECT_TRUE(diagnosis.remedies.empty());
}

TEST(Diagnosis, ASymmetricNatNeedsGuessingOrARouterThatMaps) {
  NetworkFacts facts = Home("203.0.113.7:4000", "203.0.113.7:9001");
  facts.nat.ports.allocation = ice::PortAllocation::kRandom;
  Diagnosis diagnosis = Diagnose(facts);
  EXPECT_EQ(For(diagnosis, "ordinary"), Outlook::kNeedsGuessing);
  EXPECT_EQ(For(diagnosis, "symmetric"), Outlook::kWillNot);
  ASSERT_FALSE(diagnosis.remedies.empty());
  EXPECT_NE(diagnosis.remedies[0].find("UPnP"), std::string::npos);

  facts.nat.ports.allocation = ice::PortAllocation::kSequential;
  EXPECT_EQ(For(Diagnose(facts), "symmetric"), Outlook::kNeedsGuessing);

  facts.router_mapped = {At("203.0.113.7:4000")};
  diagnosis = Diagnose(facts);
  EXPECT_EQ(For(diagnosis, "ordinary"), Outlook::kWillPunch);
  EXPECT_EQ(For(diagnosis, "symmetric"), Outlook::kWillPunch);
}

TEST(Diagnosis, NoUdpAndNoBrokerAreTold) {
  NetworkFacts facts = Home("203.0.113.7:4000", "203.0.113.7:4000");
  for (StunFact& fact : facts.stun) fact.mapped.reset();
  Diagnosis diagnosis = Diagnose(facts);
  EXPECT_EQ(diagnosis.code, ExitCode::kNoPath);
  EXPECT_EQ(For(diagnosis, "anywhere else"), Outlook::kWillNot);
  facts.brokers[0].up.reset();
  EXPECT_EQ(Diagnose(facts).code, ExitCode::kRendezvousUnreachable);
}

TEST(Diagnosis, ASmallReceiveBufferHasARemedy) {
  NetworkFacts facts = Home("203.0.113.7:4000", "203.0.113.7:4000");
  facts.receive_buffer = 208 << 10;
  const Diagnosis diagnosis = Diagnose(facts);
  ASSERT_EQ(diagnosis.remedies.size(), 1U);
  EXPECT_NE(diagnosis.remedies[0].find("net.core.rmem_max=8388608"),
            std::string::npos);
}

TEST(Diagnosis, NamesEachServerOnce) {
  NetworkFacts facts = Home("203.0.113.7:4000", "203.0.113.7:9001");
  facts.brokers = {{"mqtt://x", std::nullopt, "mqtt://x: refused"}};
  facts.stun[0].server = facts.stun[0].address->ToString();
  const std::vector<std::string> lines = DescribeFacts(facts);
  EXPECT_EQ(lines[0], "broker    mqtt://x: refused");
  EXPECT_TRUE(lines[1].starts_with("STUN      " + facts.stun[0].server + ": "))
      << lines[1];
}

TEST(Diagnosis, IsOneLineOfJson) {
  NetworkFacts facts = Home("203.0.113.7:4000", "203.0.113.7:9001");
  facts.brokers.push_back({"mqtt://x", std::nullopt, "refused\n\x1b[2J"});
  const std::string line = DiagnosisAsJson(facts, Diagnose(facts));
  EXPECT_EQ(line.find('\n'), std::string::npos);
  const auto json = nlohmann::json::parse(line);
  EXPECT_EQ(json["event"], "diagnosis");
  EXPECT_EQ(json["nat"]["mapping"], "dependent");
  EXPECT_EQ(json["stun"][0]["mapped"], "203.0.113.7:4000");
  EXPECT_EQ(json["exit_code"], 0);
  for (const std::string& text : DescribeFacts(facts)) {
    EXPECT_EQ(text.find('\x1b'), std::string::npos) << text;
  }
}

}  // namespace
}  // namespace p2pcp::cmd

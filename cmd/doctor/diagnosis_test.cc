#include "cmd/doctor/diagnosis.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace p2pcp::cmd {
namespace {

SocketAddress At(std::string_view text) { return *SocketAddress::Parse(text); }

StunFact Answer(std::string_view mapped) {
  return {"stun.example", At("198.51.100.1:3478"), At(mapped), Duration(20ms)};
}

// A host at home, behind a NAT of that kind, with everything in order.
NetworkFacts Home(std::string_view first, std::string_view second) {
  NetworkFacts facts;
  facts.brokers = {{"mqtts://broker.example", Duration(50ms), ""}};
  facts.stun = {Answer(first), Answer(second)};
  facts.addresses = {*IpAddress::Parse("192.168.1.2")};
  facts.mapping = ClassifyMapping(facts);
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

TEST(Diagnosis, TellsMappingsApart) {
  EXPECT_EQ(Home("203.0.113.7:4000", "203.0.113.7:4000").mapping,
            Mapping::kEndpointIndependent);
  EXPECT_EQ(Home("203.0.113.7:4000", "203.0.113.7:4001").mapping,
            Mapping::kDependent);
  EXPECT_EQ(Home("192.168.1.2:4000", "192.168.1.2:4000").mapping,
            Mapping::kNoNat);
  NetworkFacts one = Home("203.0.113.7:4000", "203.0.113.7:4000");
  one.stun.pop_back();
  EXPECT_EQ(ClassifyMapping(one), Mapping::kUnknown);
}

TEST(Diagnosis, TellsPortModelsApart) {
  EXPECT_EQ(ClassifyPorts({1, 2, 3, 4}, {1, 2, 3, 4}), PortModel::kPreserved);
  EXPECT_EQ(ClassifyPorts({1, 2, 3, 4}, {20000, 20001, 20003, 20004}),
            PortModel::kSequential);
  EXPECT_EQ(ClassifyPorts({1, 2, 3, 4}, {30720, 31231, 30800, 31000}),
            PortModel::kBlock);
  EXPECT_EQ(ClassifyPorts({1, 2, 3, 4}, {1024, 65000, 3000, 40000}),
            PortModel::kRandom);
  EXPECT_EQ(ClassifyPorts({1, 2, 3}, {1, 2, 3}), PortModel::kUnknown);
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
  facts.ports = PortModel::kRandom;
  Diagnosis diagnosis = Diagnose(facts);
  EXPECT_EQ(For(diagnosis, "ordinary"), Outlook::kNeedsGuessing);
  EXPECT_EQ(For(diagnosis, "symmetric"), Outlook::kWillNot);
  ASSERT_FALSE(diagnosis.remedies.empty());
  EXPECT_NE(diagnosis.remedies[0].find("UPnP"), std::string::npos);

  facts.ports = PortModel::kSequential;
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

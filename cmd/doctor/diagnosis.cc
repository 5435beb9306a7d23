#include "cmd/doctor/diagnosis.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cmd/text.h"
#include "net/ice/tactic.h"
#include "net/stun/behaviour.h"

namespace p2pcp::cmd {
namespace {

using Json = nlohmann::ordered_json;

std::string_view MappingName(const NetworkFacts& facts) {
  if (facts.no_nat) return "no_nat";
  switch (facts.nat.mapping) {
    case ice::Dependence::kUnknown:
      return "unknown";
    case ice::Dependence::kEndpointIndependent:
      return "endpoint_independent";
    case ice::Dependence::kAddressDependent:
    case ice::Dependence::kAddressAndPortDependent:
      return "dependent";
  }
  return "unknown";
}

std::string_view Name(ice::Dependence dependence) {
  switch (dependence) {
    case ice::Dependence::kUnknown:
      return "unknown";
    case ice::Dependence::kEndpointIndependent:
      return "endpoint_independent";
    case ice::Dependence::kAddressDependent:
      return "address_dependent";
    case ice::Dependence::kAddressAndPortDependent:
      return "address_and_port_dependent";
  }
  return "unknown";
}

std::string_view Name(ice::PortAllocation allocation) {
  switch (allocation) {
    case ice::PortAllocation::kUnknown:
      return "unknown";
    case ice::PortAllocation::kPreserving:
      return "preserved";
    case ice::PortAllocation::kSequential:
      return "sequential";
    case ice::PortAllocation::kBlock:
      return "block";
    case ice::PortAllocation::kRandom:
      return "random";
  }
  return "unknown";
}

std::string_view Name(Outlook outlook) {
  switch (outlook) {
    case Outlook::kWillPunch:
      return "will_punch";
    case Outlook::kNeedsGuessing:
      return "needs_guessing";
    case Outlook::kWillNot:
      return "will_not";
  }
  return "will_not";
}

bool Answered(const NetworkFacts& facts, bool v6) {
  return std::ranges::any_of(facts.stun, [v6](const StunFact& fact) {
    return fact.mapped && fact.mapped->ip.is_v6() == v6;
  });
}

bool AnyBroker(const NetworkFacts& facts) {
  return std::ranges::any_of(facts.brokers, [](const BrokerFact& fact) {
    return fact.up.has_value();
  });
}

// What a peer does not need to punch: an address of ours that takes packets
// from anybody.
bool IsOpen(const NetworkFacts& facts) {
  return facts.no_nat || !facts.router_mapped.empty() ||
         (facts.nat.mapping == ice::Dependence::kEndpointIndependent &&
          facts.nat.filtering == ice::Dependence::kEndpointIndependent);
}

std::string MappingSentence(const NetworkFacts& facts) {
  if (facts.no_nat) return "none: this host has a public address";
  switch (facts.nat.mapping) {
    case ice::Dependence::kUnknown:
      return "unknown: fewer than two STUN servers have answered over IPv4";
    case ice::Dependence::kEndpointIndependent:
      return "one outside address for all destinations (endpoint-independent)";
    case ice::Dependence::kAddressDependent:
    case ice::Dependence::kAddressAndPortDependent:
      return "another port for every destination (symmetric)";
  }
  return "";
}

// Empty: not known.
std::string_view FilteringSentence(ice::Dependence filtering) {
  switch (filtering) {
    case ice::Dependence::kUnknown:
      return "";
    case ice::Dependence::kEndpointIndependent:
      return "none: packets are let in from anywhere (endpoint-independent)";
    case ice::Dependence::kAddressDependent:
      return "packets are let in from hosts that have been sent to "
             "(address-dependent)";
    case ice::Dependence::kAddressAndPortDependent:
      return "packets are let in only from where something was sent to "
             "(address- and port-dependent)";
  }
  return "";
}

Json Optional(const std::optional<SocketAddress>& address) {
  return address ? Json(address->ToString()) : Json();
}

Json Milliseconds(const std::optional<Duration>& duration) {
  if (!duration) return Json();
  return std::chrono::duration<double, std::milli>(*duration).count();
}

}  // namespace

std::string_view OutlookText(Outlook outlook) {
  switch (outlook) {
    case Outlook::kWillPunch:
      return "a path will be punched";
    case Outlook::kNeedsGuessing:
      return "a path needs guessing";
    case Outlook::kWillNot:
      return "no path will be punched";
  }
  return "";
}

void ClassifyAnswers(NetworkFacts& facts) {
  std::vector<stun::Observation> observations;
  facts.nat.external.clear();
  for (const StunFact& fact : facts.stun) {
    if (!fact.address || !fact.mapped || fact.mapped->ip.is_v6()) continue;
    observations.push_back({*fact.address, *fact.mapped});
    const IpAddress& ip = fact.mapped->ip;
    if (std::ranges::find(facts.nat.external, ip) == facts.nat.external.end()) {
      facts.nat.external.push_back(ip);
    }
  }
  facts.nat.mapping = stun::ClassifyMapping(observations);
  facts.no_nat =
      !facts.nat.external.empty() &&
      std::ranges::find(facts.addresses, facts.nat.external.front()) !=
          facts.addresses.end();
}

Diagnosis Diagnose(const NetworkFacts& facts) {
  Diagnosis result;
  const bool udp = Answered(facts, false) || Answered(facts, true);
  if (!AnyBroker(facts)) {
    result.code = ExitCode::kRendezvousUnreachable;
    result.remedies.push_back(
        "No broker can be reached. Check the network, or name another one with "
        "--broker ('p2pcp serve' runs one). Peers on the same network are "
        "found "
        "without any.");
  }
  if (!udp) {
    if (result.code == ExitCode::kVerified) result.code = ExitCode::kNoPath;
    result.verdicts.push_back(
        {"anywhere else", Outlook::kWillNot,
         "no STUN server answers: this network lets no UDP out"});
    result.remedies.push_back(
        "Let UDP out in the firewall, or use another network.");
    return result;
  }
  const bool symmetric =
      facts.nat.hard() && !facts.no_nat && facts.router_mapped.empty();
  // Where the peer's NAT is no better than ours.
  const bool predictable =
      ice::ChooseTactic(facts.nat, facts.nat).kind != ice::TacticKind::kNone;
  result.verdicts.push_back({"with a public address, or a router that maps",
                             Outlook::kWillPunch,
                             "packets to it need nobody's leave"});
  if (!symmetric) {
    result.verdicts.push_back({"behind an ordinary home router",
                               Outlook::kWillPunch,
                               "both outside addresses are known"});
    const bool any_port =
        facts.nat.filtering == ice::Dependence::kAddressDependent;
    result.verdicts.push_back(
        {"behind a symmetric NAT (many mobile networks)",
         IsOpen(facts) || any_port ? Outlook::kWillPunch
                                   : Outlook::kNeedsGuessing,
         IsOpen(facts) ? "it can reach us at an address that is open"
         : any_port    ? "our NAT lets it in from whichever port it has"
                       : "its port towards us has to be found by trying"});
  } else {
    result.verdicts.push_back(
        {"behind an ordinary home router", Outlook::kNeedsGuessing,
         "our port towards it has to be found by trying"});
    result.verdicts.push_back(
        {"behind a symmetric NAT (many mobile networks)",
         predictable ? Outlook::kNeedsGuessing : Outlook::kWillNot,
         predictable
             ? "both ports have to be found by trying"
             : "two ports that nobody can foretell would have to meet"});
    result.remedies.push_back(
        "This router gives every destination another port. Enable UPnP, "
        "NAT-PMP or PCP in it, use IPv6, or another network.");
  }
  if (facts.ipv6_works) {
    result.verdicts.push_back(
        {"with IPv6", Outlook::kWillPunch, "IPv6 passes without translation"});
  } else if (symmetric) {
    result.remedies.push_back(
        "IPv6, where the provider offers it, would help.");
  }
  if (facts.hairpin == false && facts.router_mapped.empty() && !facts.no_nat) {
    result.verdicts.push_back(
        {"behind the same carrier's NAT", Outlook::kWillNot,
         "the outermost router does not send packets back in; on the same home "
         "network it works"});
  }
  if (facts.receive_buffer < facts.receive_buffer_wanted) {
    result.remedies.push_back(fmt::format(
        "For lines beyond some 100 Mbit/s: sysctl net.core.rmem_max={} (the "
        "kernel grants a receive buffer of {} only).",
        facts.receive_buffer_wanted,
        FormatSize(static_cast<std::uint64_t>(facts.receive_buffer))));
  }
  return result;
}

std::vector<std::string> DescribeFacts(const NetworkFacts& facts) {
  std::vector<std::string> lines;
  for (const BrokerFact& broker : facts.brokers) {
    std::string_view error = broker.error;  // Which begins with the URL.
    if (error.starts_with(broker.url + ": ")) {
      error.remove_prefix(broker.url.size() + 2);
    }
    lines.push_back(
        fmt::format("broker    {}: {}", Escape(broker.url),
                    broker.up ? "connected after " + FormatLatency(*broker.up)
                    : error.empty() ? "no answer"
                                    : Escape(error)));
  }
  for (const StunFact& stun : facts.stun) {
    std::string line = "STUN      " + Escape(stun.server);
    if (stun.address && stun.address->ToString() != stun.server) {
      line += " " + stun.address->ToString();
    }
    line +=
        stun.mapped ? ": sees us as " + stun.mapped->ToString() : ": no answer";
    if (stun.rtt) line += ", rtt " + FormatLatency(*stun.rtt);
    lines.push_back(std::move(line));
  }
  lines.push_back("NAT       " + MappingSentence(facts));
  const std::string_view filtering = FilteringSentence(facts.nat.filtering);
  if (!filtering.empty()) {
    lines.push_back(fmt::format("filter    {}", filtering));
  }
  const ice::PortAllocation allocation = facts.nat.ports.allocation;
  if (allocation != ice::PortAllocation::kUnknown && !facts.no_nat) {
    lines.push_back(fmt::format("ports     {} ({})", Name(allocation),
                                fmt::join(facts.outside_ports, ", ")));
  }
  if (facts.hairpin) {
    lines.push_back(fmt::format("hairpin   {}", *facts.hairpin ? "yes" : "no"));
  }
  if (!facts.router_mapped.empty()) {
    std::string addresses;
    for (const SocketAddress& mapped : facts.router_mapped) {
      addresses += (addresses.empty() ? "" : ", ") + mapped.ToString();
    }
    lines.push_back(fmt::format("router    maps ports: {} ({})",
                                fmt::join(facts.router_protocols, ", "),
                                addresses));
  } else {
    lines.push_back(facts.has_router
                        ? "router    maps no ports (PCP, NAT-PMP, UPnP)"
                        : "router    none");
  }
  lines.push_back(facts.ipv6_works     ? "IPv6      works"
                  : facts.ipv6_address ? "IPv6      an address, no answer"
                                       : "IPv6      none");
  if (facts.link_mtu > 0) {
    lines.push_back(fmt::format(
        "MTU       {} at the interface, {} to a server", facts.link_mtu,
        facts.path_mtu > 0 ? fmt::format("{} or more", facts.path_mtu)
                           : "not tried"));
  }
  lines.push_back(
      fmt::format("socket    receive buffer {}; segmentation offload {}, "
                  "receive offload {}",
                  FormatSize(static_cast<std::uint64_t>(facts.receive_buffer)),
                  facts.gso ? "yes" : "no", facts.gro ? "yes" : "no"));
  return lines;
}

std::vector<std::string> DescribeDiagnosis(const Diagnosis& diagnosis) {
  std::vector<std::string> lines;
  for (const Verdict& verdict : diagnosis.verdicts) {
    const char* word = verdict.outlook == Outlook::kWillPunch ? "works"
                       : verdict.outlook == Outlook::kNeedsGuessing
                           ? "needs guessing"
                           : "will not work";
    lines.push_back(
        fmt::format("A peer {}: {}; {}.", verdict.peer, word, verdict.why));
  }
  lines.insert(lines.end(), diagnosis.remedies.begin(),
               diagnosis.remedies.end());
  return lines;
}

std::string DiagnosisAsJson(const NetworkFacts& facts,
                            const Diagnosis& diagnosis) {
  Json json = {{"event", "diagnosis"}};
  for (const BrokerFact& broker : facts.brokers) {
    json["brokers"].push_back({{"url", broker.url},
                               {"up_ms", Milliseconds(broker.up)},
                               {"error", broker.error}});
  }
  for (const StunFact& stun : facts.stun) {
    json["stun"].push_back({{"server", stun.server},
                            {"address", Optional(stun.address)},
                            {"mapped", Optional(stun.mapped)},
                            {"rtt_ms", Milliseconds(stun.rtt)}});
  }
  json["nat"] = {{"mapping", MappingName(facts)},
                 {"filtering", Name(facts.nat.filtering)},
                 {"ports", Name(facts.nat.ports.allocation)},
                 {"outside_ports", facts.outside_ports},
                 {"hairpin", facts.hairpin ? Json(*facts.hairpin) : Json()}};
  Json mapped = Json::array();
  for (const SocketAddress& address : facts.router_mapped) {
    mapped.push_back(address.ToString());
  }
  json["router"] = {{"present", facts.has_router},
                    {"protocols", facts.router_protocols},
                    {"mapped", std::move(mapped)}};
  json["ipv6"] = {{"address", facts.ipv6_address}, {"works", facts.ipv6_works}};
  json["mtu"] = {{"link", facts.link_mtu}, {"path", facts.path_mtu}};
  json["socket"] = {{"receive_buffer", facts.receive_buffer},
                    {"receive_buffer_wanted", facts.receive_buffer_wanted},
                    {"gso", facts.gso},
                    {"gro", facts.gro}};
  Json verdicts = Json::array();
  for (const Verdict& verdict : diagnosis.verdicts) {
    verdicts.push_back({{"peer", verdict.peer},
                        {"outlook", Name(verdict.outlook)},
                        {"why", verdict.why}});
  }
  json["verdicts"] = std::move(verdicts);
  json["remedies"] = diagnosis.remedies;
  json["exit_code"] = static_cast<int>(diagnosis.code);
  return json.dump(-1, ' ', true, Json::error_handler_t::replace);
}

std::string TrialAsJson(std::string_view peer, std::string_view path,
                        Duration rtt, std::string_view error) {
  Json json = {{"event", "trial"}, {"peer", peer}, {"works", !path.empty()}};
  if (path.empty()) {
    json["error"] = error;
  } else {
    json["path"] = path;
    json["rtt_ms"] = Milliseconds(rtt);
  }
  return json.dump(-1, ' ', true, Json::error_handler_t::replace);
}

}  // namespace p2pcp::cmd

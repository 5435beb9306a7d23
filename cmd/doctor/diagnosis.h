// What `p2pcp doctor` has found out about the network, and what follows: with
// which kinds of peers it will work, and what would help. No IO.

#ifndef P2PCP_CMD_DOCTOR_DIAGNOSIS_H_
#define P2PCP_CMD_DOCTOR_DIAGNOSIS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cmd/exit_code.h"
#include "net/base/socket_address.h"
#include "net/base/time.h"
#include "net/ice/nat.h"

namespace p2pcp::cmd {

struct BrokerFact {
  std::string url;
  std::optional<Duration> up;  // Subscribed so long after the start.
  std::string error;
};

struct StunFact {
  std::string server;  // As the user or the defaults name it.
  std::optional<SocketAddress> address;
  std::optional<SocketAddress> mapped;
  std::optional<Duration> rtt;
};

struct NetworkFacts {
  std::vector<BrokerFact> brokers;
  std::vector<StunFact> stun;
  std::vector<IpAddress> addresses;  // Of the interfaces.
  // Seen from outside under the address of an interface.
  bool no_nat = false;
  // As a transfer would learn and tell it, from the same kind of measurement.
  ice::Nat nat;
  std::vector<std::uint16_t> outside_ports;  // What nat.ports comes from.
  std::optional<bool> hairpin;
  bool has_router = false;
  std::vector<SocketAddress> router_mapped;
  std::vector<std::string> router_protocols;
  bool ipv6_address = false;  // A global one.
  bool ipv6_works = false;    // A STUN server has answered over it.
  std::size_t link_mtu = 0;   // 0: unknown.
  std::size_t path_mtu = 0;   // The largest packet that a server has answered.
  int receive_buffer = 0;
  int receive_buffer_wanted = 0;
  bool gso = false;
  bool gro = false;
};

// Sets no_nat, and of nat what the answers over IPv4 tell: mapping and
// external.
void ClassifyAnswers(NetworkFacts& facts);

enum class Outlook : std::uint8_t { kWillPunch, kNeedsGuessing, kWillNot };

// "a path will be punched" and the like.
std::string_view OutlookText(Outlook outlook);

struct Verdict {
  std::string_view peer;  // "behind an ordinary home router", ...
  Outlook outlook = Outlook::kWillPunch;
  std::string why;
};

struct Diagnosis {
  std::vector<Verdict> verdicts;
  std::vector<std::string> remedies;
  // kVerified: it will work with ordinary peers. kRendezvousUnreachable,
  // kNoPath: it won't with any, and so would a transfer end.
  ExitCode code = ExitCode::kVerified;
};
Diagnosis Diagnose(const NetworkFacts& facts);

// For people, a line each.
std::vector<std::string> DescribeFacts(const NetworkFacts& facts);
std::vector<std::string> DescribeDiagnosis(const Diagnosis& diagnosis);
// One JSON object each: what was found out, and how trying a peer went (path
// empty: not at all).
std::string DiagnosisAsJson(const NetworkFacts& facts,
                            const Diagnosis& diagnosis);
std::string TrialAsJson(std::string_view peer, std::string_view path,
                        Duration rtt, std::string_view error);

}  // namespace p2pcp::cmd

#endif  // P2PCP_CMD_DOCTOR_DIAGNOSIS_H_

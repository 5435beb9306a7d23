// p2pcp doctor: what this network allows, and what to do about it.

#include <fmt/format.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "cmd/commands.h"
#include "cmd/doctor/diagnosis.h"
#include "cmd/doctor/joint_verdict.h"
#include "cmd/doctor/network_survey.h"
#include "cmd/link.h"
#include "cmd/product.h"
#include "cmd/self_and_peer.h"
#include "cmd/text.h"

namespace p2pcp::cmd {
namespace {

// Two doctors meet only if one offers. The one with the smaller key does, and
// the other listens first; but where the peer only receives, both must offer.
constexpr Duration kTurn = 8s;
// For both sides to tell of their NATs, and for larger packets to be tried.
constexpr Duration kLinger = 2s;

struct Tried {
  std::optional<ExitCode> signal;
  std::optional<Error> error;
  std::string path;
  Duration rtt{};
  // What both sides' NATs allow, where both are known.
  std::optional<JointVerdict> verdict;
};

Tried TryOnce(Options options, const SelfAndPeer& who, ice::Role role,
              std::optional<Duration> timeout, Console* console) {
  Events none{std::optional<int>()};
  options.timeout = timeout;
  Tried tried;
  Result<std::unique_ptr<Link>> link = Link::Open(
      options,
      {role, &who.self, who.peer, &none, who.former ? &*who.former : nullptr},
      console);
  if (!link.ok()) {
    tried.error = std::move(link).error();
    return tried;
  }
  const Result<std::optional<ExitCode>> connected = (*link)->Connect();
  if (!connected.ok()) {
    tried.error = connected.error();
  } else if (*connected) {
    tried.signal = **connected;
  } else {
    (*link)->Linger(kLinger);
    tried.path = (*link)->PathText();
    tried.rtt = (*link)->rtt();
    const connect::Connector& connector = (*link)->connector();
    if (connector.peer_nat() &&
        connector.peer_nat()->mapping != ice::Dependence::kUnknown &&
        connector.nat().mapping != ice::Dependence::kUnknown) {
      tried.verdict = Join(connector.nat(), *connector.peer_nat());
    }
  }
  return tried;
}

// Takes turns until the peer has been met, or the user's --timeout is over.
Tried TryPeer(const Options& options, const SelfAndPeer& who,
              Console* console) {
  const bool offers = who.self.public_key() < who.peer.key;
  Duration left = options.timeout.value_or(Duration::max());
  ice::Role role = offers ? ice::Role::kControlling : ice::Role::kControlled;
  for (;;) {
    const Duration turn = std::min(left, kTurn);
    Tried tried = TryOnce(options, who, role, turn, console);
    left -= turn;
    if (!tried.error || tried.error->code != ErrorCode::kPeerNeverAppeared ||
        left <= Duration(0)) {
      return tried;
    }
    if (!offers) {
      role = role == ice::Role::kControlled ? ice::Role::kControlling
                                            : ice::Role::kControlled;
    }
  }
}

}  // namespace

Result<ExitCode> RunDoctor(const Options& options, const Home& home,
                           Console& console) {
  std::optional<SelfAndPeer> who;
  if (!options.peer.empty()) {
    Result<SelfAndPeer> loaded = LoadSelfAndPeer(home, options.peer);
    if (!loaded.ok()) return std::move(loaded).error();
    who = *std::move(loaded);
  }
  console.Line("looking at this network ...");
  NetworkFacts facts;
  {
    Result<std::unique_ptr<NetworkSurvey>> survey =
        NetworkSurvey::Begin(options);
    if (!survey.ok()) return std::move(survey).error();
    if (const auto signal = (*survey)->Run()) return *signal;
    facts = (*survey)->facts();
  }
  const Diagnosis diagnosis = Diagnose(facts);
  for (const std::string& line : DescribeFacts(facts)) console.Line(line);
  for (const std::string& line : DescribeDiagnosis(diagnosis)) {
    console.Line(line);
  }
  if (options.json) {
    if (Status written = WriteProduct(DiagnosisAsJson(facts, diagnosis) + "\n");
        !written.ok()) {
      return std::move(written).error();
    }
  }
  if (!who) return diagnosis.code;

  const Tried tried = TryPeer(options, *who, &console);
  if (tried.signal) return *tried.signal;
  if (tried.error) {
    if (options.json) {
      const Status written = WriteProduct(
          TrialAsJson(options.peer, "", Duration(0), tried.error->message) +
          "\n");
      if (!written.ok()) return written.error();
    }
    return *tried.error;
  }
  console.Line(fmt::format("With {} it works: {}, rtt {}.", options.peer,
                           tried.path, FormatLatency(tried.rtt)));
  if (tried.verdict) {
    console.Line(fmt::format("With {} {}, because {}.", options.peer,
                             OutlookText(tried.verdict->outlook),
                             tried.verdict->why));
  }
  if (options.json) {
    if (Status written = WriteProduct(
            TrialAsJson(options.peer, tried.path, tried.rtt, "") + "\n");
        !written.ok()) {
      return std::move(written).error();
    }
  }
  return ExitCode::kVerified;
}

}  // namespace p2pcp::cmd

#include "net/connect/no_path.h"

namespace p2pcp::connect {
namespace {

std::string Tried(const NoPath& facts) {
  std::string text = std::to_string(facts.probes) + " probes";
  switch (facts.tried) {
    case ice::TacticKind::kNone:
      break;
    case ice::TacticKind::kOpen:
      text += ", " + std::to_string(facts.guesses) +
              " of them from sockets whose ports the peer could guess";
      break;
    case ice::TacticKind::kGuess:
      text += ", " + std::to_string(facts.guesses) +
              " of them to guessed ports of the peer's NAT";
      break;
    case ice::TacticKind::kMeet:
      text += ", " + std::to_string(facts.guesses) +
              " of them to meet where both NATs' ports should be next";
      break;
    case ice::TacticKind::kLottery:
      text += ", " + std::to_string(facts.guesses) +
              " of them from many ports to many";
      break;
  }
  return text;
}

std::string Remedy(const NoPath& facts) {
  constexpr const char* kMapping =
      "switch UPnP or PCP on in the router, use IPv6 on both sides, or another "
      "network (a phone's often differs)";
  const bool hard = facts.ours.hard();
  const bool their_hard = facts.theirs.hard();
  if (facts.ours.external.empty()) {
    return "no STUN server has answered here, so UDP is probably blocked: "
           "allow it in the firewall, or use another network";
  }
  if (facts.theirs.external.empty()) {
    return "no STUN server has answered the peer, so UDP is probably blocked "
           "there: it has to be allowed, or another network to be used";
  }
  if (hard && their_hard) {
    return std::string(
               "two such NATs can't be passed, but one of them can: on "
               "either side ") +
           kMapping;
  }
  if ((hard || their_hard) && !facts.may_guess) {
    return std::string(
               "let ports be guessed (without --no-port-guess); else, ") +
           (hard ? "here, " : "at the peer's, ") + kMapping;
  }
  if (hard || their_hard) {
    return std::string("try again, for guessing needs luck; else, ") +
           (hard ? "here, " : "at the peer's, ") + kMapping;
  }
  return "these NATs can be passed, so a firewall probably stops UDP between "
         "the two: allow it, or use another network";
}

}  // namespace

std::string ExplainNoPath(const NoPath& facts) {
  return "no datagram gets through to the peer\n  our NAT: " +
         ToString(facts.ours) +
         "\n  the peer's NAT: " + ToString(facts.theirs) +
         "\n  tried: " + Tried(facts) + "\n  what helps: " + Remedy(facts);
}

}  // namespace p2pcp::connect

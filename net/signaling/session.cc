#include "net/signaling/session.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "net/base/bytes.h"
#include "net/crypto/envelope.h"
#include "net/crypto/hash.h"

namespace p2pcp::signaling {
namespace {

constexpr Duration kFirstRepeat = 1s;
constexpr Duration kLastRepeat = 4s;
// The peer's candidates that are remembered as known: four times what it may
// have at once (net/ice bounds the packets to each of them).
constexpr std::size_t kMaxRemoteCandidates = 4 * ice::kMaxCandidates;

// The keys of the packets stay the packets'.
constexpr std::string_view kLabel = "p2pcp/1 candidates";

bool SameAddress(const ice::Candidate& a, const ice::Candidate& b) {
  return a.type == b.type && a.address == b.address;
}

}  // namespace

Session::Session(TimePoint now, const Nonce& local, const Nonce& remote,
                 const crypto::SessionKeys& keys,
                 std::vector<ice::Candidate> local_sent,
                 const ice::Nat& local_nat,
                 std::vector<ice::Candidate> remote_known,
                 const ice::Nat& remote_nat)
    : local_(local),
      remote_(remote),
      since_(now),
      send_key_(crypto::DeriveKey(keys.send, kLabel)),
      receive_key_(crypto::DeriveKey(keys.receive, kLabel)),
      local_candidates_(std::move(local_sent)),
      local_nat_(local_nat),
      remote_candidates_(std::move(remote_known)),
      remote_nat_(remote_nat) {}

void Session::SetLocalCandidates(
    TimePoint now, const std::vector<ice::Candidate>& candidates) {
  if (candidates == local_candidates_) return;
  local_candidates_ = candidates;
  Confirm(now);
}

void Session::SetLocalNat(TimePoint now, const ice::Nat& nat) {
  if (nat == local_nat_) return;
  local_nat_ = nat;
  Confirm(now);
}

void Session::Confirm(TimePoint now) {
  told_all_in_handshake_ = false;
  send_at_ = now;
  send_interval_ = kFirstRepeat;
}

void Session::Repeat(TimePoint now) {
  if (!told_all_in_handshake_) send_at_ = now;
}

std::optional<Message> Session::PollMessage(TimePoint now,
                                            const VersionRange& versions,
                                            Random& random) {
  if (!send_at_.has_value() || now < *send_at_) return std::nullopt;
  if (send_interval_ <= kLastRepeat) {
    send_at_ = now + send_interval_;
    send_interval_ *= 2;
  } else {
    send_at_.reset();
  }

  Message message;
  message.type = MessageType::kCandidates;
  message.versions = versions;
  message.from = local_;
  message.to = remote_;
  const Bytes list = EncodeCandidates(local_candidates_);
  const Bytes nat = EncodeNat(local_nat_);
  Bytes plaintext(4 + list.size() + nat.size());
  ByteWriter writer(plaintext);
  writer.WriteU32(++send_counter_);
  writer.WriteBytes(list);
  writer.WriteBytes(nat);
  message.sealed =
      crypto::SealEnvelope(send_key_, message.Header(), plaintext, random);
  return message;
}

Session::Verdict Session::HandleCandidates(const Message& message,
                                           std::vector<ice::Candidate>& added,
                                           std::vector<ice::Candidate>& all) {
  const auto plaintext =
      crypto::OpenEnvelope(receive_key_, message.Header(), message.sealed);
  if (!plaintext.has_value()) return Verdict::kMalformed;
  ByteReader reader(*plaintext);
  const std::uint32_t counter = reader.ReadU32();
  std::vector<ice::Candidate> candidates = DecodeCandidates(reader);
  const ice::Nat nat = DecodeNat(reader);
  if (!reader.AtEnd()) return Verdict::kMalformed;
  if (counter <= receive_counter_) return Verdict::kStale;
  receive_counter_ = counter;
  for (const ice::Candidate& candidate : candidates) {
    const bool known =
        std::any_of(remote_candidates_.begin(), remote_candidates_.end(),
                    [&candidate](const ice::Candidate& other) {
                      return SameAddress(candidate, other);
                    });
    if (known) continue;
    if (remote_candidates_.size() == kMaxRemoteCandidates) {
      remote_candidates_.erase(remote_candidates_.begin());
    }
    remote_candidates_.push_back(candidate);
    added.push_back(candidate);
  }
  all = std::move(candidates);
  const bool nat_news = nat != remote_nat_;
  remote_nat_ = nat;
  return added.empty() && !nat_news ? Verdict::kRepeated : Verdict::kNews;
}

}  // namespace p2pcp::signaling

#include "net/connect/reception.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "net/crypto/packet_cipher.h"

namespace p2pcp::connect {
namespace {

// Who was seen this long before the room ran out is on its way: the pause
// between its hello and its offer.
constexpr Duration kOnItsWay = 5s;

}  // namespace

Reception::Seat* Reception::Find(const crypto::PublicKey& peer) {
  const auto found =
      std::find_if(seats_.begin(), seats_.end(),
                   [&](const Seat& seat) { return seat.peer.key == peer; });
  return found == seats_.end() ? nullptr : &*found;
}

void Reception::SetPeers(TimePoint now, UnixTime wall,
                         std::vector<crypto::Contact> peers) {
  for (Seat& seat : seats_) seat.listed = false;
  for (crypto::Contact& peer : peers) {
    if (Seat* seat = Find(peer.key)) {
      const bool other_keys =
          seat->peer.rules.knows_old_key != peer.rules.knows_old_key;
      seat->peer = std::move(peer);
      seat->listed = true;
      if (other_keys && seat->rendezvous) Open(now, wall, *seat);
      continue;
    }
    seats_.emplace_back(std::move(peer));
    Open(now, wall, seats_.back());
  }
  std::erase_if(seats_, [](const Seat& seat) {
    return !seat.listed && seat.rendezvous != nullptr;
  });
  std::erase_if(waiting_, [this](const crypto::PublicKey& key) {
    return Find(key) == nullptr;
  });
  Update(now);
}

void Reception::Open(TimePoint now, UnixTime wall, Seat& seat) {
  signaling::Rendezvous::Config config{
      .role = signaling::Role::kAnswerer,
      .self = config_.self,
      .peer = seat.peer.key,
      .psk = seat.peer.psk,
      // Nothing is answered here.
      .suites = {crypto::Suite::kChaCha20Poly1305},
      .versions = {}};
  seat.rendezvous = std::make_unique<RendezvousPair>(
      now, wall, config,
      seat.peer.rules.knows_old_key ? config_.former : nullptr, random_);
  seat.topics.clear();
  seat.seen_at.reset();
  seat.invited_until.reset();
  // Before it says anything.
  seat.busy = by_turns_;
  if (seat.busy) seat.rendezvous->SetBusy(now, true);
  if (online_) seat.rendezvous->HandleSubscribed(now, wall);
}

std::vector<std::string> Reception::Topics() const {
  std::vector<std::string> topics;
  for (const Seat& seat : seats_) {
    const auto more = seat.rendezvous ? seat.rendezvous->Topics() : seat.topics;
    topics.insert(topics.end(), more.begin(), more.end());
  }
  return topics;
}

void Reception::HandleSubscribed(TimePoint now, UnixTime wall) {
  online_ = true;
  for (Seat& seat : seats_) {
    if (seat.rendezvous) seat.rendezvous->HandleSubscribed(now, wall);
  }
}

void Reception::HandleMessage(TimePoint now, UnixTime wall,
                              std::string_view topic, ByteSpan payload) {
  for (Seat& seat : seats_) {
    if (!seat.rendezvous) continue;
    const auto topics = seat.rendezvous->Topics();
    if (std::find(topics.begin(), topics.end(), topic) == topics.end()) {
      continue;
    }
    seat.rendezvous->HandleMessage(now, wall, topic, payload);
    Attend(now, seat, topic, payload);
    break;
  }
  Update(now);
}

void Reception::HandleTimeout(TimePoint now, UnixTime wall) {
  for (Seat& seat : seats_) {
    if (!seat.rendezvous) continue;
    seat.rendezvous->HandleTimeout(now, wall);
    Attend(now, seat, {}, {});
  }
  Update(now);
}

void Reception::Attend(TimePoint now, Seat& seat, std::string_view topic,
                       ByteSpan payload) {
  bool by_former = false;
  while (const auto event = seat.rendezvous->PollEvent(&by_former)) {
    if (!std::holds_alternative<signaling::PeerSeen>(*event)) continue;
    seat.seen_at = now;
    if (by_turns_) Wait(seat);
  }
  const auto ready = seat.rendezvous->WaitingOffer();
  if (!ready || seat.busy || inside_ >= config_.room) return;
  // What it has still to say goes unsaid: the one who takes the offer answers.
  seat.topics = seat.rendezvous->Topics();
  seat.rendezvous.reset();
  seat.invited_until.reset();
  std::erase(waiting_, seat.peer.key);
  ++inside_;
  arrivals_.push_back(
      {seat.peer, *ready, std::string(topic), ToBytes(payload)});
}

void Reception::Wait(const Seat& seat) {
  if (std::find(waiting_.begin(), waiting_.end(), seat.peer.key) ==
      waiting_.end()) {
    waiting_.push_back(seat.peer.key);
  }
}

void Reception::Leave(TimePoint now, UnixTime wall,
                      const crypto::PublicKey& peer) {
  Seat* const seat = Find(peer);
  if (seat == nullptr || seat->rendezvous) return;
  --inside_;
  if (seat->listed) {
    Open(now, wall, *seat);
  } else {
    std::erase_if(seats_, [&](const Seat& s) { return s.peer.key == peer; });
  }
  Update(now);
}

void Reception::Update(TimePoint now) {
  if (inside_ >= config_.room && !by_turns_) {
    by_turns_ = true;
    std::vector<const Seat*> seen;
    for (const Seat& seat : seats_) {
      if (seat.rendezvous && seat.seen_at && now < *seat.seen_at + kOnItsWay) {
        seen.push_back(&seat);
      }
    }
    std::stable_sort(
        seen.begin(), seen.end(),
        [](const Seat* a, const Seat* b) { return *a->seen_at < *b->seen_at; });
    for (const Seat* seat : seen) Wait(*seat);
  }
  // Who was invited and did not come has lost its turn.
  for (Seat& seat : seats_) {
    if (!seat.invited_until || now < *seat.invited_until) continue;
    seat.invited_until.reset();
    std::erase(waiting_, seat.peer.key);
  }
  std::size_t places = config_.room - std::min(inside_, config_.room);
  if (places > 0 && waiting_.empty()) by_turns_ = false;
  if (by_turns_) {
    for (const crypto::PublicKey& key : waiting_) {
      Seat& seat = *Find(key);
      if (places == 0) {
        seat.invited_until.reset();
        continue;
      }
      --places;
      if (!seat.invited_until) seat.invited_until = now + kInvitation;
    }
  }
  for (Seat& seat : seats_) {
    if (!seat.rendezvous) continue;
    const bool busy = by_turns_ && !seat.invited_until;
    if (busy == seat.busy) continue;
    seat.busy = busy;
    seat.rendezvous->SetBusy(now, busy);
  }
}

std::optional<TimePoint> Reception::PollTimeout() const {
  std::optional<TimePoint> earliest;
  const auto consider = [&](std::optional<TimePoint> time) {
    if (time && (!earliest || *time < *earliest)) earliest = time;
  };
  for (const Seat& seat : seats_) {
    if (seat.rendezvous) consider(seat.rendezvous->PollTimeout());
    consider(seat.invited_until);
  }
  return earliest;
}

std::optional<signaling::Rendezvous::Publish> Reception::PollPublish() {
  for (Seat& seat : seats_) {
    if (!seat.rendezvous) continue;
    if (auto publish = seat.rendezvous->PollPublish()) return publish;
  }
  return std::nullopt;
}

std::optional<Reception::Arrival> Reception::PollArrival() {
  if (arrivals_.empty()) return std::nullopt;
  Arrival arrival = std::move(arrivals_.front());
  arrivals_.pop_front();
  return arrival;
}

}  // namespace p2pcp::connect

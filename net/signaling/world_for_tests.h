// For tests: rendezvous and a broker in virtual time. Every message can be
// lost, delayed, multiplied and kept for later.

#ifndef P2PCP_NET_SIGNALING_WORLD_FOR_TESTS_H_
#define P2PCP_NET_SIGNALING_WORLD_FOR_TESTS_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/random.h"
#include "net/base/socket_address.h"
#include "net/base/time.h"
#include "net/crypto/identity.h"
#include "net/crypto/packet_cipher.h"
#include "net/ice/candidate.h"
#include "net/signaling/rendezvous.h"

namespace p2pcp::signaling::simulated {

// From one side through the broker to the other.
inline constexpr Duration kOneWay = 50ms;
inline constexpr Duration kRoundTrip = 2 * kOneWay;
// 2026-03-04 12:00:00 UTC.
inline constexpr UnixTime kNoon{std::chrono::seconds(1772625600)};

inline ice::Candidate CandidateAt(std::uint8_t last, std::uint32_t priority) {
  ice::Candidate candidate;
  candidate.address = {IpAddress::V4({192, 0, 2, last}), 5000, 0};
  candidate.base = candidate.address;
  candidate.priority = priority;
  return candidate;
}

// One process: a rendezvous with what it has told.
class Node {
 public:
  Node(TimePoint now, Rendezvous::Config config, Duration clock_error,
       std::uint64_t seed)
      : clock_error_(clock_error), random_(seed) {
    rendezvous_ = std::make_unique<Rendezvous>(now, Wall(now),
                                               std::move(config), random_);
  }

  UnixTime Wall(TimePoint now) const {
    return kNoon + std::chrono::duration_cast<UnixClock::duration>(
                       now.time_since_epoch() + clock_error_);
  }
  Rendezvous* operator->() { return rendezvous_.get(); }

  void Collect(TimePoint now) {
    while (auto event = rendezvous_->PollEvent()) {
      if (auto* established = std::get_if<Established>(&*event)) {
        sessions.push_back(std::move(*established));
        established_at.push_back(now);
        current = sessions.size() - 1;
      } else if (auto* more = std::get_if<RemoteCandidates>(&*event)) {
        trickled.insert(trickled.end(), more->candidates.begin(),
                        more->candidates.end());
      } else if (std::holds_alternative<Superseded>(*event)) {
        ++superseded;
        current.reset();
      } else if (auto* left = std::get_if<PeerLeft>(&*event)) {
        left_reasons.push_back(left->reason);
        current.reset();
      } else if (auto* failed = std::get_if<Failed>(&*event)) {
        failure = failed->error;
        current.reset();
      } else if (std::holds_alternative<Busy>(*event)) {
        ++busy;
      } else if (std::holds_alternative<PeerSeen>(*event)) {
        ++peer_seen;
      } else if (std::holds_alternative<Knock>(*event)) {
        ++knocks;
      }
    }
  }

  bool subscribed = false;
  std::vector<Established> sessions;
  std::vector<TimePoint> established_at;
  std::optional<std::size_t> current;  // Index of the session that holds.
  std::vector<ice::Candidate> trickled;
  std::vector<ByeReason> left_reasons;
  std::optional<Error> failure;
  int superseded = 0;
  int busy = 0;
  int peer_seen = 0;
  int knocks = 0;

 private:
  const Duration clock_error_;
  SeededRandom random_;
  std::unique_ptr<Rendezvous> rendezvous_;
};

struct Sent {
  TimePoint at;
  std::string topic;
  Bytes payload;
};

class World {
 public:
  // What becomes of the n-th message that was ever published: one delivery for
  // each delay that is added to the broker's.
  using Fate = std::function<std::vector<Duration>(std::size_t n)>;

  // The same identities get the same keys; everything else that is random
  // comes from seed.
  explicit World(std::uint64_t seed = 1, std::uint64_t identities = 1)
      : identity_random_(identities),
        random_(seed + 1000),
        alice(crypto::Identity::Generate(identity_random_)),
        bob(crypto::Identity::Generate(identity_random_)),
        fate([](std::size_t) { return std::vector<Duration>{0s}; }) {}

  Rendezvous::Config OffererConfig() const {
    return {Role::kOfferer,
            &alice,
            bob.public_key(),
            std::nullopt,
            {crypto::Suite::kAes256Gcm, crypto::Suite::kChaCha20Poly1305},
            {}};
  }
  Rendezvous::Config AnswererConfig() const {
    Rendezvous::Config config = OffererConfig();
    config.role = Role::kAnswerer;
    config.self = &bob;
    config.peer = alice.public_key();
    return config;
  }

  // Starts a process; its broker answers a round trip later.
  Node& Start(Rendezvous::Config config, Duration clock_error = 0s) {
    Node& node = StartWithoutCandidates(std::move(config), clock_error);
    node->SetLocalCandidates(
        now, {CandidateAt(static_cast<std::uint8_t>(nodes_.size()), 100)});
    return node;
  }
  Node& StartWithoutCandidates(Rendezvous::Config config,
                               Duration clock_error = 0s) {
    nodes_.push_back(std::make_unique<Node>(now, std::move(config), clock_error,
                                            random_.NextU64()));
    Node& node = *nodes_.back();
    At(now + kRoundTrip, [this, &node] {
      if (Gone(node)) return;
      node.subscribed = true;
      node->HandleSubscribed(now, node.Wall(now));
      Settle(node);
    });
    return node;
  }
  Node& StartOfferer() { return Start(OffererConfig()); }
  Node& StartAnswerer() { return Start(AnswererConfig()); }
  // Without a word, as by kill -9.
  void Kill(Node& node) {
    const auto found =
        std::find_if(nodes_.begin(), nodes_.end(),
                     [&](const auto& other) { return other.get() == &node; });
    // Kept, so that tests may still look at it.
    graveyard_.push_back(std::move(*found));
    nodes_.erase(found);
  }

  void At(TimePoint time, std::function<void()> action) {
    agenda_.emplace(time, std::move(action));
  }
  // Publishes and collects what a call has caused.
  void Settle(Node& node) {
    while (auto published = node->PollPublish()) {
      const std::size_t n = sent.size();
      sent.push_back({now, published->topic, published->payload});
      for (const Duration delay : fate(n)) {
        Deliver(now + kOneWay + delay, sent[n]);
      }
    }
    node.Collect(now);
  }
  // To whoever is subscribed when it arrives.
  void Deliver(TimePoint time, Sent message) {
    At(time, [this, message = std::move(message)] {
      Inject(message.topic, message.payload);
    });
  }
  void Inject(const std::string& topic, ByteSpan payload) {
    // Nodes may come and go while they are served.
    std::vector<Node*> receivers;
    for (const auto& node : nodes_) {
      const auto topics = (*node)->Topics();
      if (node->subscribed &&
          std::find(topics.begin(), topics.end(), topic) != topics.end()) {
        receivers.push_back(node.get());
      }
    }
    for (Node* node : receivers) {
      (*node)->HandleMessage(now, node->Wall(now), topic, payload);
      Settle(*node);
    }
  }

  // Until done() or until the time is over; returns done().
  bool RunUntil(const std::function<bool()>& done, Duration patience) {
    const TimePoint end = now + patience;
    for (const auto& node : nodes_) Settle(*node);
    while (!done()) {
      std::optional<TimePoint> next;
      if (!agenda_.empty()) next = agenda_.begin()->first;
      for (const auto& node : nodes_) {
        const auto due = (*node)->PollTimeout();
        if (due.has_value() && (!next.has_value() || *due < *next)) next = due;
      }
      if (!next.has_value() || *next > end) {
        now = end;
        return done();
      }
      now = std::max(now, *next);
      if (!agenda_.empty() && agenda_.begin()->first <= now) {
        const auto action = std::move(agenda_.begin()->second);
        agenda_.erase(agenda_.begin());
        action();
        continue;
      }
      for (const auto& node : nodes_) {
        const auto due = (*node)->PollTimeout();
        if (!due.has_value() || *due > now) continue;
        (*node)->HandleTimeout(now, node->Wall(now));
        Settle(*node);
        // A node that asks to be woken at once for ever would hang here.
        ++turns;
      }
    }
    return true;
  }
  void Run(Duration time) {
    RunUntil([] { return false; }, time);
  }
  bool Meet(Node& a, Node& b, Duration patience) {
    return RunUntil([&] { return Agree(a, b); }, patience);
  }

  // Both hold a session, and it is the same one.
  static bool Agree(const Node& a, const Node& b) {
    if (!a.current.has_value() || !b.current.has_value()) return false;
    const Established& x = a.sessions[*a.current];
    const Established& y = b.sessions[*b.current];
    return x.keys.send == y.keys.receive && x.keys.receive == y.keys.send &&
           x.keys.handshake_hash == y.keys.handshake_hash && x.suite == y.suite;
  }

  TimePoint now = TimePoint(1s);
  std::vector<Sent> sent;
  int turns = 0;

 private:
  bool Gone(const Node& node) const {
    return std::none_of(nodes_.begin(), nodes_.end(), [&](const auto& other) {
      return other.get() == &node;
    });
  }

  SeededRandom identity_random_;
  SeededRandom random_;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::vector<std::unique_ptr<Node>> graveyard_;
  std::multimap<TimePoint, std::function<void()>> agenda_;

 public:
  const crypto::Identity alice;
  const crypto::Identity bob;
  Fate fate;
};

}  // namespace p2pcp::signaling::simulated

#endif  // P2PCP_NET_SIGNALING_WORLD_FOR_TESTS_H_

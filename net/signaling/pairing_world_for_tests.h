// For tests: pairings and a broker in virtual time. Every message can be lost,
// delayed, multiplied, heard and answered by others.

#ifndef P2PCP_NET_SIGNALING_PAIRING_WORLD_FOR_TESTS_H_
#define P2PCP_NET_SIGNALING_PAIRING_WORLD_FOR_TESTS_H_

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
#include "net/base/time.h"
#include "net/crypto/identity.h"
#include "net/crypto/pairing_code.h"
#include "net/signaling/pairing.h"
#include "net/signaling/pairing_event.h"

namespace p2pcp::signaling::simulated {

// From one side through the broker to the other.
inline constexpr Duration kOneWay = 50ms;
// 2026-03-04 12:59:00 UTC: the hour turns after a minute.
inline constexpr UnixTime kAlmostOne{std::chrono::seconds(1772629140)};

// One process: a pairing with what it has told.
class Person {
 public:
  Person(TimePoint now, const crypto::Identity* self,
         const std::optional<crypto::PairingCode>& shown, Duration clock_error,
         std::uint64_t seed)
      : clock_error_(clock_error),
        random_(seed),
        pairing_(now, Wall(now), self, shown, random_) {}

  UnixTime Wall(TimePoint now) const {
    return kAlmostOne + std::chrono::duration_cast<UnixClock::duration>(
                            now.time_since_epoch() + clock_error_);
  }
  Pairing* operator->() { return &pairing_; }

  void Collect(TimePoint now) {
    while (auto event = pairing_.PollEvent()) {
      if (auto* paired_now = std::get_if<Paired>(&*event)) {
        ++times_paired;
        paired = std::move(*paired_now);
        paired_at = now;
        if (keeps) {
          pairing_.Confirm(now);
        } else {
          pairing_.Refuse(now);
        }
      } else if (auto* guess = std::get_if<WrongGuess>(&*event)) {
        guesses_left.push_back(guess->left);
      } else if (auto* wrong = std::get_if<WrongCode>(&*event)) {
        tries_left.push_back(wrong->left);
      } else if (std::holds_alternative<NobodyThere>(*event)) {
        ++lonely;
      } else if (auto* failed = std::get_if<PairingFailed>(&*event)) {
        failure = failed->error;
      }
    }
  }

  bool keeps = true;
  bool alive = true;
  std::optional<Paired> paired;
  TimePoint paired_at;
  int times_paired = 0;
  std::vector<int> guesses_left;
  std::vector<int> tries_left;
  int lonely = 0;
  std::optional<Error> failure;
  // What the broker knows that this side wants, once it has said so.
  std::vector<std::string> subscribed;
  std::vector<std::string> wanted;

 private:
  const Duration clock_error_;
  SeededRandom random_;
  Pairing pairing_;
};

struct Heard {
  std::string topic;
  Bytes payload;
};

class PairingWorld {
 public:
  // What becomes of the n-th message: one delivery for each delay.
  using Fate = std::function<std::vector<Duration>(std::size_t n)>;

  explicit PairingWorld(std::uint64_t seed = 1)
      : random(seed),
        alice(crypto::Identity::Generate(random)),
        bob(crypto::Identity::Generate(random)),
        mallory(crypto::Identity::Generate(random)),
        fate([](std::size_t) { return std::vector<Duration>{0s}; }) {}

  Person& Start(const crypto::Identity& self,
                const std::optional<crypto::PairingCode>& shown,
                Duration clock_error = 0s) {
    people_.push_back(std::make_unique<Person>(now, &self, shown, clock_error,
                                               random.NextU64()));
    Settle(*people_.back());
    return *people_.back();
  }
  void Enter(Person& person, const crypto::PairingCode& code) {
    person->Enter(now, person.Wall(now), code);
    Settle(person);
  }

  void At(TimePoint time, std::function<void()> action) {
    agenda_.emplace(time, std::move(action));
  }
  // Publishes and collects what a call has caused.
  void Settle(Person& person) {
    person.Collect(now);
    while (auto published = person->PollPublish()) {
      const std::size_t n = sent.size();
      sent.push_back({published->topic, published->payload});
      for (const Duration delay : fate(n)) {
        const Heard message = sent[n];
        At(now + kOneWay + delay, [this, message] { Inject(message); });
      }
    }
    person.Collect(now);
    const std::vector<std::string> topics = person->Topics();
    if (topics == person.wanted) return;
    person.wanted = topics;
    At(now + 2 * kOneWay, [this, &person, topics] {
      person.subscribed = topics;
      person->HandleSubscribed(now);
      Settle(person);
    });
  }
  // To all who are subscribed, as the broker would; and to the adversary.
  void Inject(const Heard& message) {
    // Called for each message that arrives; others may come of it.
    if (adversary) adversary(message);
    for (const auto& person : people_) {
      if (!person->alive ||
          std::find(person->subscribed.begin(), person->subscribed.end(),
                    message.topic) == person->subscribed.end()) {
        continue;
      }
      (*person)->HandleMessage(now, message.topic, message.payload);
      Settle(*person);
    }
  }

  // Until done() or until the time is over; returns done().
  bool RunUntil(const std::function<bool()>& done, Duration patience) {
    const TimePoint end = now + patience;
    for (const auto& person : people_) Settle(*person);
    while (!done()) {
      std::optional<TimePoint> next;
      if (!agenda_.empty()) next = agenda_.begin()->first;
      for (const auto& person : people_) {
        const auto due =
            person->alive ? (*person)->PollTimeout() : std::nullopt;
        if (due && (!next || *due < *next)) next = due;
      }
      if (!next || *next > end) {
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
      for (const auto& person : people_) {
        const auto due =
            person->alive ? (*person)->PollTimeout() : std::nullopt;
        if (!due || *due > now) continue;
        (*person)->HandleTimeout(now, person->Wall(now));
        Settle(*person);
        ++turns;
      }
    }
    return true;
  }
  void Run(Duration time) {
    RunUntil([] { return false; }, time);
  }

  // Both hold each other's key, and the same secret.
  static bool Agree(const Person& a, const crypto::Identity& of_a,
                    const Person& b, const crypto::Identity& of_b) {
    return a.paired && b.paired && a.paired->peer == of_b.public_key() &&
           b.paired->peer == of_a.public_key() &&
           a.paired->psk == b.paired->psk;
  }

  TimePoint now = TimePoint(1s);
  std::vector<Heard> sent;
  int turns = 0;
  SeededRandom random;
  const crypto::Identity alice;
  const crypto::Identity bob;
  const crypto::Identity mallory;
  Fate fate;
  // Hears all that the broker delivers.
  std::function<void(const Heard&)> adversary;

 private:
  std::vector<std::unique_ptr<Person>> people_;
  std::multimap<TimePoint, std::function<void()>> agenda_;
};

inline crypto::PairingCode Code(const char* text) {
  return *crypto::PairingCode::Parse(text);
}

}  // namespace p2pcp::signaling::simulated

#endif  // P2PCP_NET_SIGNALING_PAIRING_WORLD_FOR_TESTS_H_

#include "net/connect/reception.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "net/base/random.h"
#include "net/base/socket_address.h"
#include "net/base/time.h"
#include "net/crypto/contact_book.h"
#include "net/crypto/identity.h"
#include "net/crypto/packet_cipher.h"
#include "net/ice/candidate.h"
#include "net/signaling/rendezvous.h"

namespace p2pcp::connect {
namespace {

using signaling::Rendezvous;

constexpr UnixTime kNoon{std::chrono::seconds(1772625600)};
constexpr Duration kStep = 10ms;

ice::Candidate Host() {
  ice::Candidate candidate;
  candidate.address = candidate.base = *SocketAddress::Parse("192.0.2.1:5000");
  candidate.priority = ice::ComputePriority(ice::CandidateType::kHost, 1);
  return candidate;
}

// Somebody who has files for the host.
struct Sender {
  crypto::Identity identity;
  std::unique_ptr<Rendezvous> offering;   // Null: is not there.
  std::unique_ptr<Rendezvous> answering;  // The host's, while it is inside.
  bool told_busy = false;
  bool met = false;

  crypto::Contact contact(const std::string& name) const {
    return {name, identity.public_key(), std::nullopt, kNoon, std::nullopt, {}};
  }
};

// A reception and its senders. What one of them publishes arrives at the next
// step.
class ReceptionTest : public testing::Test {
 protected:
  void Start(std::size_t senders, std::size_t room) {
    for (std::size_t i = 0; i < senders; ++i) {
      senders_.push_back(
          Sender{crypto::Identity::Generate(random_), nullptr, nullptr});
    }
    reception_.emplace(Reception::Config{&self_, room}, random_);
    reception_->SetPeers(now_, kNoon, Contacts(senders));
    reception_->HandleSubscribed(now_, kNoon);
  }
  std::vector<crypto::Contact> Contacts(std::size_t count) {
    std::vector<crypto::Contact> contacts;
    for (std::size_t i = 0; i < count; ++i) {
      contacts.push_back(senders_[i].contact("peer" + std::to_string(i)));
    }
    return contacts;
  }
  Rendezvous::Config ConfigOf(const Sender& sender, bool offers) {
    return {
        .role = offers ? signaling::Role::kOfferer : signaling::Role::kAnswerer,
        .self = offers ? &sender.identity : &self_,
        .peer = offers ? self_.public_key() : sender.identity.public_key(),
        .psk = std::nullopt,
        .suites = {crypto::Suite::kChaCha20Poly1305},
        .versions = {}};
  }
  void Come(std::size_t i) {
    Sender& sender = senders_[i];
    sender.offering = std::make_unique<Rendezvous>(
        now_, kNoon, ConfigOf(sender, true), random_);
    sender.offering->SetLocalCandidates(now_, {Host()});
    sender.offering->HandleSubscribed(now_, kNoon);
    sender.told_busy = sender.met = false;
  }
  void Go(std::size_t i) {
    senders_[i].offering.reset();
    senders_[i].answering.reset();
    reception_->Leave(now_, kNoon, senders_[i].identity.public_key());
  }

  void Step() {
    now_ += kStep;
    const auto due = [this](const auto& who) {
      return who.PollTimeout().value_or(TimePoint::max()) <= now_;
    };
    if (due(*reception_)) reception_->HandleTimeout(now_, kNoon);
    while (const auto arrival = reception_->PollArrival()) Admit(*arrival);
    while (const auto said = reception_->PollPublish()) Tell(*said);
    for (Sender& sender : senders_) {
      for (Rendezvous* side : {sender.offering.get(), sender.answering.get()}) {
        if (side == nullptr) continue;
        if (due(*side)) side->HandleTimeout(now_, kNoon);
        while (const auto said = side->PollPublish()) Tell(*said);
        while (const auto event = side->PollEvent()) {
          if (side != sender.offering.get()) continue;
          sender.told_busy = sender.told_busy ||
                             std::holds_alternative<signaling::Busy>(*event);
          sender.met = sender.met ||
                       std::holds_alternative<signaling::Established>(*event);
        }
      }
    }
  }
  void Admit(const Reception::Arrival& arrival) {
    arrived_.push_back(arrival.peer.name);
    for (Sender& sender : senders_) {
      if (sender.identity.public_key() != arrival.peer.key) continue;
      Rendezvous::Config config = ConfigOf(sender, false);
      config.ready = arrival.ready;
      sender.answering =
          std::make_unique<Rendezvous>(now_, kNoon, config, random_);
      sender.answering->SetLocalCandidates(now_, {Host()});
      sender.answering->HandleSubscribed(now_, kNoon);
      sender.answering->HandleMessage(now_, kNoon, arrival.topic,
                                      arrival.offer);
    }
  }
  // By value: it may be one of those that were said before.
  void Tell(const Rendezvous::Publish said) {
    said_.push_back(said);
    reception_->HandleMessage(now_, kNoon, said.topic, said.payload);
    while (const auto arrival = reception_->PollArrival()) Admit(*arrival);
    for (Sender& sender : senders_) {
      for (Rendezvous* side : {sender.offering.get(), sender.answering.get()}) {
        if (side != nullptr) {
          side->HandleMessage(now_, kNoon, said.topic, said.payload);
        }
      }
    }
  }
  void Run(Duration time) {
    for (const TimePoint end = now_ + time; now_ < end;) Step();
  }

  SeededRandom random_{1};
  const crypto::Identity self_ = crypto::Identity::Generate(random_);
  TimePoint now_{1s};
  std::vector<Sender> senders_;
  std::optional<Reception> reception_;
  std::vector<std::string> arrived_;
  std::vector<Rendezvous::Publish> said_;
};

TEST_F(ReceptionTest, WhoComesIsLetInAndMetByWhoeverIsGivenTheOffer) {
  Start(3, 2);
  Run(1min);
  Come(1);
  Run(100ms);
  EXPECT_EQ(arrived_, std::vector<std::string>{"peer1"});
  EXPECT_TRUE(senders_[1].met);
  EXPECT_EQ(reception_->inside(), 1u);
  // There is room for another, but not for a third.
  Come(0);
  Come(2);
  Run(1s);
  EXPECT_EQ(arrived_.size(), 2u);
  EXPECT_EQ(senders_[0].told_busy + senders_[2].told_busy, 1);
  EXPECT_EQ(reception_->waiting(), 1u);
}

TEST_F(ReceptionTest, ThoseWhoWaitGetInAtOnceInTheOrderInWhichTheyCame) {
  Start(5, 1);
  for (const std::size_t i : {3, 0, 4, 1, 2}) {
    Come(i);
    Run(500ms);
  }
  EXPECT_EQ(arrived_, std::vector<std::string>{"peer3"});
  for (const std::size_t i : {3, 0, 4, 1}) {
    Go(i);
    // Not before the beacon that comes every half minute.
    Run(200ms);
  }
  EXPECT_EQ(arrived_, (std::vector<std::string>{"peer3", "peer0", "peer4",
                                                "peer1", "peer2"}));
  for (const Sender& sender : senders_) {
    EXPECT_EQ(sender.told_busy, &sender != &senders_[3]);
  }
}

TEST_F(ReceptionTest, WhoComesAgainComesLast) {
  Start(2, 1);
  Come(0);
  Run(500ms);
  Come(1);
  Run(500ms);
  Go(0);
  Come(0);
  Run(500ms);
  Go(1);
  Run(500ms);
  EXPECT_EQ(arrived_, (std::vector<std::string>{"peer0", "peer1", "peer0"}));
}

TEST_F(ReceptionTest, AnInvitationThatIsNotTakenIsGivenToTheNext) {
  Start(4, 1);
  Come(0);
  Run(500ms);
  Come(1);
  Run(500ms);
  Come(2);
  Run(500ms);
  senders_[1].offering.reset();  // Without a word.
  Go(0);
  Run(Reception::kInvitation - 100ms);
  EXPECT_EQ(arrived_, std::vector<std::string>{"peer0"});
  Run(500ms);
  EXPECT_EQ(arrived_, (std::vector<std::string>{"peer0", "peer2"}));
  Go(2);
  // Nobody waits any more: whoever comes is welcome.
  Run(5s);
  Come(3);
  Run(200ms);
  EXPECT_EQ(arrived_.back(), "peer3");
  EXPECT_FALSE(senders_[3].told_busy);
}

TEST_F(ReceptionTest, PeersMayBeAddedAndRemovedAtAnyTime) {
  Start(3, 3);
  reception_->SetPeers(now_, kNoon, Contacts(1));
  EXPECT_EQ(reception_->Topics().size(), 3u);
  Come(0);
  Come(1);
  Run(5s);
  EXPECT_EQ(arrived_, std::vector<std::string>{"peer0"});
  // One that is inside stays, with its topics, until it leaves.
  reception_->SetPeers(now_, kNoon, {senders_[1].contact("peer1")});
  EXPECT_EQ(reception_->Topics().size(), 6u);
  EXPECT_EQ(reception_->inside(), 1u);
  reception_->HandleSubscribed(now_, kNoon);
  Run(1s);
  EXPECT_EQ(arrived_, (std::vector<std::string>{"peer0", "peer1"}));
  Go(0);
  EXPECT_EQ(reception_->Topics().size(), 3u);
  EXPECT_EQ(reception_->inside(), 1u);
  Come(0);
  Run(5s);
  EXPECT_EQ(arrived_.size(), 2u);
}

TEST_F(ReceptionTest, SaysNothingBeforeABrokerListens) {
  Start(1, 1);
  Reception quiet({&self_, 1}, random_);
  quiet.SetPeers(now_, kNoon, Contacts(1));
  quiet.HandleTimeout(now_ + 1min, kNoon);
  EXPECT_FALSE(quiet.PollPublish());
  quiet.HandleSubscribed(now_ + 1min, kNoon);
  EXPECT_TRUE(quiet.PollPublish());
}

// Nothing that was recorded gets anybody in: not the offer either.
TEST_F(ReceptionTest, WhatIsReplayedTakesNoPlace) {
  Start(2, 1);
  Come(0);
  Run(1s);
  EXPECT_TRUE(senders_[0].met);
  Go(0);
  const std::vector<Rendezvous::Publish> recorded = said_;
  ASSERT_GE(recorded.size(), 3u);
  for (int i = 0; i < 100; ++i) {
    for (const auto& said : recorded) Tell(said);
    Run(100ms);
  }
  EXPECT_EQ(arrived_, std::vector<std::string>{"peer0"});
  EXPECT_EQ(reception_->inside(), 0u);
  Come(1);
  Run(200ms);
  EXPECT_EQ(arrived_.back(), "peer1");
}

TEST_F(ReceptionTest, LetsInWhoKnowsOnlyTheKeyOfBeforeARotation) {
  senders_.push_back(
      Sender{crypto::Identity::Generate(random_), nullptr, nullptr});
  const crypto::Identity next = crypto::Identity::Generate(random_);
  reception_.emplace(Reception::Config{&next, 1, &self_}, random_);
  std::vector<crypto::Contact> contacts = Contacts(1);
  reception_->SetPeers(now_, kNoon, contacts);
  reception_->HandleSubscribed(now_, kNoon);
  EXPECT_EQ(reception_->Topics().size(), 3u);
  Come(0);
  Run(3s);
  EXPECT_TRUE(arrived_.empty());

  contacts[0].rules.knows_old_key = true;
  reception_->SetPeers(now_, kNoon, contacts);
  EXPECT_EQ(reception_->Topics().size(), 6u);
  Run(2s);
  EXPECT_EQ(arrived_, std::vector<std::string>{"peer0"});
  EXPECT_TRUE(senders_[0].met);
  reception_.reset();  // Before the key that it holds on to.
}

}  // namespace
}  // namespace p2pcp::connect

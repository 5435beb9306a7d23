#include "net/signaling/rendezvous.h"

#include <algorithm>
#include <utility>

#include "net/base/check.h"
#include "net/signaling/answerer.h"
#include "net/signaling/machine.h"
#include "net/signaling/offerer.h"

namespace p2pcp::signaling {
namespace {

std::unique_ptr<Machine> MakeMachine(TimePoint now, RendezvousConfig config,
                                     Mailbox& mailbox, Random& random) {
  if (config.role == Role::kOfferer) {
    return std::make_unique<Offerer>(std::move(config), mailbox, random);
  }
  return std::make_unique<Answerer>(now, std::move(config), mailbox, random);
}

}  // namespace

Rendezvous::Rendezvous(TimePoint now, UnixTime wall, Config config,
                       Random& random)
    : mailbox_(now, wall, config.role, *config.self, config.peer,
               config.versions, random) {
  P2PCP_CHECK(!config.suites.empty());
  machine_ = MakeMachine(now, std::move(config), mailbox_, random);
}

Rendezvous::~Rendezvous() = default;

std::vector<std::string> Rendezvous::Topics() const {
  return mailbox_.topics();
}

void Rendezvous::HandleSubscribed(TimePoint now, UnixTime wall) {
  mailbox_.SetWall(now, wall);
  machine_->HandleOnline(now);
}

void Rendezvous::HandleMessage(TimePoint now, UnixTime wall,
                               std::string_view topic, ByteSpan payload) {
  mailbox_.SetWall(now, wall);
  mailbox_.Receive(now, topic, payload, [this](const Message& message) {
    return machine_->Expects(message);
  });
  Drain(now);
}

void Rendezvous::HandleTimeout(TimePoint now, UnixTime wall) {
  mailbox_.SetWall(now, wall);
  Drain(now);
  machine_->HandleTimeout(now);
}

std::optional<TimePoint> Rendezvous::PollTimeout() const {
  const TimePoint next = mailbox_.PollTimeout();
  return std::min(next, machine_->PollTimeout().value_or(next));
}

void Rendezvous::Drain(TimePoint now) {
  while (const auto message = mailbox_.Next(now)) {
    machine_->HandleMessage(now, *message);
  }
}

void Rendezvous::SetLocalCandidates(TimePoint now,
                                    std::vector<ice::Candidate> candidates) {
  machine_->SetLocalCandidates(now, std::move(candidates));
}

void Rendezvous::RepeatCandidates(TimePoint now) {
  machine_->RepeatCandidates(now);
}

void Rendezvous::SetLocalNat(TimePoint now, const ice::Nat& nat) {
  machine_->SetLocalNat(now, nat);
}

void Rendezvous::SetBusy(TimePoint now, bool busy) {
  machine_->SetBusy(now, busy);
}

void Rendezvous::Close(TimePoint, ByeReason reason) { machine_->Close(reason); }

bool Rendezvous::PeerConfirmed() const { return machine_->PeerConfirmed(); }

std::optional<Nonce> Rendezvous::WaitingOffer() const {
  return machine_->WaitingOffer();
}

std::optional<Rendezvous::Publish> Rendezvous::PollPublish() {
  return mailbox_.PollPublish();
}

std::optional<Rendezvous::Event> Rendezvous::PollEvent() {
  return machine_->PollEvent();
}

}  // namespace p2pcp::signaling

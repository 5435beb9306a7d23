#include "cmd/network/connect_steps.h"

#include <fmt/format.h>

#include <algorithm>

#include "cmd/progress.h"
#include "cmd/text.h"

namespace p2pcp::cmd {

void ConnectSteps::Begin(TimePoint now, std::optional<Duration> timeout) {
  begun_ = since_ = now;
  if (timeout) deadline_ = now + *timeout;
}

void ConnectSteps::Enter(TimePoint now, Step step) {
  if (step_ == step) return;
  step_ = step;
  since_ = now;
}

void ConnectSteps::HandleBroker(TimePoint now, const std::string& url) {
  events_->Connecting("broker", url);
  broker_ = url;
  if (step_ == Step::kBroker) Enter(now, Step::kPeer);
}

void ConnectSteps::HandlePeer(TimePoint now) {
  events_->Connecting("peer");
  if (step_ != Step::kPath) Enter(now, Step::kHandshake);
}

void ConnectSteps::HandleBusy(TimePoint now) {
  events_->Connecting("busy");
  Enter(now, Step::kBusy);
}

void ConnectSteps::HandleHandshake(TimePoint now) {
  events_->Connecting("handshake");
  Enter(now, Step::kPath);
}

void ConnectSteps::HandleGone(TimePoint now) {
  events_->Connecting("gone");
  Enter(now, Step::kPeer);
}

std::string ConnectSteps::Text() const {
  switch (step_) {
    case Step::kBroker:
      return fmt::format("waiting for a broker, to meet {}", peer_);
    case Step::kPeer:
      return fmt::format("waiting for {} to {}", peer_,
                         again_ ? "come back" : "appear");
    case Step::kHandshake:
      return fmt::format("{} is there; agreeing on keys", peer_);
    case Step::kBusy:
      return fmt::format("{} is busy with another transfer; our turn will come",
                         peer_);
    case Step::kPath:
      return fmt::format("{} is there; punching a path", peer_);
  }
  return "";
}

std::optional<Duration> ConnectSteps::Left(TimePoint now) const {
  if (!deadline_ || step_ == Step::kPath) return std::nullopt;
  return std::max(*deadline_ - now, Duration::zero());
}

void ConnectSteps::Draw(TimePoint now) const {
  if (!console_->live()) return;
  console_->Live(
      RenderWaiting(Text(), now - since_, Left(now), console_->columns()));
}

std::string ConnectSteps::State(TimePoint now,
                                const std::string& probes) const {
  std::string text =
      fmt::format("{} for {}", Text(), FormatDuration(now - since_));
  if (const auto left = Left(now)) {
    text += fmt::format(", {} left", FormatDuration(*left));
  }
  if (!broker_.empty()) text += "\n  broker: " + Escape(broker_);
  if (step_ == Step::kPath) text += "\n  " + probes;
  return text;
}

}  // namespace p2pcp::cmd

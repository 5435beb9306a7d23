#include "cmd/network/stall.h"

#include <fmt/format.h>

namespace p2pcp::cmd {
namespace {

double Seconds(Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

}  // namespace

void Stall::HandleSilence(TimePoint now, Duration quiet) {
  if (!since_) {
    since_ = now - quiet;
    reports_ = 0;
    told_ = false;
    events_->Stalled(quiet);
  }
  ++reports_;
}

void Stall::HandleTick(TimePoint now) {
  if (!since_ || told_ || now < *since_ + kWorthTelling) return;
  told_ = true;
  console_->Line(
      fmt::format("stalled: nothing comes from {}; punching again", peer_));
}

void Stall::HandleAlive(TimePoint now) {
  if (!since_) return;
  const Duration took = now - *since_;
  since_.reset();
  events_->Resumed(took);
  if (told_) {
    console_->Line(fmt::format("{} is back after {:.1f} s; going on", peer_,
                               Seconds(took)));
  }
}

}  // namespace p2pcp::cmd

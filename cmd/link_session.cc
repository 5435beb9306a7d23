// A link while it carries a session, to the session's end.

#include <sys/epoll.h>

#include <utility>
#include <variant>

#include "cmd/link.h"

namespace p2pcp::cmd {
namespace {

// What a peer that began anew is given to be heard from as the old one after
// all: a line that is gone for so long and comes back finds it so.
constexpr Duration kGoneAfter = 3s;
// It knocks again within this time as long as it waits.
constexpr Duration kKnockLife = 10s;

}  // namespace

std::optional<ExitCode> Link::Run(Session* session, int disk_fd,
                                  const Handler& handler) {
  session_ = session;
  pump_ = std::make_unique<Pump>(connector_->channel(), session);
  loop_->Watch(disk_fd, EPOLLIN,
               [this](std::uint32_t) { session_->HandleDisk(loop_->Now()); });
  TimePoint now = loop_->Now();
  for (const Early& early : std::exchange(early_, {})) {
    session->HandlePacket(now, early.number, early.bytes);
  }
  more_to_send_ = true;
  std::optional<TimePoint> over;
  TimePoint next_tick = now;
  bool cancelled = false;
  bool first_byte = false;
  while (!over || loop_->Now() < *over) {
    if (signal_ && !cancelled) {
      cancelled = true;
      session->Cancel(loop_->Now(), Error{ErrorCode::kOther, "interrupted"});
      more_to_send_ = true;
    }
    if (signals_seen_ > 1) break;
    now = loop_->Now();
    const ConnectionStats& stats = session->stats();
    if (!first_byte &&
        stats.data_bytes_received + stats.data_bytes_acknowledged > 0) {
      first_byte = true;
      Step("first bytes of the file are there");
    }
    if (std::exchange(state_wanted_, false)) handler.on_state_wanted(now);
    if (now >= next_tick || std::exchange(resized_, false)) {
      handler.on_tick(now);
      WatchFlood(now);
      if (knocked_ && now - *knocked_ <= kKnockLife && stall_.stalled() &&
          connector_->channel()->quiet(now) >= kGoneAfter) {
        session->HandleChannelLost(now);
      }
      if (pump_->trains_condemned() && !std::exchange(told_trains_, true)) {
        Step(
            "trains of datagrams get damaged on the way (a bug of a kernel "
            "or driver); they leave one by one from now on");
      }
      next_tick = now + kTick;
    }
    bool ended = false;
    while (const auto event = session->PollEvent()) {
      ended = ended || std::holds_alternative<Completed>(*event) ||
              std::holds_alternative<p2pcp::Failed>(*event);
      handler.on_event(*event);
    }
    // What the session still has to say (a last acknowledgement, a CLOSE) goes
    // out with the next turn; nothing is waited for.
    if (ended && !over) over = now;
    Turn(over ? now : next_tick);
  }
  loop_->Unwatch(disk_fd);
  outlet_->Drop();  // It lies in the pump's buffer.
  pump_.reset();
  session_ = nullptr;
  return signal_;
}

}  // namespace p2pcp::cmd

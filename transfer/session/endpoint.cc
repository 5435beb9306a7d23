#include "transfer/session/endpoint.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "net/base/check.h"
#include "transfer/session/limits.h"

namespace p2pcp {

namespace {

// How long a CLOSE waits to be taken by a driver that does not ask.
constexpr Duration kCloseGrace = 200ms;
// What a user who gives up waits for the peer to hear of it.
constexpr Duration kCancelPatience = 1s;

// CLOSE codes: a good end, or one more than a Reason.
constexpr std::uint16_t kCloseFinished = 0;

std::uint16_t CloseCode(const std::optional<message::Reason>& reason) {
  if (!reason) return kCloseFinished;
  return static_cast<std::uint16_t>(static_cast<unsigned>(*reason) + 1);
}

}  // namespace

std::optional<Error> UnfinishedError(const Shortfall& shortfall) {
  const auto count = [](std::uint64_t n) {
    return n == 1 ? "1 file was " : std::to_string(n) + " files were ";
  };
  if (shortfall.damaged > 0) {
    return Error{ErrorCode::kIntegrity,
                 shortfall.damaged == 1 ? "1 file arrived damaged"
                                        : std::to_string(shortfall.damaged) +
                                              " files arrived damaged"};
  }
  if (shortfall.unreadable > 0) {
    return Error{ErrorCode::kSourceUnreadable,
                 count(shortfall.unreadable) +
                     "unreadable, or changed while being sent"};
  }
  if (shortfall.kept_back > 0) {
    const std::uint64_t others = shortfall.left_out;
    return Error{ErrorCode::kKeptBack,
                 count(shortfall.kept_back) + "kept back" +
                     (others > 0 ? "; the sender left out " +
                                       std::to_string(others) + " more"
                                 : "")};
  }
  if (shortfall.left_out > 0) {
    return Error{ErrorCode::kKeptBack,
                 count(shortfall.left_out) + "left out by the sender"};
  }
  return std::nullopt;
}

message::Reason ReasonFor(const Error& error) {
  switch (error.code) {
    case ErrorCode::kMalformed:
      return message::Reason::kViolation;
    case ErrorCode::kDeclined:
      return message::Reason::kDeclined;
    case ErrorCode::kKeptBack:
      return message::Reason::kKeptBack;
    case ErrorCode::kIntegrity:
      return message::Reason::kIntegrity;
    case ErrorCode::kSourceUnreadable:
      return message::Reason::kSourceUnreadable;
    case ErrorCode::kCannotWrite:
      return message::Reason::kCannotWrite;
    case ErrorCode::kVersionMismatch:
      return message::Reason::kVersionMismatch;
    case ErrorCode::kUsage:
      return message::Reason::kRefused;
    case ErrorCode::kOther:
    case ErrorCode::kPeerNeverAppeared:
    case ErrorCode::kRendezvousUnreachable:
    case ErrorCode::kNoPath:
    case ErrorCode::kAuthenticationFailed:
    case ErrorCode::kConnectionLost:
      return message::Reason::kOther;
  }
  return message::Reason::kOther;
}

Error PeerError(message::Reason reason, bool peer_is_receiver) {
  const std::string who = peer_is_receiver ? "the receiver" : "the sender";
  switch (reason) {
    case message::Reason::kOther:
      return {ErrorCode::kOther, who + " gave up", 0};
    case message::Reason::kCancelled:
      return {ErrorCode::kDeclined, who + " cancelled the transfer", 0};
    case message::Reason::kDeclined:
      return {ErrorCode::kDeclined, who + " declined", 0};
    case message::Reason::kKeptBack:
      return {ErrorCode::kKeptBack, who + " kept it back", 0};
    case message::Reason::kIntegrity:
      return {ErrorCode::kIntegrity, who + " found it damaged", 0};
    case message::Reason::kSourceUnreadable:
      return {ErrorCode::kSourceUnreadable,
              who + " cannot read what it sends, or it changed", 0};
    case message::Reason::kCannotWrite:
      return {ErrorCode::kCannotWrite,
              who + " cannot write there, or has no room", 0};
    case message::Reason::kViolation:
      return {ErrorCode::kMalformed, who + " says that we broke the protocol",
              0};
    case message::Reason::kVersionMismatch:
      return {ErrorCode::kVersionMismatch,
              who + " speaks another version of the protocol", 0};
    case message::Reason::kRefused:
      return {ErrorCode::kDeclined, who + " cannot take what is offered", 0};
  }
  return {ErrorCode::kOther, who + " gave up", 0};
}

Endpoint::Endpoint(TimePoint now, const Connection::Config& config,
                   file::Disk* disk, const LoadMeter* meter, ByteSource* source,
                   ByteSink* sink)
    : connection_(now, config, source, sink),
      disk_(*disk),
      metered_disk_(disk),
      machine_(meter, &metered_disk_),
      initial_rtt_(config.initial_rtt),
      receiver_(sink != nullptr),
      progress_at_(now) {
  Send(message::Hello{kLowestVersion, kHighestVersion, receiver_});
}

// --- Inputs ---

void Endpoint::HandlePackets(TimePoint now,
                             std::span<const Connection::Received> packets) {
  if (state_ == State::kOver) return;
  connection_.HandlePackets(now, packets);
  if (!turn_due_) turn_due_ = now;
}

void Endpoint::HandleTimeout(TimePoint now) {
  if (state_ == State::kOver) return;
  const std::optional<TimePoint> due = connection_.PollTimeout();
  if (due && *due <= now) connection_.HandleTimeout(now);
  if (state_ == State::kClosing && now >= deadline_) return Finish();
  Step(now);
}

void Endpoint::HandleDisk(TimePoint now) {
  if (running()) {
    TakeDisk();
  } else {
    while (metered_disk_.Poll()) {
    }
  }
  Step(now);
}

void Endpoint::HandlePathChange(TimePoint now, std::size_t max_payload) {
  if (state_ == State::kOver) return;
  connection_.HandlePathChange(now, max_payload);
}

void Endpoint::HandleChannelLost(TimePoint) {
  if (state_ == State::kOver) return;
  if (running()) {
    result_ = Error{ErrorCode::kConnectionLost, "the connection was lost"};
  }
  Finish();
}

void Endpoint::Cancel(TimePoint now, Error reason) {
  if (!running()) return;
  close_reason_ = message::Reason::kCancelled;
  outbox_.clear();
  Send(message::Abort{close_reason_});
  Settle(now, std::move(reason), std::min(Linger(), kCancelPatience));
  Step(now);
}

// --- Outputs ---

std::optional<Connection::Packet> Endpoint::PollTransmit(TimePoint now,
                                                         PacketNumber number,
                                                         MutableByteSpan out) {
  if (turn_due_) Step(now);
  if (state_ == State::kOver) return std::nullopt;
  for (;;) {
    std::optional<Connection::Packet> packet =
        connection_.PollTransmit(now, number, out);
    if (packet) return packet;
    if (!running()) break;
    if (disk_.ready()) {
      // What the connection has just asked for may be there already.
      HandleDisk(now);
    } else if (HasNews()) {
      Step(now);
    } else {
      break;
    }
  }
  metered_disk_.Note(now);
  if (state_ == State::kClosing) Finish();
  return std::nullopt;
}

Connection::Run Endpoint::PollRun(TimePoint now, PacketNumber number,
                                  std::size_t most, std::size_t size,
                                  std::size_t stride, MutableByteSpan out) {
  if (turn_due_ || state_ == State::kOver) return {};
  return connection_.PollRun(now, number, most, size, stride, out);
}

std::optional<TimePoint> Endpoint::PollTimeout() const {
  if (state_ == State::kOver) return std::nullopt;
  if (turn_due_) return turn_due_;
  const std::optional<TimePoint> due = connection_.PollTimeout();
  if (running()) {
    std::optional<TimePoint> next = NextTurn();
    if (patience_) {
      const TimePoint end = progress_at_ + *patience_;
      next = next ? std::min(*next, end) : end;
    }
    return due && next ? std::min(*due, *next) : due ? due : next;
  }
  return due ? std::min(*due, deadline_) : deadline_;
}

std::optional<SessionEvent> Endpoint::PollEvent() {
  if (events_.empty()) return std::nullopt;
  SessionEvent event = std::move(events_.front());
  events_.pop_front();
  return event;
}

// --- The control stream ---

void Endpoint::Send(const message::Message& message) {
  outbox_.push_back(message::Serialize(message));
  FlushOutbox();
}

std::size_t Endpoint::SendRoom() const {
  return outbox_.empty() ? connection_.ControlRoom() : 0;
}

void Endpoint::FlushOutbox() {
  while (!outbox_.empty() &&
         outbox_.front().size() <= connection_.ControlRoom()) {
    connection_.SendControl(outbox_.front());
    outbox_.pop_front();
  }
}

void Endpoint::Receive(TimePoint now) {
  while (state_ == State::kRunning || state_ == State::kSettling) {
    const std::optional<Bytes> bytes = connection_.PollControl();
    if (!bytes) return;
    ++messages_;
    const std::optional<message::Message> message = message::Parse(*bytes);
    if (state_ == State::kSettling) {
      // The result is fixed; but the last word may be spoken.
      const auto* finished =
          message ? std::get_if<message::Finished>(&*message) : nullptr;
      if (finished != nullptr && awaits_answer_) {
        report_ = finished->report;
        Close(now);
      }
      continue;
    }
    const message::Hello* hello =
        message ? std::get_if<message::Hello>(&*message) : nullptr;
    if (!message) {
      FailViolation(now, "a message is malformed");
    } else if (!greeted_ && hello != nullptr) {
      HandleHello(now, *hello);
    } else if (!greeted_ || hello != nullptr) {
      FailViolation(now, "a greeting is missing or repeated");
    } else if (const auto* abort = std::get_if<message::Abort>(&*message)) {
      result_ = PeerError(abort->reason, !receiver_);
      close_reason_ = abort->reason;
      Close(now);
    } else {
      HandleMessage(now, *message);
    }
  }
}

void Endpoint::HandleHello(TimePoint now, const message::Hello& hello) {
  if (hello.receiver == receiver_) {
    return FailViolation(now, "both sides have the same role");
  }
  if (hello.lowest > kHighestVersion || hello.highest < kLowestVersion) {
    return Fail(now, PeerError(message::Reason::kVersionMismatch, !receiver_));
  }
  greeted_ = true;
  version_ = std::min(hello.highest, kHighestVersion);
}

// --- The end ---

void Endpoint::Settle(TimePoint now, std::optional<Error> result,
                      Duration patience) {
  P2PCP_CHECK(running());
  state_ = State::kSettling;
  awaits_answer_ = receiver_ && !result;
  result_ = std::move(result);
  deadline_ = now + patience;
}

void Endpoint::Close(TimePoint now) {
  if (state_ == State::kClosing || state_ == State::kOver) return;
  state_ = State::kClosing;
  deadline_ = now + kCloseGrace;
  std::optional<message::Reason> reason;
  if (result_) reason = close_reason_;
  if (!connection_.closed()) connection_.Close(now, CloseCode(reason));
}

void Endpoint::Fail(TimePoint now, Error error) {
  if (!running()) return;
  close_reason_ = ReasonFor(error);
  outbox_.clear();
  Send(message::Abort{close_reason_});
  Settle(now, std::move(error), Linger());
}

void Endpoint::FailViolation(TimePoint now, std::string what) {
  Fail(now, Error{ErrorCode::kMalformed,
                  (receiver_ ? "the sender" : "the receiver") +
                      std::string(" broke the protocol: ") + what});
}

Duration Endpoint::Linger() const {
  // With rttvar at its initial half of the RTT, and max_ack_delay.
  const Duration measured = connection_.stats().smoothed_rtt;
  const Duration rtt = measured > Duration::zero() ? measured : initial_rtt_;
  return std::clamp<Duration>(3 * (3 * rtt + 25ms), 300ms, 5s);
}

void Endpoint::Step(TimePoint now) {
  turn_due_.reset();
  if (state_ == State::kOver) return;
  Receive(now);
  if (running() && connection_.error()) {
    result_ = connection_.error();
    close_reason_ = message::Reason::kViolation;
    Close(now);
  }
  // Each may make work for the other.
  do {
    if (!running()) break;
    if (disk_.ready()) TakeDisk();
    Advance(now);
  } while (disk_.ready());
  metered_disk_.Note(now);
  WatchProgress(now);
  FlushOutbox();
  StepEnd(now);
}

void Endpoint::WatchProgress(TimePoint now) {
  if (!running()) return;
  const std::optional<Duration> patience = Patience();
  const std::uint64_t progressed = Progressed();
  if (patience != patience_ || progressed != progressed_ ||
      messages_ != messages_seen_) {
    patience_ = patience;
    progressed_ = progressed;
    messages_seen_ = messages_;
    progress_at_ = now;
  }
  if (!patience_ || now < progress_at_ + *patience_) return;
  Fail(now, Error{ErrorCode::kConnectionLost,
                  std::string(receiver_ ? "the sender" : "the receiver") +
                      " is there, but nothing has come of it for " +
                      std::to_string(*patience_ / 1s) + " s"});
}

void Endpoint::StepEnd(TimePoint now) {
  if (const std::optional<std::uint16_t> code = connection_.peer_close()) {
    if (state_ == State::kOver) return;
    if (running()) {
      if (*code == kCloseFinished) {
        result_ = Error{ErrorCode::kConnectionLost,
                        "the other side left before the end"};
      } else {
        const bool known = *code <= CloseCode(message::Reason::kRefused);
        message::Reason reason = message::Reason::kOther;
        if (known) reason = static_cast<message::Reason>(*code - 1);
        if (*code == Connection::kCloseProtocolViolation) {
          reason = message::Reason::kViolation;
        }
        result_ = PeerError(reason, !receiver_);
      }
    }
    return Finish();
  }
  if (state_ != State::kSettling) return;
  const bool acknowledged =
      outbox_.empty() && connection_.ControlAcknowledged();
  if (acknowledged && !awaits_answer_) return Close(now);
  if (now >= deadline_) return Close(now);
  // The peer knows; its answer is a courtesy.
  if (acknowledged) deadline_ = std::min(deadline_, now + Linger());
}

void Endpoint::Finish() {
  if (state_ == State::kOver) return;
  state_ = State::kOver;
  HandleOver();
  if (result_) {
    Emit(Failed{*result_});
  } else {
    Emit(Completed{completed_files(), completed_bytes(), savings(), report_});
  }
}

}  // namespace p2pcp

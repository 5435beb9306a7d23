#include "transfer/connection/connection.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>

#include "net/base/check.h"
#include "transfer/recovery/bbr.h"
#include "transfer/recovery/cubic.h"
#include "transfer/recovery/scavenger.h"

namespace p2pcp {
namespace {

// RFC 9002 section 6.2.4: two packets, so that one loss does not cost another
// timeout. They come on top of a small one that asks for an ACK.
constexpr int kDataProbes = 2;
// Outstanding packets to try when the source does not have the oldest in
// memory.
constexpr int kProbeAttempts = 4;
// A limited rate is spread over so many packets a second at least, as far as
// they do not become smaller than any path takes: large ones, on paths that
// take them, would be bursts.
constexpr std::uint64_t kLimitedPackets = 100;
// A CONTROL frame with less room than this waits for the next packet.
constexpr std::size_t kMinControlRoom = 32;

std::unique_ptr<CongestionController> MakeController(Congestion congestion,
                                                     std::size_t max_payload) {
  switch (congestion) {
    case Congestion::kCubic:
      return std::make_unique<Cubic>(max_payload);
    case Congestion::kBbr:
      return std::make_unique<Bbr>(max_payload);
    case Congestion::kScavenger:
      return std::make_unique<Scavenger>(max_payload);
  }
  P2PCP_CHECK(false);
  return nullptr;
}

}  // namespace

Connection::Connection(TimePoint now, const Config& config, ByteSource* source,
                       ByteSink* sink)
    : initial_rtt_(config.initial_rtt),
      tracer_(config.tracer),
      rate_limit_(config.rate_limit),
      max_payload_(WorthWhile(config.max_payload)),
      controller_(MakeController(config.congestion, max_payload_)),
      loss_(config.initial_rtt, controller_.get(), this),
      pacer_(now, max_payload_),
      limit_(now, config.rate_limit, config.packet_overhead),
      acks_(now),
      bytes_out_(source),
      bytes_in_(sink, config.receive_budget) {
  P2PCP_CHECK(config.max_payload >= kMinPayload &&
              config.max_payload <= kMaxPayload);
  P2PCP_CHECK(initial_rtt_ > Duration(0));
  P2PCP_CHECK(sink != nullptr || config.receive_budget == 0);
  UpdatePacing(now);
  UpdateStats(now);
}

Connection::~Connection() = default;

// --- What arrives ---

void Connection::HandlePacket(TimePoint now, PacketNumber number,
                              ByteSpan payload) {
  if (peer_close() || error_) return;
  ++stats_.packets_received;
  stats_.bytes_received += payload.size();
  if (tracer_ != nullptr) {
    traced_at_ = now;
    tracer_->OnPacketReceived(now, number, payload);
  }
  if (closing_.code()) {
    HandleClosing(now, payload);
    return;
  }
  if (acks_.Contains(number)) return;
  if (payload.empty()) {
    Violation("a packet without frames");
    return;
  }

  Reception reception;
  wire::FrameReader reader(payload);
  for (;;) {
    const auto result = reader.Next(frame_);
    if (result == wire::FrameReader::Result::kEnd) break;
    if (result == wire::FrameReader::Result::kMalformed) {
      Violation("a malformed frame");
      return;
    }
    if (!HandleFrame(now, reception)) return;
    if (peer_close()) return;
  }
  if (reception.refused) return;
  acks_.OnPacketReceived(now, number, payload.size(), reception.ack_eliciting,
                         reception.ack_now);
}

bool Connection::HandleFrame(TimePoint now, Reception& reception) {
  switch (frame_.type) {
    case wire::FrameType::kData:
    case wire::FrameType::kDataAckNow:
      return HandleData(frame_.data, reception);
    case wire::FrameType::kAck:
      return HandleAck(now, frame_.ack);
    case wire::FrameType::kControl:
      return HandleControl(frame_.control, reception);
    case wire::FrameType::kCredit:
      reception.ack_eliciting = true;
      bytes_out_.OnCredit(frame_.credit.max_data);
      return true;
    case wire::FrameType::kPing:
      reception.ack_eliciting = true;
      reception.ack_now = true;
      acks_.OnPing(frame_.ping.lowest_unacked);
      return true;
    case wire::FrameType::kClose:
      closing_.OnPeerClose(frame_.close.code);
      return true;
    case wire::FrameType::kPadding:
      return true;
  }
  return true;
}

bool Connection::HandleData(const wire::DataFrame& frame,
                            Reception& reception) {
  reception.ack_eliciting = true;
  reception.ack_now |= frame.ack_now;
  switch (bytes_in_.Receive(frame.offset, frame.bytes)) {
    case ByteReceiver::Outcome::kTaken:
      break;
    case ByteReceiver::Outcome::kRefused:
      reception.refused = true;
      break;
    case ByteReceiver::Outcome::kNoSink:
      return Violation("data for a side that receives none");
    case ByteReceiver::Outcome::kBeyondCredit:
      return Violation("data beyond the credit");
  }
  return true;
}

bool Connection::HandleControl(const wire::ControlFrame& frame,
                               Reception& reception) {
  reception.ack_eliciting = true;
  switch (control_in_.Receive(frame.offset, frame.bytes)) {
    case ControlReceiver::Outcome::kTaken:
      return true;
    case ControlReceiver::Outcome::kRefused:
      reception.refused = true;
      return true;
    case ControlReceiver::Outcome::kViolation:
      return Violation("a control stream beyond its window or message size");
  }
  return true;
}

bool Connection::HandleAck(TimePoint now, const wire::AckFrame& ack) {
  if (!loss_.OnAckReceived(now, ack)) {
    return Violation("an ACK of a packet that was never sent");
  }
  bytes_out_.OnCredit(ack.max_data);
  bytes_out_.OnForgotten(loss_.lowest_unacked());
  if (loss_.rtt().has_sample()) acks_.set_rtt(loss_.rtt().smoothed_rtt());
  if (black_hole_.Suspects(now, loss_.rtt().smoothed_rtt(),
                           loss_.next_number())) {
    ++stats_.black_hole_suspicions;
  }
  stats_.socket_drops_at_peer =
      std::max(stats_.socket_drops_at_peer, ack.socket_drops);
  UpdatePacing(now);
  UpdateStats(now);
  return true;
}

void Connection::HandleClosing(TimePoint now, ByteSpan payload) {
  wire::FrameReader reader(payload);
  while (reader.Next(frame_) == wire::FrameReader::Result::kFrame) {
    if (frame_.type == wire::FrameType::kClose) {
      closing_.OnPeerClose(frame_.close.code);
      return;
    }
  }
  closing_.OnPacket(now, loss_.rtt().smoothed_rtt());
}

bool Connection::Violation(const char* what) {
  error_ = Error{.code = ErrorCode::kMalformed,
                 .message = std::string("the peer sent ") + what};
  closing_.CloseForViolation(kCloseProtocolViolation);
  return false;
}

void Connection::OnPacketAcked(PacketNumber number, const SentPacket& packet) {
  black_hole_.OnAcked(number, packet.size);
  if ((packet.content & SentPacket::kData) != 0) {
    bytes_out_.OnAcked(number, packet.offset, packet.length);
  } else if ((packet.content & SentPacket::kControl) != 0) {
    control_out_.OnAcked(packet.offset, packet.length);
  }
}

void Connection::OnPacketLost(PacketNumber number, const SentPacket& packet) {
  black_hole_.OnLost(number, packet.size, packet.sent_time);
  if ((packet.content & SentPacket::kData) != 0) {
    bytes_out_.OnLost(number, packet.offset, packet.length);
  }
  if ((packet.content & SentPacket::kControl) != 0) {
    control_out_.OnLost(packet.offset, packet.length);
  }
  if ((packet.content & SentPacket::kCredit) != 0) bytes_in_.OnCreditLost();
  if (tracer_ != nullptr) {
    tracer_->OnPacketLost(traced_at_, number, packet.size);
  }
}

// --- Time ---

void Connection::HandleTimeout(TimePoint now) {
  if (closed()) return;
  traced_at_ = now;
  if (!ProbesPending()) {
    switch (loss_.OnTimeout(now)) {
      case LossDetection::Timeout::kNothing:
        break;
      case LossDetection::Timeout::kProbe:
        ++stats_.probe_timeouts;
        SendProbes();
        break;
      case LossDetection::Timeout::kPing:
        ping_ = Ping::kAlone;
        break;
    }
  }
  UpdatePacing(now);
  UpdateStats(now);
}

std::optional<TimePoint> Connection::PollTimeout() const {
  if (closed()) return std::nullopt;
  std::optional<TimePoint> earliest = acks_.deadline();
  const auto consider = [&](std::optional<TimePoint> time) {
    if (time && (!earliest || *time < *earliest)) earliest = time;
  };
  consider(pacing_deadline_);
  // Probes that wait for the driver need no timer.
  if (!ProbesPending()) consider(loss_.deadline());
  return earliest;
}

void Connection::SendProbes() {
  ping_ = Ping::kProbe;
  probes_pending_ = kDataProbes;
  probe_cursor_ = PacketNumber(0);
}

void Connection::HandlePathChange(TimePoint now, std::size_t max_payload) {
  P2PCP_CHECK(max_payload >= kMinPayload && max_payload <= kMaxPayload);
  max_payload_ = WorthWhile(max_payload);
  if (tracer_ != nullptr) tracer_->OnPathChange(now, max_payload_);
  loss_.OnPathChange(initial_rtt_);
  black_hole_.Reset(loss_.next_number());
  controller_->OnPathChange(now, max_payload_);
  pacer_ = Pacer(now, max_payload_);
  SendProbes();
  UpdatePacing(now);
  UpdateStats(now);
}

void Connection::SetMaxPayload(std::size_t max_payload) {
  P2PCP_CHECK(max_payload >= kMinPayload && max_payload <= kMaxPayload);
  max_payload_ = WorthWhile(max_payload);
  black_hole_.Reset(loss_.next_number());
  controller_->OnPacketSizeChange(max_payload_);
}

void Connection::UpdatePacing(TimePoint now) {
  const RttEstimator& rtt = loss_.rtt();
  pacer_.SetRate(now, controller_->pacing_rate(rtt.smoothed_rtt()),
                 controller_->bandwidth(rtt.smoothed_rtt()),
                 rtt.has_sample() ? rtt.min_rtt() : Duration(0), max_payload_);
}

void Connection::UpdateStats(TimePoint now) {
  const RttEstimator& rtt = loss_.rtt();
  if (rtt.has_sample()) {
    stats_.smoothed_rtt = rtt.smoothed_rtt();
    stats_.latest_rtt = rtt.latest_rtt();
    stats_.min_rtt = rtt.min_rtt();
  }
  stats_.congestion_window = controller_->window();
  stats_.bytes_in_flight = loss_.bytes_in_flight();
  stats_.pacing_rate = pacer_.rate();
  stats_.packets_lost = loss_.packets_lost();
  stats_.packets_spuriously_lost = loss_.packets_spuriously_lost();
  stats_.persistent_congestions = loss_.persistent_congestions();
  stats_.data_bytes_acknowledged = bytes_out_.acked_bytes();
  if (tracer_ != nullptr) {
    tracer_->OnMetrics(now, stats_, controller_->phase_name());
  }
}

// --- What is sent ---

std::optional<Connection::Packet> Connection::PollTransmit(
    TimePoint now, PacketNumber number, MutableByteSpan out) {
  P2PCP_CHECK(out.size() >= max_payload_);
  pacing_deadline_.reset();
  if (closing_.code()) return TransmitClose(now, number, out);
  if (closing_.peer_code()) return std::nullopt;
  if (ping_ != Ping::kNone || acks_.Due(now) || bytes_in_.CreditDue() ||
      ControlMayGo(now)) {
    if (auto packet = TransmitSmall(now, number, out)) return packet;
  }
  while (probes_pending_ > 0) {
    --probes_pending_;
    if (auto packet = TransmitProbe(now, number, out)) return packet;
  }
  return TransmitData(now, number, out);
}

std::size_t Connection::WorthWhile(std::size_t max_payload) const {
  if (rate_limit_ == 0) return max_payload;
  const std::uint64_t evenly =
      std::max<std::uint64_t>(rate_limit_ / kLimitedPackets, kBasePayload);
  return static_cast<std::size_t>(std::min<std::uint64_t>(max_payload, evenly));
}

bool Connection::ControlMayGo(TimePoint now) {
  if (!control_out_.HasPending()) return false;
  if (!WindowOpen()) {
    loss_.OnWindowLimited();
    return false;
  }
  // One packet of it never waits, but long lists are as good as data.
  if (control_out_.pending() > kBasePayload && !pacer_.CanSend(now)) {
    SetPacingDeadline(pacer_.NextSendTime());
    return false;
  }
  return WithinLimit(now);
}

bool Connection::WithinLimit(TimePoint now) {
  if (limit_.CanSend(now, max_payload_)) return true;
  SetPacingDeadline(limit_.NextSendTime());
  return false;
}

std::optional<Connection::Packet> Connection::TransmitClose(
    TimePoint now, PacketNumber number, MutableByteSpan out) {
  if (!closing_.TakeDue()) return std::nullopt;
  ByteWriter writer(out);
  wire::WriteClose(writer, {.code = *closing_.code()});
  ++stats_.packets_sent;
  stats_.bytes_sent += writer.size();
  if (tracer_ != nullptr) {
    tracer_->OnPacketSent(now, number, writer.written());
  }
  return Packet{.frames_size = writer.size(), .data = {}};
}

std::optional<Connection::Packet> Connection::TransmitSmall(
    TimePoint now, PacketNumber number, MutableByteSpan out) {
  ByteWriter writer(out.first(std::min(max_payload_, kBasePayload)));
  SentPacket sent;
  const Ping ping = std::exchange(ping_, Ping::kNone);
  const bool probe = ping == Ping::kProbe;
  if (ping != Ping::kNone) {
    wire::WritePing(writer, {.lowest_unacked = loss_.lowest_unacked()});
    sent.content |= SentPacket::kPing;
  }
  // Again with each PING: a peer without credit has nothing to send.
  if (bytes_in_.CreditDue() ||
      (ping != Ping::kNone && bytes_in_.max_data() > 0)) {
    wire::WriteCredit(writer, {.max_data = bytes_in_.max_data()});
    bytes_in_.OnCreditSent();
    sent.content |= SentPacket::kCredit;
  }
  // After these two, since a peer that scatters its numbers can make the ranges
  // fill all the room there is.
  if (acks_.pending() || (probe && acks_.range_count() > 0)) {
    acks_.WriteAck(now, writer, bytes_in_.max_data(), socket_drops_);
  }
  if (writer.remaining() >= kMinControlRoom) {
    // Type, offset and length at their longest.
    const std::size_t room = writer.remaining() - 1 - 8 - 4;
    std::optional<ControlSender::Piece> piece;
    if (control_out_.HasPending() && (probe || ControlMayGo(now))) {
      piece = control_out_.NextPiece(room);
    } else if (probe) {
      piece = control_out_.OldestUnacked(room);
    }
    if (piece) {
      wire::WriteControl(writer,
                         {.offset = piece->offset, .bytes = piece->bytes});
      sent.content |= SentPacket::kControl;
      sent.offset = piece->offset;
      sent.length = static_cast<std::uint16_t>(piece->bytes.size());
    }
  }
  P2PCP_CHECK(writer.ok());
  if (writer.size() == 0) return std::nullopt;
  sent.size = static_cast<std::uint16_t>(writer.size());
  CountSent(now, number, sent);
  if (tracer_ != nullptr) {
    tracer_->OnPacketSent(now, number, writer.written());
  }
  return Packet{.frames_size = writer.size(), .data = {}};
}

std::optional<Connection::Packet> Connection::TransmitProbe(
    TimePoint now, PacketNumber number, MutableByteSpan out) {
  const std::size_t max_size = max_payload_ - wire::kDataHeaderSize;
  const MutableByteSpan scratch = out.subspan(wire::kDataHeaderSize, max_size);
  if (bytes_out_.HasLost()) {
    const auto chunk = bytes_out_.Next(max_size, scratch);
    if (chunk) return FinishData(now, number, out, *chunk, true);
  }
  for (int i = 0; i < kProbeAttempts; ++i) {
    const auto found = loss_.FindOutstanding(probe_cursor_, SentPacket::kData);
    if (!found) break;
    probe_cursor_ = found->number.Next();
    const auto chunk = bytes_out_.Repeat(
        found->packet.offset, found->packet.length, max_size, scratch);
    if (chunk) return FinishData(now, number, out, *chunk, true);
  }
  return std::nullopt;
}

std::optional<Connection::Packet> Connection::TransmitData(
    TimePoint now, PacketNumber number, MutableByteSpan out) {
  if (!bytes_out_.HasPending()) {
    send_limits_.Set(now, bytes_out_.limit());
    return TransmitCopy(now, number, out);
  }
  if (!WindowOpen()) {
    send_limits_.Set(now, SendLimit::kPath);
    loss_.OnWindowLimited();
    return std::nullopt;
  }
  if (!pacer_.CanSend(now)) {
    send_limits_.Set(now, SendLimit::kPath);
    SetPacingDeadline(pacer_.NextSendTime());
    return std::nullopt;
  }
  if (!WithinLimit(now)) {
    // The path is not what holds it back.
    send_limits_.Set(now, SendLimit::kRateLimit);
    loss_.OnAppLimited();
    return std::nullopt;
  }
  const std::size_t max_size = max_payload_ - wire::kDataHeaderSize;
  const auto chunk =
      bytes_out_.Next(max_size, out.subspan(wire::kDataHeaderSize, max_size));
  if (!chunk) {
    send_limits_.Set(now, SendLimit::kSource);
    loss_.OnAppLimited();
    return std::nullopt;
  }
  send_limits_.Set(now, SendLimit::kSending);
  // After the last bytes nothing else would make the peer answer soon.
  return FinishData(now, number, out, *chunk, chunk->last);
}

std::optional<Connection::Packet> Connection::TransmitCopy(
    TimePoint now, PacketNumber number, MutableByteSpan out) {
  const RttEstimator& rtt = loss_.rtt();
  const TailRedundancy::Path path{
      .min_rtt = rtt.has_sample() ? rtt.min_rtt() : Duration(0),
      .bandwidth = controller_->bandwidth(rtt.smoothed_rtt()),
      .lossy_rounds = loss_.lossy_rounds()};
  if (!bytes_out_.InTail() || !tail_.Worthwhile(path, bytes_out_)) {
    if (!control_out_.HasPending()) loss_.OnAppLimited();
    return std::nullopt;
  }
  if (!WindowOpen()) return std::nullopt;
  if (!pacer_.CanSend(now)) {
    SetPacingDeadline(pacer_.NextSendTime());
    return std::nullopt;
  }
  if (!WithinLimit(now)) {
    loss_.OnAppLimited();
    return std::nullopt;
  }
  const std::size_t max_size = max_payload_ - wire::kDataHeaderSize;
  const auto chunk = tail_.Next(now, path.min_rtt, bytes_out_, max_size,
                                out.subspan(wire::kDataHeaderSize, max_size));
  if (!chunk) {
    loss_.OnAppLimited();
    if (const auto next = tail_.next_round()) SetPacingDeadline(*next);
    return std::nullopt;
  }
  return FinishData(now, number, out, *chunk, false);
}

Connection::Packet Connection::FinishData(TimePoint now, PacketNumber number,
                                          MutableByteSpan out,
                                          const ByteSender::Chunk& chunk,
                                          bool ack_now) {
  wire::WriteDataHeader(out, chunk.offset, chunk.size(), ack_now);
  const std::size_t size = wire::kDataHeaderSize + chunk.size();
  SentPacket sent;
  sent.content = SentPacket::kData;
  sent.offset = chunk.offset.value();
  sent.length = static_cast<std::uint16_t>(chunk.size());
  sent.size = static_cast<std::uint16_t>(size);
  stats_.data_bytes_sent += chunk.size();
  CountSent(now, number, sent);
  if (tracer_ != nullptr) {
    tracer_->OnDataSent(now, number, size, chunk.offset, chunk.size());
  }
  return Packet{.frames_size = wire::kDataHeaderSize + chunk.copied,
                .data = chunk.data,
                .full = size == max_payload_};
}

void Connection::CountSent(TimePoint now, PacketNumber number,
                           const SentPacket& packet) {
  traced_at_ = now;
  loss_.OnPacketSent(now, number, packet);
  if (packet.content != 0) pacer_.OnSent(packet.size);
  limit_.OnSent(now, packet.size);
  ++stats_.packets_sent;
  stats_.bytes_sent += packet.size;
}

// --- The application's side ---

std::size_t Connection::ControlRoom() const { return control_out_.Room(); }
void Connection::SendControl(ByteSpan message) { control_out_.Send(message); }
std::optional<Bytes> Connection::PollControl() { return control_in_.Poll(); }
bool Connection::ControlAcknowledged() const { return control_out_.AllAcked(); }

void Connection::OfferBytes(StreamOffset begin, StreamOffset end) {
  bytes_out_.Offer(begin, end, loss_.next_number());
}
void Connection::OfferAgain(StreamOffset begin, StreamOffset end) {
  bytes_out_.OfferAgain(begin, end, loss_.next_number());
}
std::uint64_t Connection::SkipBytes(StreamOffset begin, StreamOffset end) {
  return bytes_out_.Skip(begin.value(), end.value());
}
void Connection::OnSourceReady() { bytes_out_.OnSourceReady(); }
bool Connection::AllBytesAcknowledged() const { return bytes_out_.AllAcked(); }

void Connection::ReleaseBytes(std::uint64_t n) { bytes_in_.Release(n); }
void Connection::ForgetBytes(StreamOffset begin, StreamOffset end) {
  bytes_in_.Forget(begin, end);
}

bool Connection::SkipReceived(StreamOffset begin, StreamOffset end,
                              std::uint64_t charged) {
  return bytes_in_.Skip(begin.value(), end.value(), charged);
}

void Connection::Close(TimePoint now, std::uint16_t code) {
  P2PCP_CHECK(code < kFirstReservedCloseCode);
  if (!closed()) closing_.Close(now, code);
}

bool Connection::closed() const { return closing_.closed(); }
std::optional<std::uint16_t> Connection::peer_close() const {
  return closing_.peer_code();
}
std::optional<Error> Connection::error() const { return error_; }
void Connection::SetSocketDrops(std::uint64_t total) { socket_drops_ = total; }
const ConnectionStats& Connection::stats() const {
  // Kept elsewhere, and changed by every packet.
  stats_.bytes_in_flight = loss_.bytes_in_flight();
  stats_.data_bytes_retransmitted = bytes_out_.retransmitted_bytes();
  stats_.data_bytes_redundant = tail_.bytes();
  stats_.data_bytes_received = bytes_in_.received_bytes();
  stats_.data_bytes_duplicate = bytes_in_.duplicate_bytes();
  stats_.data_packets_refused = bytes_in_.refused();
  return stats_;
}

}  // namespace p2pcp

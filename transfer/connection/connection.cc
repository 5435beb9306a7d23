// What arrives, time, and the application's side; what is sent is in
// connection_transmit.cc.

#include "transfer/connection/connection.h"

#include <algorithm>
#include <array>
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

// Packets whose data are taken at once, at most: a GRO batch of an Ethernet's.
constexpr std::size_t kMaxRun = 64;

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

void Connection::HandlePackets(TimePoint now,
                               std::span<const Received> packets) {
  while (!packets.empty()) {
    std::size_t handled = HandleRun(now, packets);
    if (handled == 0) {
      HandlePacket(now, packets.front().number, packets.front().payload);
      handled = 1;
    }
    packets = packets.subspan(handled);
  }
}

std::size_t Connection::HandleRun(TimePoint now,
                                  std::span<const Received> packets) {
  if (packets.size() < 2 || peer_close() || error_ || closing_.code() ||
      !acks_.Follows(packets.front().number)) {
    return 0;
  }
  std::array<ByteSpan, kMaxRun> pieces;
  StreamOffset begin;
  std::size_t size = 0;
  std::size_t payload_size = 0;
  std::size_t count = 0;
  for (const Received& packet :
       packets.first(std::min(packets.size(), kMaxRun))) {
    wire::DataFrame data;
    if (!wire::ReadLoneData(packet.payload, data) ||
        size + data.bytes.size() > ByteSink::kMaxRunBytes) {
      break;
    }
    if (count == 0) {
      begin = data.offset;
    } else if (data.offset != begin + size ||
               packet.number != packets[count - 1].number.Next()) {
      break;
    }
    pieces[count++] = data.bytes;
    size += data.bytes.size();
    payload_size += packet.payload.size();
  }
  if (count < 2) return 0;
  const std::span<const ByteSpan> run(pieces.data(), count);
  if (!bytes_in_.ReceiveRun(begin, BytePieces(run))) return 0;
  stats_.packets_received += count;
  stats_.bytes_received += payload_size;
  if (tracer_ != nullptr) {
    for (const Received& packet : packets.first(count)) {
      tracer_->OnPacketReceived(now, packet.number, packet.payload);
    }
  }
  acks_.OnRunReceived(now, packets.front().number, count, payload_size);
  return count;
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

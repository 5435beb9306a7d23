// What a Connection sends: which packet is next, and what lies in it.

#include <algorithm>
#include <utility>

#include "net/base/check.h"
#include "transfer/connection/connection.h"

namespace p2pcp {
namespace {

// Outstanding packets to try when the source does not have the oldest in
// memory.
constexpr int kProbeAttempts = 4;
// A limited rate is spread over so many packets a second at least, as far as
// they do not become smaller than any path takes: large ones, on paths that
// take them, would be bursts.
constexpr std::uint64_t kLimitedPackets = 100;
// A CONTROL frame with less room than this waits for the next packet.
constexpr std::size_t kMinControlRoom = 32;

}  // namespace

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

}  // namespace p2pcp

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

Connection::Run Connection::PollRun(TimePoint now, PacketNumber number,
                                    std::size_t most, std::size_t size,
                                    std::size_t stride, MutableByteSpan out) {
  P2PCP_CHECK(stride >= size);
  Run run;
  if (size != max_payload_ || closing_.code() || closing_.peer_code() ||
      ProbesPending() || acks_.Due(now) || bytes_in_.CreditDue() ||
      control_out_.HasPending()) {
    return run;
  }
  run.frames_size = wire::kDataHeaderSize;
  run.data_size = size - wire::kDataHeaderSize;
  const ByteSender::Chunk chunk =
      bytes_out_.NextRun(run.data_size, Allows(now, most));
  if (chunk.data.empty()) return run;
  run.data = chunk.data;
  run.count = chunk.data.size() / run.data_size;
  send_limits_.Set(now, SendLimit::kSending);
  CountDataSent(now, number, chunk.offset, run.data_size, run.count);
  for (std::size_t i = 0; i < run.count; ++i) {
    wire::WriteDataHeader(out.subspan(i * stride),
                          chunk.offset + i * run.data_size, run.data_size,
                          /*ack_now=*/false);
  }
  return run;
}

std::uint64_t Connection::Allows(TimePoint now, std::uint64_t most) {
  const std::uint64_t in_flight = loss_.bytes_in_flight();
  const std::uint64_t window = controller_->window();
  if (window <= in_flight) return 0;
  most = std::min<std::uint64_t>(most, (window - in_flight) / max_payload_);
  if (most > 0) most = pacer_.Allows(now, most);
  return most > 0 ? limit_.Allows(now, max_payload_, most) : 0;
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
  CountDataSent(now, number, chunk.offset, chunk.size(), 1);
  return Packet{.frames_size = wire::kDataHeaderSize + chunk.copied,
                .data = chunk.data,
                .full = wire::kDataHeaderSize + chunk.size() == max_payload_};
}

void Connection::CountDataSent(TimePoint now, PacketNumber number,
                               StreamOffset offset, std::size_t length,
                               std::uint64_t count) {
  const std::size_t size = wire::kDataHeaderSize + length;
  SentPacket sent;
  sent.content = SentPacket::kData;
  sent.offset = offset.value();
  sent.length = static_cast<std::uint16_t>(length);
  sent.size = static_cast<std::uint16_t>(size);
  stats_.data_bytes_sent += count * length;
  CountSent(now, number, sent, count);
  if (tracer_ == nullptr) return;
  for (std::uint64_t i = 0; i < count; ++i) {
    tracer_->OnDataSent(now, PacketNumber(number.value() + i), size,
                        offset + i * length, length);
  }
}

void Connection::CountSent(TimePoint now, PacketNumber number,
                           const SentPacket& packet, std::uint64_t count) {
  traced_at_ = now;
  loss_.OnPacketSent(now, number, packet, count);
  if (packet.content != 0) pacer_.OnSent(count * packet.size);
  limit_.OnSent(now, packet.size, count);
  stats_.packets_sent += count;
  stats_.bytes_sent += count * packet.size;
}

}  // namespace p2pcp

#include "cmd/pump.h"

#include <algorithm>
#include <cstring>
#include <span>
#include <utility>

namespace p2pcp::cmd {
namespace {

using udp::kMaxTrainBytes;
using udp::kMaxTrainSegments;

// What the transfer takes to pass any path does.
static_assert(Connection::kBasePayload == channel::Channel::kMinMaxPayload);

}  // namespace

Pump::Pump(channel::Channel* channel, Session* session)
    : channel_(channel),
      session_(session),
      buffer_(kMaxTrainBytes + channel::Channel::kMaxDatagramSize) {}

void Pump::HandleTrain(TimePoint now, std::uint8_t socket,
                       const SocketAddress& from, MutableByteSpan train,
                       std::size_t segment_size) {
  // An empty datagram has no segments, and is one all the same: the channel
  // counts what it drops.
  segment_size = std::max<std::size_t>(segment_size, 1);
  do {
    // The kernel may have joined more datagrams than it would split.
    const MutableByteSpan part =
        train.first(std::min(train.size(), kMaxTrainSegments * segment_size));
    train = train.subspan(part.size());
    const TimePoint came = coalescing_.OnDatagrams(
        now, udp::CountSegments(part.size(), segment_size));
    const std::size_t count = channel_->HandleTrain(came, socket, from, part,
                                                    segment_size, payloads_);
    for (std::size_t i = 0; i < count; ++i) {
      packets_[i] = {.number = payloads_[i].number,
                     .payload = payloads_[i].bytes};
    }
    if (count > 0) {
      session_->HandlePackets(came, std::span(packets_).first(count));
    }
  } while (!train.empty());
}

void Pump::HandleChannelEvent(TimePoint now, const channel::Event& event) {
  switch (event.type) {
    case channel::EventType::kPathChanged:
      max_payload_ = channel_->max_payload();
      session_->HandlePathChange(now, max_payload_);
      train_check_.Reset();
      break;
    case channel::EventType::kConnected:
    case channel::EventType::kMaxPayloadChanged:
      SyncMaxPayload();
      break;
    case channel::EventType::kSilent:
    case channel::EventType::kAlive:
    case channel::EventType::kLost:
    case channel::EventType::kFailed:
      break;
  }
}

void Pump::HandleTimeout(TimePoint now) {
  if (channel_->PollTimeout().value_or(TimePoint::max()) <= now) {
    channel_->HandleTimeout(now);
  }
  if (session_->PollTimeout().value_or(TimePoint::max()) <= now) {
    session_->HandleTimeout(now);
  }
  WatchForBlackHole(now);
  CheckTrains(now);
}

void Pump::CheckTrains(TimePoint now) {
  const ConnectionStats& stats = session_->stats();
  const std::uint64_t lost =
      stats.packets_lost -
      std::min(stats.packets_lost, stats.packets_spuriously_lost);
  // What the peer's socket dropped for want of room says nothing about how it
  // got there. But kernels count there too what came with a wrong checksum, as
  // damaged trains do (6.18, with a NAT on the sender's machine): no more than
  // half of the losses is taken for want of room.
  train_check_.Update(now, stats.packets_sent,
                      lost - std::min(stats.socket_drops_at_peer, lost / 2),
                      stats.smoothed_rtt);
}

void Pump::WatchForBlackHole(TimePoint now) {
  const std::uint64_t suspicions = session_->stats().black_hole_suspicions;
  if (suspicions == black_hole_suspicions_) return;
  black_hole_suspicions_ = suspicions;
  channel_->SuspectMaxPayload(now);
}

void Pump::SyncMaxPayload() {
  if (max_payload_ == channel_->max_payload()) return;
  max_payload_ = channel_->max_payload();
  session_->SetMaxPayload(max_payload_);
}

std::size_t Pump::SealNext(TimePoint now, std::size_t at, bool* full) {
  // The channel may have given up large datagrams while it was asked for its
  // own packets just now; its event is still to be polled.
  SyncMaxPayload();
  const MutableByteSpan out = MutableByteSpan(buffer_).subspan(at);
  const MutableByteSpan frames =
      out.subspan(channel::Channel::kPayloadOffset, channel_->max_payload());
  const auto packet =
      session_->PollTransmit(now, channel_->next_packet_number(), frames);
  if (!packet) return 0;
  *full = packet->full;
  return channel_->SealPayload(now, frames.first(packet->frames_size),
                               packet->data, out);
}

std::size_t Pump::SealRun(TimePoint now, std::size_t at, std::size_t most,
                          std::size_t segment_size) {
  // SealNext() has to tell the session first.
  if (max_payload_ != channel_->max_payload()) return 0;
  const MutableByteSpan out =
      MutableByteSpan(buffer_).subspan(at, most * segment_size);
  const Connection::Run run = session_->PollRun(
      now, channel_->next_packet_number(), most,
      segment_size - channel::Channel::kOverhead, segment_size,
      out.subspan(channel::Channel::kPayloadOffset));
  if (run.count > 0) {
    channel_->SealRun(now, run.count, run.frames_size, run.data, out);
  }
  return run.count;
}

std::optional<Pump::Train> Pump::PollTrain(TimePoint now) {
  turn_ = now;
  std::size_t segment_size = 0;
  std::size_t size = 0;
  std::size_t segments = 0;
  bool full = true;
  channel::Path path;
  if (leftover_size_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + leftover_at_, leftover_size_);
    segment_size = size = std::exchange(leftover_size_, 0);
    segments = 1;
    full = leftover_full_;
    path = leftover_path_;
  } else {
    if (const auto own = channel_->PollTransmit(now, buffer_)) {
      return Train{.socket = own->socket,
                   .to = own->to,
                   .bytes = ByteSpan(buffer_).first(own->size),
                   .segment_size = own->size,
                   .hop_limit = own->hop_limit};
    }
    if (!channel_->connected()) return std::nullopt;
    path = channel_->path();
    segment_size = size = SealNext(now, 0, &full);
    if (size == 0) return std::nullopt;
    segments = 1;
  }
  // A shorter packet ends its train; one of another size begins the next.
  while (full && segments < kMaxTrainSegments && channel_->connected() &&
         size + segment_size <= kMaxTrainBytes) {
    const std::size_t run =
        SealRun(now, size,
                std::min(kMaxTrainSegments - segments,
                         (kMaxTrainBytes - size) / segment_size),
                segment_size);
    size += run * segment_size;
    segments += run;
    if (run > 0) continue;
    const std::size_t next = SealNext(now, size, &full);
    if (next == 0) break;
    if (next > segment_size) {
      leftover_at_ = size;
      leftover_size_ = next;
      leftover_full_ = full;
      leftover_path_ = channel_->path();
      break;
    }
    size += next;
    ++segments;
    if (next < segment_size) break;
  }
  return Train{.socket = path.socket,
               .to = path.remote,
               .bytes = ByteSpan(buffer_).first(size),
               .segment_size = segment_size,
               .one_by_one = train_check_.one_by_one()};
}

std::optional<TimePoint> Pump::PollTimeout() const {
  const auto a = channel_->PollTimeout();
  const auto b = session_->PollTimeout();
  if (!a || !b) return a ? a : b;
  return std::min(*a, *b);
}

TimePoint Pump::PollRest() {
  if (!channel_->connected()) return TimePoint();
  // A sender's packets wait for what it receives.
  if (session_->stats().data_bytes_sent > 0) return TimePoint();
  return coalescing_.PollRest(turn_, channel_->rtt());
}

}  // namespace p2pcp::cmd

#include "cmd/trace/qlog_tracer.h"

#include <algorithm>

namespace p2pcp::cmd {
namespace {

// The words of the longest frame, an ACK of all its ranges.
constexpr std::size_t kMaxFrameWords = 2 + 2 * wire::kMaxAckRanges;

// What tells of records that were missed.
constexpr std::size_t kMissedWords = 3;

std::uint64_t Nanoseconds(Duration duration) {
  return static_cast<std::uint64_t>(std::max<Duration>(duration, 0ns).count());
}

}  // namespace

QlogTracer::QlogTracer(TimePoint begin, TraceFile* file)
    : begin_(begin), file_(*file) {
  block_.reserve(kTraceBlockWords);
}

QlogTracer::~QlogTracer() {
  NoteMissed();
  if (!block_.empty()) file_.Hand(block_, /*last=*/true);
}

void QlogTracer::Flush() {
  if (!block_.empty()) file_.Hand(block_);
}

std::uint64_t QlogTracer::Time(TimePoint now) {
  // Viewers want times that don't go back.
  last_time_ = std::max(last_time_, Nanoseconds(now - begin_));
  return last_time_;
}

bool QlogTracer::MakeRoom() {
  if (block_.size() + kMaxRecordWords + kMissedWords > kTraceBlockWords &&
      !file_.Hand(block_)) {
    ++missed_;
    return false;
  }
  NoteMissed();
  return true;
}

void QlogTracer::NoteMissed() {
  if (missed_ == 0) return;
  block_.insert(
      block_.end(),
      {TraceHead(static_cast<std::uint8_t>(TraceKind::kMissed), kMissedWords),
       last_time_, missed_});
  missed_ = 0;
}

void QlogTracer::Note(TimePoint now, TraceKind kind,
                      std::initializer_list<std::uint64_t> words) {
  if (!MakeRoom()) return;
  block_.push_back(
      TraceHead(static_cast<std::uint8_t>(kind), 2 + words.size()));
  block_.push_back(Time(now));
  block_.insert(block_.end(), words);
}

void QlogTracer::NotePacket(TimePoint now, TraceKind kind, PacketNumber number,
                            ByteSpan payload) {
  if (!MakeRoom()) return;
  const std::size_t begin = block_.size();
  block_.insert(block_.end(), {0, Time(now), number.value(), payload.size()});
  wire::FrameReader reader(payload);
  while (block_.size() - begin + kMaxFrameWords <= kMaxRecordWords &&
         reader.Next(frame_) == wire::FrameReader::Result::kFrame) {
    NoteFrame();
  }
  block_[begin] =
      TraceHead(static_cast<std::uint8_t>(kind), block_.size() - begin);
}

void QlogTracer::NoteFrame() {
  const std::size_t begin = block_.size();
  block_.push_back(0);
  switch (frame_.type) {
    case wire::FrameType::kPadding:
      break;
    case wire::FrameType::kPing:
      block_.push_back(frame_.ping.lowest_unacked.value());
      break;
    case wire::FrameType::kAck:
      block_.push_back(frame_.ack.ack_delay_microseconds);
      for (const wire::AckRange& range : frame_.ack.Ranges()) {
        block_.push_back(range.smallest.value());
        block_.push_back(range.largest.value());
      }
      break;
    case wire::FrameType::kControl:
      block_.push_back(frame_.control.offset);
      block_.push_back(frame_.control.bytes.size());
      break;
    case wire::FrameType::kCredit:
      block_.push_back(frame_.credit.max_data);
      break;
    case wire::FrameType::kClose:
      block_.push_back(frame_.close.code);
      break;
    case wire::FrameType::kData:
    case wire::FrameType::kDataAckNow:
      block_.push_back(frame_.data.offset.value());
      block_.push_back(frame_.data.bytes.size());
      break;
  }
  block_[begin] =
      TraceHead(static_cast<std::uint8_t>(frame_.type), block_.size() - begin);
}

void QlogTracer::OnPacketSent(TimePoint now, PacketNumber number,
                              ByteSpan payload) {
  NotePacket(now, TraceKind::kSent, number, payload);
}

void QlogTracer::OnDataSent(TimePoint now, PacketNumber number,
                            std::size_t size, StreamOffset offset,
                            std::size_t length) {
  Note(now, TraceKind::kSent,
       {number.value(), size,
        TraceHead(static_cast<std::uint8_t>(wire::FrameType::kData), 3),
        offset.value(), length});
}

void QlogTracer::OnPacketReceived(TimePoint now, PacketNumber number,
                                  ByteSpan payload) {
  NotePacket(now, TraceKind::kReceived, number, payload);
}

void QlogTracer::OnPacketLost(TimePoint now, PacketNumber number,
                              std::size_t size) {
  Note(now, TraceKind::kLost, {number.value(), size});
}

void QlogTracer::OnMetrics(TimePoint now, const ConnectionStats& stats,
                           std::string_view state) {
  if (state.data() != state_ && !state.empty()) {
    state_ = state.data();
    Note(now, TraceKind::kState,
         {reinterpret_cast<std::uint64_t>(state.data()), state.size()});
  }
  Note(now, TraceKind::kMetrics,
       {Nanoseconds(stats.smoothed_rtt), Nanoseconds(stats.min_rtt),
        Nanoseconds(stats.latest_rtt), stats.congestion_window,
        stats.bytes_in_flight, stats.pacing_rate});
}

void QlogTracer::OnPathChange(TimePoint now, std::size_t max_payload) {
  Note(now, TraceKind::kPath, {max_payload});
}

}  // namespace p2pcp::cmd

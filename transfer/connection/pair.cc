#include "transfer/connection/pair.h"

#include <algorithm>
#include <utility>

#include "net/base/check.h"

namespace p2pcp {

std::byte PatternByte(std::uint64_t offset) {
  std::uint64_t x = offset * 0x9e3779b97f4a7c15;
  return static_cast<std::byte>(x >> 56 ^ x >> 32);
}

PatternSource::PatternSource(Duration delay, const TimePoint* now)
    : delay_(delay), now_(now), buffer_(kBufferSize) {}

ByteSpan PatternSource::Read(StreamOffset offset, std::size_t max_size) {
  ++reads;
  const std::uint64_t block = offset.value() / kBufferSize * kBufferSize;
  if (delay_ > Duration(0) && !present_.ContainsAll(block, block + 1)) {
    const bool asked = std::any_of(
        pending_.begin(), pending_.end(),
        [&](const Pending& pending) { return pending.begin == block; });
    if (!asked) pending_.push_back({.ready = *now_ + delay_, .begin = block});
    return {};
  }
  const std::size_t n =
      std::min<std::uint64_t>(max_size, block + kBufferSize - offset.value());
  for (std::size_t i = 0; i < n; ++i) {
    buffer_[i] = PatternByte(offset.value() + i);
  }
  return ByteSpan(buffer_).first(n);
}

std::optional<TimePoint> PatternSource::ready_time() const {
  if (pending_.empty()) return std::nullopt;
  return pending_.front().ready;
}

bool PatternSource::PollReady() {
  bool any = false;
  while (!pending_.empty() && pending_.front().ready <= *now_) {
    present_.Insert(pending_.front().begin,
                    pending_.front().begin + kBufferSize);
    pending_.erase(pending_.begin());
    any = true;
  }
  return any;
}

bool PatternSink::Write(StreamOffset offset, ByteSpan bytes) {
  if (refuse_ > 0 && random_->NextDouble() < refuse_) return false;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (bytes[i] != PatternByte(offset.value() + i)) ++wrong_bytes;
  }
  const std::uint64_t fresh =
      written.Insert(offset.value(), offset.value() + bytes.size());
  doubled_bytes += bytes.size() - fresh;
  unreleased += bytes.size();
  return true;
}

bool PatternSink::WriteRun(StreamOffset offset, BytePieces bytes) {
  Bytes whole(bytes.size());
  bytes.Take(whole);
  if (!Write(offset, whole)) return false;
  bytes_in_runs += whole.size();
  return true;
}

Pair::Pair(const Config& config)
    : config_(config),
      random_(config.seed),
      source_(config.source_delay, &now_),
      sink_(&random_, config.sink_refuses) {
  Connection::Config ours{.max_payload = config.max_payload,
                          .receive_budget = 0,
                          .congestion = config.congestion,
                          .initial_rtt = config.initial_rtt,
                          .tracer = config.tracer,
                          .rate_limit = config.rate_limit};
  ends_[0].connection =
      std::make_unique<Connection>(now_, ours, &source_, nullptr);
  ours.receive_budget = config.receive_budget;
  ours.tracer = nullptr;
  ours.rate_limit = 0;
  ends_[1].connection =
      std::make_unique<Connection>(now_, ours, nullptr, &sink_);
  ends_[0].next_number = random_.Below(1000);
}

void Pair::Send(int from, PacketNumber number, Bytes payload) {
  if (filter && !filter(from, number, payload)) return;
  const LinkConfig& link = config_.link;
  TimePoint leaves = now_;
  if (link.rate > 0) {
    End& end = ends_[from];
    const auto waiting = static_cast<std::uint64_t>(
        static_cast<double>(
            std::max(end.link_free - now_, Duration(0)).count()) *
        1e-9 * static_cast<double>(link.rate));
    if (waiting > link.queue) {
      ++dropped_;
      return;
    }
    const auto takes = Duration(
        static_cast<std::int64_t>(static_cast<double>(payload.size() + 56) *
                                  1e9 / static_cast<double>(link.rate)));
    end.link_free = std::max(end.link_free, now_) + takes;
    leaves = end.link_free;
  }
  if (random_.NextDouble() < link.loss) {
    ++dropped_;
    return;
  }
  const int copies = random_.NextDouble() < link.duplicate ? 2 : 1;
  for (int i = 0; i < copies; ++i) {
    TimePoint arrival = leaves + link.delay;
    if (config_.gather > Duration(0)) {
      const Duration since = arrival - kStart;
      arrival += (config_.gather - since % config_.gather) % config_.gather;
    }
    if (link.reorder > 0 && random_.NextDouble() < link.reorder) {
      arrival += Duration(static_cast<std::int64_t>(
          random_.NextDouble() * static_cast<double>(link.reorder_by.count())));
    }
    flying_.push({.arrival = arrival,
                  .order = order_++,
                  .from = from,
                  .number = number,
                  .payload = payload});
  }
}

void Pair::DrainRun(int from) {
  End& end = ends_[from];
  if (config_.max_run == 0 || end.full_size == 0) return;
  // A train has the channel's headers and tags between the payloads.
  const std::size_t stride = end.full_size + 28;
  Bytes out(config_.max_run * stride);
  const Connection::Run run =
      end.connection->PollRun(now_, PacketNumber(end.next_number),
                              config_.max_run, end.full_size, stride, out);
  P2PCP_CHECK(run.count <= config_.max_run);
  packets_in_runs_ += run.count;
  P2PCP_CHECK(run.data.size() == run.count * run.data_size);
  for (std::size_t i = 0; i < run.count; ++i) {
    P2PCP_CHECK(run.frames_size + run.data_size == end.full_size);
    Bytes payload = ToBytes(ByteSpan(out).subspan(i * stride, run.frames_size));
    const ByteSpan data = run.data.subspan(i * run.data_size, run.data_size);
    payload.insert(payload.end(), data.begin(), data.end());
    Send(from, PacketNumber(end.next_number++), std::move(payload));
  }
}

void Pair::Drain(int from) {
  End& end = ends_[from];
  Bytes out(config_.max_payload);
  for (;;) {
    DrainRun(from);
    if (config_.number_skip > 0 && random_.NextDouble() < config_.number_skip) {
      ++end.next_number;
    }
    const PacketNumber number(end.next_number);
    const auto packet = end.connection->PollTransmit(now_, number, out);
    if (!packet) return;
    ++end.next_number;
    P2PCP_CHECK(packet->size() <= config_.max_payload);
    P2PCP_CHECK(!packet->full || end.full_size == 0 ||
                packet->size() == end.full_size || config_.payload_changes);
    if (packet->full) end.full_size = packet->size();
    Bytes payload(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(
                                                 packet->frames_size));
    payload.insert(payload.end(), packet->data.begin(), packet->data.end());
    Send(from, number, std::move(payload));
  }
}

void Pair::Deliver() {
  while (!flying_.empty() && flying_.top().arrival <= now_) {
    // All that comes to the same end before anything comes to the other.
    const int from = flying_.top().from;
    std::vector<Flying> arrived;
    while (!flying_.empty() && flying_.top().arrival <= now_ &&
           flying_.top().from == from) {
      arrived.push_back(flying_.top());
      flying_.pop();
    }
    std::vector<Connection::Received> packets;
    for (const Flying& packet : arrived) {
      packets.push_back({packet.number, packet.payload});
    }
    Connection& to = *ends_[1 - from].connection;
    if (config_.max_run > 0) {
      to.HandlePackets(now_, packets);
      continue;
    }
    for (const Connection::Received& packet : packets) {
      to.HandlePacket(now_, packet.number, packet.payload);
    }
  }
}

void Pair::ReleaseSink() {
  std::uint64_t n = sink_.unreleased;
  if (config_.sink_rate > 0) {
    const double elapsed = static_cast<double>((now_ - last_release_).count());
    n = std::min(
        n, static_cast<std::uint64_t>(elapsed * 1e-9 *
                                      static_cast<double>(config_.sink_rate)));
    // In steps, as a disk would.
    if (n < 64 * 1024 && n < sink_.unreleased) return;
  }
  last_release_ = now_;
  sink_.unreleased -= n;
  receiver().ReleaseBytes(n);
}

std::optional<TimePoint> Pair::NextEvent() const {
  std::optional<TimePoint> next;
  const auto consider = [&](std::optional<TimePoint> time) {
    if (time && (!next || *time < *next)) next = time;
  };
  if (!flying_.empty()) consider(flying_.top().arrival);
  for (const End& end : ends_) consider(end.connection->PollTimeout());
  consider(source_.ready_time());
  if (config_.sink_rate > 0 && sink_.unreleased > 0) consider(now_ + 5ms);
  return next;
}

bool Pair::RunUntil(const std::function<bool()>& done, Duration limit) {
  const TimePoint end = now_ + limit;
  int still = 0;  // Turns without time moving: a timer that never ends.
  for (;;) {
    Drain(0);
    Drain(1);
    if (done()) return true;
    const std::optional<TimePoint> next = NextEvent();
    if (!next || *next > end) {
      now_ = end;
      return false;
    }
    still = *next > now_ ? 0 : still + 1;
    P2PCP_CHECK(still < 10'000);
    now_ = std::max(now_, *next);
    Deliver();
    if (source_.PollReady()) sender().OnSourceReady();
    ReleaseSink();
    for (End& side : ends_) {
      const auto timeout = side.connection->PollTimeout();
      if (timeout && *timeout <= now_) side.connection->HandleTimeout(now_);
    }
  }
}

bool Pair::Transfer(std::uint64_t size, Duration limit) {
  sender().OfferBytes(StreamOffset(0), StreamOffset(size));
  return RunUntil([&] { return sender().AllBytesAcknowledged(); }, limit);
}

}  // namespace p2pcp

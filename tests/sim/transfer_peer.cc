#include "tests/sim/transfer_peer.h"

#include <algorithm>
#include <array>
#include <utility>
#include <variant>

namespace p2pcp::sim {
namespace {

// Payloads kept before there is a session.
constexpr std::size_t kMaxEarly = 64;

}  // namespace

TransferPeer::TransferPeer(Simulator& simulator, Host& host, Options options)
    : simulator_(simulator),
      host_(host),
      options_(std::move(options)),
      random_(options_.random_seed),
      timer_(simulator.AddTimer([this] {
        const TimePoint now = simulator_.now();
        EndRest();
        if (pump_) {
          pump_->HandleTimeout(now);
        } else {
          channel_.HandleTimeout(now);
        }
        Turn();
      })),
      channel_(simulator.now(), options_.channel, random_),
      disk_(simulator, options_.disk) {
  host_.Bind(options_.port,
             [this](const SocketAddress& from, const SocketAddress&,
                    MutableByteSpan bytes) { HandleDatagram(from, bytes); });
  disk_.set_on_ready([this] {
    if (gone_ || !session_) return;
    disk_ready_ = true;
    if (simulator_.now() < rest_until_) return;
    EndRest();
    Turn();
  });
}

TransferPeer::~TransferPeer() {
  Exit();
  simulator_.RemoveTimer(timer_);
}

void TransferPeer::AddCandidates(const std::vector<ice::Candidate>& local,
                                 const std::vector<ice::Candidate>& remote) {
  channel_.AddLocalCandidates(simulator_.now(), local);
  channel_.AddRemoteCandidates(simulator_.now(), remote);
  Turn();
}

void TransferPeer::Kill() { Exit(); }

void TransferPeer::Cancel(Error reason) {
  if (gone_ || !session_) return;
  session_->Cancel(simulator_.now(), std::move(reason));
  Turn();
}

std::string TransferPeer::Describe() const {
  if (completed_) return "completed";
  if (error_) return "failed: " + error_->message;
  if (!session_) return connected_at_ ? "connected" : "not connected";
  const Progress progress = session_->progress();
  const ConnectionStats& stats = session_->stats();
  return "phase " + std::to_string(static_cast<int>(progress.phase)) + ", " +
         std::to_string(progress.bytes_done) + " of " +
         std::to_string(progress.bytes_total) + " bytes, cwnd " +
         std::to_string(stats.congestion_window) + ", in flight " +
         std::to_string(stats.bytes_in_flight) + ", sent " +
         std::to_string(stats.packets_sent) + ", lost " +
         std::to_string(stats.packets_lost) + ", PTOs " +
         std::to_string(stats.probe_timeouts) + ", srtt " +
         std::to_string(stats.smoothed_rtt / 1us) + " us";
}

void TransferPeer::HandleDatagram(const SocketAddress& from,
                                  MutableByteSpan bytes) {
  if (simulator_.now() < rest_until_) {
    gathered_.emplace_back(from, ToBytes(bytes));
    return;
  }
  TakeTrain(from, bytes, bytes.size());
  Turn();
}

void TransferPeer::TakeTrain(const SocketAddress& from, MutableByteSpan train,
                             std::size_t segment_size) {
  const TimePoint now = simulator_.now();
  if (pump_) {
    pump_->HandleTrain(now, 0, from, train, segment_size);
    return;
  }
  // Nothing gathers before there is a pump.
  P2PCP_CHECK(train.size() == segment_size);
  const auto payload = channel_.HandleDatagram(now, 0, from, train);
  if (payload && early_.size() < kMaxEarly) {
    early_.emplace_back(payload->number, ToBytes(payload->bytes));
  }
}

void TransferPeer::EndRest() {
  rest_until_ = TimePoint();
  // As the kernel joins them (UDP_GRO): equal ones, and one that is shorter.
  for (std::size_t i = 0; i < gathered_.size();) {
    const SocketAddress from = gathered_[i].first;
    Bytes train = gathered_[i].second;
    const std::size_t segment_size = train.size();
    bool whole = true;
    for (++i; whole && i < gathered_.size() && gathered_[i].first == from &&
              gathered_[i].second.size() <= segment_size;
         ++i) {
      const Bytes& next = gathered_[i].second;
      train.insert(train.end(), next.begin(), next.end());
      whole = next.size() == segment_size;
    }
    TakeTrain(from, train, segment_size);
  }
  gathered_.clear();
  if (std::exchange(disk_ready_, false)) {
    session_->HandleDisk(simulator_.now());
  }
}

void TransferPeer::Turn() {
  if (gone_) return;
  HandleChannelEvents();
  // A session's event may come of what was polled, and the other way round.
  SendAll();
  HandleSessionEvents();
  if (over()) {
    SendAll();
    Exit();
    return;
  }
  CheckInvariants();
  std::optional<TimePoint> next =
      pump_ ? pump_->PollTimeout() : channel_.PollTimeout();
  const TimePoint rest = pump_ ? pump_->PollRest() : TimePoint();
  if (rest > simulator_.now()) {
    rest_until_ = next ? std::min(*next, rest) : rest;
    next = rest_until_;
  }
  simulator_.SetTimer(timer_, next);
}

void TransferPeer::HandleChannelEvents() {
  const TimePoint now = simulator_.now();
  while (const auto event = channel_.PollEvent()) {
    switch (event->type) {
      case channel::EventType::kConnected:
        connected_at_ = now;
        session_ = options_.make_session(now, channel_.max_payload(),
                                         event->path.rtt, &disk_);
        pump_ = std::make_unique<cmd::Pump>(&channel_, session_.get());
        for (const auto& [number, bytes] : early_) {
          session_->HandlePacket(now, number, bytes);
        }
        early_.clear();
        channel_.SetLinkMtu(now, options_.link_mtu);
        break;
      case channel::EventType::kPathChanged:
        channel_.SetLinkMtu(now, options_.link_mtu);
        break;
      case channel::EventType::kSilent:
      case channel::EventType::kAlive:
      case channel::EventType::kMaxPayloadChanged:
        break;
      case channel::EventType::kLost:
        if (session_) session_->HandleChannelLost(now);
        break;
      case channel::EventType::kFailed:
        error_ = Error{ErrorCode::kNoPath, "no path"};
        break;
    }
    if (pump_) pump_->HandleChannelEvent(now, *event);
  }
}

void TransferPeer::HandleSessionEvents() {
  while (session_) {
    auto event = session_->PollEvent();
    if (!event) return;
    if (auto* done = std::get_if<FileDone>(&*event)) {
      files_.push_back(std::move(*done));
    } else if (auto* bad = std::get_if<FileFailed>(&*event)) {
      failed_files_.push_back(std::move(*bad));
    } else if (const auto* completed = std::get_if<Completed>(&*event)) {
      completed_ = true;
      report_ = completed->report;
    } else if (auto* failed = std::get_if<Failed>(&*event)) {
      error_ = std::move(failed->error);
    }
  }
}

void TransferPeer::SendAll() {
  const TimePoint now = simulator_.now();
  if (!pump_) {
    std::array<std::byte, channel::Channel::kMaxDatagramSize> out;
    while (const auto transmit = channel_.PollTransmit(now, out)) {
      host_.Send(
          options_.port, transmit->to, ByteSpan(out).first(transmit->size),
          transmit->hop_limit == 0 ? kDefaultHopLimit : transmit->hop_limit);
    }
    return;
  }
  while (const auto train = pump_->PollTrain(now)) {
    ByteSpan rest = train->bytes;
    while (!rest.empty()) {
      const ByteSpan datagram =
          rest.first(std::min(train->segment_size, rest.size()));
      rest = rest.subspan(datagram.size());
      host_.Send(options_.port, train->to, datagram,
                 train->hop_limit == 0 ? kDefaultHopLimit : train->hop_limit);
    }
  }
}

void TransferPeer::Exit() {
  if (gone_) return;
  gone_ = true;
  simulator_.SetTimer(timer_, std::nullopt);
  host_.Close(options_.port);
  disk_.Abandon();
}

void TransferPeer::CheckInvariants() {
  if (!session_ || broken_) return;
  const ConnectionStats& stats = session_->stats();
  const Progress progress = session_->progress();
  if (stats.bytes_in_flight > stats.bytes_sent) {
    broken_ = "more bytes in flight than were sent";
  } else if (stats.data_bytes_acknowledged > stats.data_bytes_sent) {
    broken_ = "more bytes acknowledged than were sent";
  } else if (progress.bytes_done > progress.bytes_total) {
    broken_ = "more bytes done than there are";
  } else if (progress.bytes_done < bytes_done_) {
    broken_ = "progress went backwards";
  }
  bytes_done_ = progress.bytes_done;
}

}  // namespace p2pcp::sim

#include "transfer/session/session_pair.h"

#include <algorithm>
#include <utility>

#include "net/base/check.h"

namespace p2pcp {

void TestLink::Send(TimePoint now, int from, PacketNumber number,
                    Bytes payload) {
  if (cut || (loss > 0 && random_.NextDouble() < loss)) return;
  if (filter && !filter(from, payload)) return;
  Packet packet{now + delay, order_++, from, number, std::move(payload)};
  if (reorder) packet.arrival += Duration(random_.Below(5'000'000));
  packets_.push(std::move(packet));
}

std::optional<TimePoint> TestLink::NextArrival() const {
  if (packets_.empty()) return std::nullopt;
  return packets_.top().arrival;
}

std::optional<TestLink::Packet> TestLink::Receive(TimePoint now) {
  if (packets_.empty() || packets_.top().arrival > now) return std::nullopt;
  Packet packet = packets_.top();
  packets_.pop();
  return packet;
}

SessionPair::SessionPair(const Config& config)
    : config_(config), random_(config.seed), link_(config.seed + 1) {}

void SessionPair::Add(const std::string& name, const std::string& content) {
  paths.push_back(in.Write(name, content));
}

void SessionPair::Start() {
  auto tree = file::SourceTree::Open(paths, tree_options);
  P2PCP_CHECK(tree.ok());
  tree_.emplace(*std::move(tree));
  auto target =
      file::OpenOutput(config_.out.empty() ? out.path() : out / config_.out);
  P2PCP_CHECK(target.ok());
  target_.emplace(std::move(*target));
  for (int i = 0; i < 2; ++i) {
    disks[i].emplace(&faults[i]);
    if (IsSlow(i)) disks[i]->Hold();
  }
  Sender::Config sender_config;
  sender_config.load = config_.load[0];
  sender_ = std::make_unique<Sender>(now_, sender_config, &*tree_, &*disks[0]);
  Receiver::Config config;
  config.load = config_.load[1];
  config.conflict = config_.conflict;
  config.ask = config_.ask;
  config.allow_dotfiles = config_.allow_dotfiles;
  receiver_ =
      std::make_unique<Receiver>(now_, config, &*target_, &*disks[1], &random_);
}

Session& SessionPair::side(int index) {
  if (index == 0) return *sender_;
  return *receiver_;
}

void SessionPair::Drain(int index) {
  if (killed_[index]) return;
  Session& session = side(index);
  Bytes out(1'172);
  for (;;) {
    const PacketNumber number(next_number_[index]);
    const auto packet = session.PollTransmit(now_, number, out);
    if (!packet) break;
    ++next_number_[index];
    Bytes payload(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(
                                                 packet->frames_size));
    payload.insert(payload.end(), packet->data.begin(), packet->data.end());
    link_.Send(now_, index, number, std::move(payload));
  }
  while (auto event = session.PollEvent()) {
    events_[index].push_back(std::move(*event));
  }
}

void SessionPair::TurnDisks() {
  if (!config_.slow_disks || now_ < next_disk_turn_) return;
  next_disk_turn_ = now_ + config_.disk_turn;
  for (int i = 0; i < 2; ++i) {
    if (!IsSlow(i)) continue;
    disks[i]->Hold(random_.Below(4));
    if (!killed_[i]) side(i).HandleDisk(now_);
    disks[i]->Hold();
  }
}

bool SessionPair::RunUntil(const std::function<bool()>& condition,
                           Duration limit) {
  const TimePoint end = now_ + limit;
  int still = 0;  // Turns without time moving: a timer that never ends.
  for (;;) {
    Drain(0);
    Drain(1);
    if (condition()) return true;
    std::optional<TimePoint> next = link_.NextArrival();
    for (int i = 0; i < 2; ++i) {
      if (killed_[i]) continue;
      const auto due = side(i).PollTimeout();
      if (due && (!next || *due < *next)) next = due;
    }
    if (config_.slow_disks && (!next || next_disk_turn_ < *next)) {
      next = next_disk_turn_;
    }
    if (!next || *next > end) return false;
    still = *next > now_ ? 0 : still + 1;
    P2PCP_CHECK(still < 100'000);
    now_ = std::max(now_, *next);
    while (const auto packet = link_.Receive(now_)) {
      const int to = 1 - packet->from;
      if (!killed_[to]) {
        side(to).HandlePacket(now_, packet->number, packet->payload);
      }
    }
    TurnDisks();
    for (int i = 0; i < 2; ++i) {
      if (killed_[i]) continue;
      const auto due = side(i).PollTimeout();
      if (due && *due <= now_) side(i).HandleTimeout(now_);
    }
  }
}

bool SessionPair::Run(Duration limit) {
  return RunUntil([this] { return Over(0) && Over(1); }, limit);
}

std::optional<ErrorCode> SessionPair::Outcome(int side) const {
  P2PCP_CHECK(Over(side));
  const Failed* failed = Find<Failed>(side);
  if (failed == nullptr) return std::nullopt;
  return failed->error.code;
}

}  // namespace p2pcp

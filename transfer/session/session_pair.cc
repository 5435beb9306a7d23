#include "transfer/session/session_pair.h"

#include <sys/file.h>

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
    : config_(config),
      random_(config.seed),
      link_(config.seed + 1),
      taker_(config.taker),
      giver_(config.giver) {}

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
    OpenJournal(i);
    const Memory* const memory = memory_[i].get();
    disks[i] = std::make_unique<file::InlineDisk>(
        &faults[i],
        memory != nullptr && memory->keeper ? &*memory_[i]->keeper : nullptr,
        memory != nullptr && memory->sources ? &*memory_[i]->sources : nullptr);
    if (IsSlow(i)) disks[i]->Hold();
  }
  Sender::Config sender_config;
  sender_config.load = config_.load[0];
  sender_config.receipt = taker_;
  sender_config.early = config_.early;
  sender_config.told_files = config_.told_files;
  sender_ = std::make_unique<Sender>(now_, sender_config, &*tree_, &*disks[0]);
  Receiver::Config config;
  config.load = config_.load[1];
  config.receipt = giver_;
  config.told_files = config_.told_files;
  config.conflict = config_.conflict;
  config.ask = config_.ask;
  config.delta = config_.delta;
  config.allow_dotfiles = config_.allow_dotfiles;
  receiver_ =
      std::make_unique<Receiver>(now_, config, &*target_, &*disks[1], &random_);
}

void SessionPair::OpenJournal(int index) {
  if (!config_.journals) return;
  auto memory = std::make_unique<Memory>();
  auto journal = file::Journal::Open(
      state[index].path(), {{}, {}, index == 1 ? out.path() : ""}, boot_);
  P2PCP_CHECK(journal.ok());
  memory->journal = *std::move(journal);
  if (index == 1) {
    memory->syncer.emplace(&faults[1]);
    memory->keeper.emplace(memory->journal.get(), &*memory->syncer);
  } else {
    memory->sources.emplace(memory->journal.get());
  }
  memory_[index] = std::move(memory);
}

void SessionPair::Restart(bool killed, const file::BootId& boot) {
  P2PCP_CHECK(config_.journals);
  if (killed) {
    // Nothing of theirs is run any more, not even destructors. What else the
    // system does for a process that is no more: it gives back its locks.
    struct Killed {
      std::unique_ptr<Sender> sender;
      std::unique_ptr<Receiver> receiver;
      std::unique_ptr<file::InlineDisk> disks[2];
      std::unique_ptr<Memory> memory[2];
    };
    static auto& graveyard = *new std::vector<Killed*>;
    for (auto& memory : memory_) flock(memory->journal->fd(), LOCK_UN);
    auto* body = new Killed;
    graveyard.push_back(body);
    body->sender = std::move(sender_);
    body->receiver = std::move(receiver_);
    for (int i = 0; i < 2; ++i) {
      body->memory[i] = std::move(memory_[i]);
      body->disks[i] = std::move(disks[i]);
    }
  } else {
    sender_.reset();
    receiver_.reset();
  }
  for (int i = 0; i < 2; ++i) {
    disks[i].reset();
    memory_[i].reset();
    next_number_[i] = 0;
    killed_[i] = false;
    events_[i].clear();
  }
  while (link_.Receive(TimePoint::max())) {
  }
  boot_ = boot;
  Start();
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

bool SessionPair::DisksBusy() const {
  for (int i = 0; i < 2; ++i) {
    if (IsSlow(i) && !killed_[i] && !disks[i]->idle()) return true;
  }
  return false;
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
    if (DisksBusy() && (!next || next_disk_turn_ < *next)) {
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

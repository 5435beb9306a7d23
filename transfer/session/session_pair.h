// SessionPair: a Sender and a Receiver joined in memory, in virtual time, with
// real files in a folder of the test and disks that fail on cue.

#ifndef P2PCP_TRANSFER_SESSION_SESSION_PAIR_H_
#define P2PCP_TRANSFER_SESSION_SESSION_PAIR_H_

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <queue>
#include <string>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/packet_number.h"
#include "net/base/random.h"
#include "net/base/time.h"
#include "transfer/file/faulty_syscalls.h"
#include "transfer/file/inline_disk.h"
#include "transfer/file/journal.h"
#include "transfer/file/journal_state.h"
#include "transfer/file/output_folder.h"
#include "transfer/file/part_keeper.h"
#include "transfer/file/source_keeper.h"
#include "transfer/file/source_tree.h"
#include "transfer/file/syncer.h"
#include "transfer/file/test_folder.h"
#include "transfer/session/bottleneck.h"
#include "transfer/session/receipt.h"
#include "transfer/session/receiver.h"
#include "transfer/session/sender.h"
#include "transfer/session/session.h"

namespace p2pcp {

// Packets between two sides. Sides are 0 (the sender) and 1 (the receiver).
class TestLink {
 public:
  struct Packet {
    TimePoint arrival;
    std::uint64_t order = 0;
    int from = 0;
    PacketNumber number;
    Bytes payload;
    bool operator<(const Packet& other) const {  // For a min-heap.
      return arrival != other.arrival ? arrival > other.arrival
                                      : order > other.order;
    }
  };

  explicit TestLink(std::uint64_t seed) : random_(seed) {}

  void Send(TimePoint now, int from, PacketNumber number, Bytes payload);
  std::optional<TimePoint> NextArrival() const;
  std::optional<Packet> Receive(TimePoint now);

  Duration delay = 10ms;
  double loss = 0;
  bool reorder = false;
  bool cut = false;  // Nothing arrives.
  // What is lost besides: false drops the packet.
  std::function<bool(int from, ByteSpan payload)> filter;

 private:
  SeededRandom random_;
  std::priority_queue<Packet> packets_;
  std::uint64_t order_ = 0;
};

class SessionPair {
 public:
  struct Config {
    std::uint64_t seed = 1;
    file::ConflictPolicy conflict = file::ConflictPolicy::kRename;
    bool ask = false;
    bool delta = true;
    bool allow_dotfiles = false;
    // Both disks take their time: completions are seen a few at a time, and
    // HandleDisk() is called when there are none too.
    bool slow_disks = false;
    // Only this side's disk is slow.
    std::optional<int> slow_side = {};
    // How often slow disks are looked at.
    Duration disk_turn = 500us;
    const LoadMeter* load[2] = {nullptr, nullptr};
    std::string out = {};  // In the output folder: the name of --out FILE.
    // What was interrupted is kept (Restart).
    bool journals = false;
    // As Sender::Config's and Receiver::Config's.
    std::uint64_t told_files = std::numeric_limits<std::uint64_t>::max();
    ReceiptTaker* taker = nullptr;
    ReceiptGiver* giver = nullptr;
    bool early = true;
  };

  SessionPair() : SessionPair(Config{}) {}
  explicit SessionPair(const Config& config);

  // A file in the source folder, to be sent.
  void Add(const std::string& name, const std::string& content);
  // Scans what was added and makes both sessions. REQUIRES: once, after Add.
  void Start();
  // Of sessions that begin from now on, instead of Config's.
  void UseReceipts(ReceiptTaker* taker, ReceiptGiver* giver) {
    taker_ = taker;
    giver_ = giver;
  }
  // Both sides begin again with Start()'s arguments. Killed ones have not been
  // able to put anything in order. REQUIRES: Config::journals.
  void Restart(bool killed, const file::BootId& boot = {});
  // Runs until both sides have their terminal event, or limit passes; whether
  // they have.
  bool Run(Duration limit = 60s);
  // Runs until condition or limit; whether it came true.
  bool RunUntil(const std::function<bool()>& condition, Duration limit = 60s);

  TestLink& link() { return link_; }
  Sender& sender() { return *sender_; }
  Receiver& receiver() { return *receiver_; }
  TimePoint now() const { return now_; }
  Duration elapsed() const { return now_ - kStart; }
  // One side is gone: it neither sends nor receives any more.
  void Kill(int side) { killed_[side] = true; }

  // All events of one side so far.
  const std::vector<SessionEvent>& events(int side) const {
    return events_[side];
  }
  // The first event of type T.
  template <typename T>
  const T* Find(int side) const {
    for (const SessionEvent& event : events_[side]) {
      if (const T* found = std::get_if<T>(&event)) return found;
    }
    return nullptr;
  }
  bool Over(int side) const {
    return Find<Completed>(side) != nullptr || Find<Failed>(side) != nullptr;
  }
  // The code of Failed; none if Completed. REQUIRES: Over(side).
  std::optional<ErrorCode> Outcome(int side) const;

  file::TestFolder in;   // Of the sender.
  file::TestFolder out;  // Of the receiver.
  file::TestFolder state[2];
  file::FaultySyscalls faults[2];
  std::vector<std::string> paths;
  file::TreeOptions tree_options;
  std::unique_ptr<file::InlineDisk> disks[2];

 private:
  static constexpr TimePoint kStart{1s};

  Session& side(int index);
  void Drain(int index);
  void OpenJournal(int index);
  // Lets some of what the slow disks have done be seen.
  void TurnDisks();
  // A slow disk has something that was not seen yet.
  bool DisksBusy() const;
  bool IsSlow(int side) const {
    return config_.slow_disks && config_.slow_side.value_or(side) == side;
  }

  const Config config_;
  TimePoint next_disk_turn_ = kStart;
  TimePoint now_ = kStart;
  SeededRandom random_;
  TestLink link_;
  // What keeps a journal and uses it; bodies of those that were killed.
  struct Memory {
    std::unique_ptr<file::Journal> journal;
    std::optional<file::InlineSyncer> syncer;
    std::optional<file::PartKeeper> keeper;
    std::optional<file::SourceKeeper> sources;
  };
  file::BootId boot_ = {};
  std::unique_ptr<Memory> memory_[2];
  std::optional<file::SourceTree> tree_;
  std::optional<file::OutputTarget> target_;
  ReceiptTaker* taker_ = nullptr;
  ReceiptGiver* giver_ = nullptr;
  std::unique_ptr<Sender> sender_;
  std::unique_ptr<Receiver> receiver_;
  std::uint64_t next_number_[2] = {0, 0};
  bool killed_[2] = {false, false};
  std::vector<SessionEvent> events_[2];
};

}  // namespace p2pcp

#endif  // P2PCP_TRANSFER_SESSION_SESSION_PAIR_H_

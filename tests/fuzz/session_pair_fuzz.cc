// A sender and a receiver, real files, and a line and disks that the input
// drives: what is lost, late or out of order, what fails or lies on a disk, who
// gives up, who is gone. Both come to an end, and what stands in the
// receiver's folder then is what was sent, whole, and reported as done.

#include <errno.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/check.h"
#include "net/base/result.h"
#include "net/base/time.h"
#include "tests/fuzz/fuzz_input.h"
#include "transfer/file/faulty_syscalls.h"
#include "transfer/file/test_folder.h"
#include "transfer/session/recorded_receipt.h"
#include "transfer/session/session_pair.h"

namespace p2pcp {
namespace {

constexpr std::size_t kMaxOperations = 40;
constexpr Duration kPatience = 300s;

class Arena {
 public:
  explicit Arena(fuzz::FuzzInput input)
      : input_(input), pair_(ConfigOf(input_.TakeU8(), taker_, giver_)) {
    const int files = 1 + input_.TakeU8() % 4;
    for (int i = 0; i < files; ++i) {
      const std::size_t size = input_.TakeU16() * (i == 0 ? 2u : 1u) / 4;
      contents_.push_back(file::RandomText(size, 1 + static_cast<unsigned>(i)));
      pair_.Add("file" + std::to_string(i), contents_.back());
    }
    if ((input_.TakeU8() & 3) == 0) {
      pair_.out.Write("file0", "was there before");
      there_before_ = true;
    }
    pair_.link().filter = [this](int, ByteSpan) {
      return !lossy_ || input_.empty() || input_.TakeU8() >= 80;
    };
    pair_.Start();
  }

  void Run() {
    for (std::size_t i = 0; i < kMaxOperations && !input_.empty(); ++i) {
      const std::uint8_t operation = input_.TakeU8();
      const int side = operation & 1;
      switch (operation >> 1 & 7) {
        case 0:
        case 1:
          RunFor(input_.TakeU8() * 2ms);
          break;
        case 2:
          RunFor(input_.TakeU8() * 100ms);
          break;
        case 3:
          lossy_ = (operation & 16) != 0;
          pair_.link().reorder = (operation & 32) != 0;
          pair_.link().cut = (operation & 192) == 192;
          break;
        case 4:
          pair_.link().delay = input_.TakeU8() * 1ms;
          break;
        case 5:
          Spoil(pair_.faults[side], input_.TakeU8());
          break;
        case 6:
          if ((operation & 240) == 240) {
            Cancel(side);
          }
          break;
        case 7:
          if ((operation & 240) == 240) {
            pair_.Kill(side);
            gone_[side] = true;
          }
          break;
      }
    }
    input_ = fuzz::FuzzInput({});
    pair_.link().cut = false;
    pair_.link().reorder = false;
    pair_.link().delay = 10ms;
    RunFor(kPatience);
    const TimePoint end = pair_.now();
    for (int side = 0; side < 2; ++side) {
      if (!gone_[side] && !pair_.Over(side)) {
        // Only because nobody is there any more.
        P2PCP_CHECK(gone_[1 - side]);
        Session& session = side == 0 ? static_cast<Session&>(pair_.sender())
                                     : pair_.receiver();
        session.HandleChannelLost(end);
      }
    }
    pair_.RunUntil([this] { return Ended(0) && Ended(1); }, 1s);
    Check();
  }

 private:
  static SessionPair::Config ConfigOf(std::uint8_t bits, RecordedTaker& taker,
                                      RecordedGiver& giver) {
    SessionPair::Config config;
    config.giver = &giver;
    if ((bits & 32) != 0) config.taker = &taker;
    config.conflict = static_cast<file::ConflictPolicy>(bits % 3);
    config.slow_disks = (bits & 64) != 0;
    return config;
  }

  bool Ended(int side) const { return gone_[side] || pair_.Over(side); }

  void RunFor(Duration duration) {
    pair_.RunUntil([this] { return Ended(0) && Ended(1); }, duration);
  }

  void Cancel(int side) {
    if (gone_[side]) return;
    Session& session =
        side == 0 ? static_cast<Session&>(pair_.sender()) : pair_.receiver();
    session.Cancel(pair_.now(), Error{ErrorCode::kOther, "cancelled", 0});
  }

  static void Spoil(file::FaultySyscalls& faults, std::uint8_t how) {
    switch (how % 8) {
      case 0:
        faults.write_error = ENOSPC;
        break;
      case 1:
        faults.sync_error = EIO;
        break;
      case 2:
        faults.rename_error = EACCES;
        break;
      case 3:
        faults.max_transfer = 1 + how;
        break;
      case 4:
        faults.corrupt_offset = how * 64;
        break;
      case 5:
        faults.create_error = EACCES;
        break;
      case 6:
        faults.reserve_error = ENOSPC;
        break;
      case 7:
        faults.write_error = faults.sync_error = faults.rename_error =
            faults.create_error = faults.reserve_error = 0;
        break;
    }
  }

  void Check() {
    std::set<std::string> expected;
    if (there_before_) expected.insert("file0");
    std::size_t done = 0;
    for (const SessionEvent& event : pair_.events(1)) {
      const auto* file = std::get_if<FileDone>(&event);
      if (file == nullptr) continue;
      ++done;
      expected.insert(file->final_name);
      P2PCP_CHECK(pair_.out.Read(file->final_name) == contents_[file->index]);
      if (file->final_name == "file0") there_before_ = false;
    }
    if (there_before_) {
      P2PCP_CHECK(pair_.out.Read("file0") == "was there before");
    }
    if (!gone_[1]) {
      P2PCP_CHECK(pair_.Over(1));
      std::set<std::string> there;
      for (const std::string& name : pair_.out.Names()) there.insert(name);
      // A file may have got its name when the folder could not be synced: it is
      // whole then, and was not promised.
      for (const std::string& name : there) {
        if (expected.contains(name)) continue;
        P2PCP_CHECK(IsOneOfThem(pair_.out.Read(name)));
      }
      for (const std::string& name : expected) {
        P2PCP_CHECK(there.contains(name));
      }
    }
    // A receipt is of what arrived, whatever else befell.
    if (!taker_.end.empty()) {
      P2PCP_CHECK(taker_.lines == giver_.lines);
      P2PCP_CHECK(taker_.lines.size() == done + 1);
    }
    // Nobody believes in more than there is.
    if (!gone_[0] && !pair_.Outcome(0).has_value()) {
      P2PCP_CHECK(done == contents_.size());
    }
    if (!gone_[1] && !pair_.Outcome(1).has_value()) {
      P2PCP_CHECK(done == contents_.size());
    }
  }

  bool IsOneOfThem(const std::string& content) const {
    return std::find(contents_.begin(), contents_.end(), content) !=
           contents_.end();
  }

  fuzz::FuzzInput input_;
  RecordedTaker taker_;
  RecordedGiver giver_;
  SessionPair pair_;
  std::vector<std::string> contents_;
  bool there_before_ = false;
  bool lossy_ = false;
  bool gone_[2] = {false, false};
};

}  // namespace
}  // namespace p2pcp

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  return p2pcp::fuzz::RunArena<p2pcp::Arena>(data, size);
}

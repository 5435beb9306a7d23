// The sink against a map of bytes: ranges of a few files come in any order,
// overlapping, outside, or never; digests come early, late, wrong or not at
// all; the disk shows its completions when the input says. It takes each byte
// once, and makes exactly those files whose bytes all came and whose digest is
// theirs.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/check.h"
#include "net/base/random.h"
#include "net/base/result.h"
#include "net/base/time.h"
#include "tests/fuzz/fuzz_input.h"
#include "transfer/file/digest.h"
#include "transfer/file/inline_disk.h"
#include "transfer/file/output_folder.h"
#include "transfer/file/sink.h"
#include "transfer/file/syscalls.h"
#include "transfer/file/test_folder.h"

namespace p2pcp::file {
namespace {

constexpr std::size_t kMaxOperations = 200;
// Six files are three chunks at most: some share one, some span two.
constexpr std::size_t kUnit = 512;

// Files in a folder that nobody keeps need no syncing.
class NoSync final : public Syscalls {
 public:
  int Fdatasync(int) override { return 0; }
  int Fsync(int) override { return 0; }
  int Syncfs(int) override { return 0; }
  int StartWriteback(int) override { return 0; }
  bool IsInMemory(int) override { return in_memory; }

  bool in_memory = false;
};

class Model {
 public:
  explicit Model(fuzz::FuzzInput input)
      : input_(input), target_(*OpenOutput(folder_.path())) {
    const std::uint8_t shape = input_.TakeU8();
    const int files = 1 + shape % 6;
    syscalls_.in_memory = shape >= 0x80;
    for (int i = 0; i < files; ++i) {
      const std::size_t size = input_.TakeU8() * kUnit + input_.TakeU8();
      contents_.push_back(RandomText(size, 1 + static_cast<unsigned>(i)));
      space_ += contents_.back();
    }
    came_.resize(space_.size(), kMissing);
    sink_.emplace(&target_, ConflictPolicy::kRename, &disk_, &random_);
    for (std::size_t i = 0; i < contents_.size(); ++i) {
      Sink::File file;
      file.id = i;
      file.name = "f" + std::to_string(i);
      file.size = contents_[i].size();
      P2PCP_CHECK(sink_->Add(std::move(file)) == i);
      begins_.push_back(i == 0 ? 0 : begins_[i - 1] + contents_[i - 1].size());
      P2PCP_CHECK(sink_->Begin(i) == begins_[i]);
    }
    P2PCP_CHECK(sink_->total() == space_.size());
    Turn();
  }

  void Run() {
    for (std::size_t i = 0; i < kMaxOperations && !input_.empty(); ++i) {
      const std::uint8_t operation = input_.TakeU8();
      switch (operation & 7) {
        case 0:
        case 1:
        case 2: {
          const std::size_t begin =
              input_.TakeU16() * std::size_t{13} % (space_.size() + 64);
          Write(begin, 1 + input_.TakeU16() % 16'384);
          break;
        }
        case 3:
          Write(next_, 1'400);
          break;
        case 4:
          Tell(operation >> 3 & 7, (operation & 64) != 0);
          break;
        case 5:
          disk_.Hold(operation >> 3);
          sink_->HandleDisk(now_);
          break;
        default:
          disk_.Release();
          Turn();
          break;
      }
      Collect();
    }
    disk_.Release();
    sink_->SetFinal();
    // What waits for others to be synced with waits no longer.
    for (int i = 0; i < 4; ++i) {
      now_ += Sink::kBatchTime;
      Turn();
    }
    Collect();
    sink_.reset();
    Check();
  }

 private:
  void Turn() {
    do {
      sink_->HandleDisk(now_);
    } while (disk_.ready());
  }

  void Write(std::size_t begin, std::size_t size) {
    size = std::min(size, ChunkPool::kChunkBytes);
    const bool inside = begin + size <= space_.size();
    std::string bytes =
        inside ? space_.substr(begin, size) : std::string(size, 'x');
    const bool fresh =
        inside && std::string_view(came_).substr(begin, size).find(kCame) ==
                      std::string_view::npos;
    switch (sink_->Write(begin, AsBytes(bytes))) {
      case Sink::Take::kTaken:
        P2PCP_CHECK(fresh);
        std::memset(&came_[begin], kCame, size);
        came_bytes_ += size;
        next_ = begin + size;
        break;
      case Sink::Take::kOutside:
        P2PCP_CHECK(!fresh || failed_);
        break;
      case Sink::Take::kNoRoom:
        break;
    }
    P2PCP_CHECK(sink_->written_bytes() <= came_bytes_);
  }

  void Tell(std::size_t index, bool right) {
    if (index >= contents_.size()) {
      return;
    }
    Hasher hasher;
    hasher.Update(AsBytes(contents_[index]));
    if (!right) hasher.Update(AsBytes(std::string_view("!")));
    const bool taken = sink_->ExpectDigest(index, hasher.Finish());
    const auto told = told_.find(index);
    if (told == told_.end()) {
      P2PCP_CHECK(taken || failed_);
      if (taken) told_[index] = right;
    } else {
      P2PCP_CHECK(!taken || told->second == right);
    }
  }

  void Collect() {
    while (const auto event = sink_->PollEvent()) {
      switch (event->kind) {
        case Sink::Event::Kind::kFileDone:
          P2PCP_CHECK(told_.contains(event->id) && told_[event->id]);
          P2PCP_CHECK(Complete(event->id));
          P2PCP_CHECK(settled_.insert(event->id).second);
          done_[event->id] = event->final_name;
          break;
        case Sink::Event::Kind::kFileFailed:
          P2PCP_CHECK(event->error->code == ErrorCode::kIntegrity);
          P2PCP_CHECK(told_.contains(event->id) && !told_[event->id]);
          P2PCP_CHECK(settled_.insert(event->id).second);
          break;
        case Sink::Event::Kind::kCheckBlocks: {
          // What was written is right: it is the digest that was told wrong,
          // and no block of it is asked for again.
          P2PCP_CHECK(told_.contains(event->id) && !told_[event->id]);
          Hasher hasher;
          hasher.Update(AsBytes(contents_[event->id]));
          P2PCP_CHECK(sink_->ExpectBlocks(event->id, 0, {hasher.Finish()}));
          break;
        }
        case Sink::Event::Kind::kRepair:
          // A small file, which is not looked at block by block.
          P2PCP_CHECK(told_.contains(event->id) && !told_[event->id]);
          P2PCP_CHECK(event->blocks == std::vector<std::uint64_t>{0});
          P2PCP_CHECK(Complete(event->id));
          std::memset(&came_[begins_[event->id]], kMissing,
                      contents_[event->id].size());
          came_bytes_ -= contents_[event->id].size();
          break;
        case Sink::Event::Kind::kSignatures:  // No file has a base.
          P2PCP_CHECK(false);
          break;
        case Sink::Event::Kind::kFailed:
          failed_ = true;
          break;
      }
    }
  }

  bool Complete(std::size_t index) const {
    return std::string_view(came_)
               .substr(begins_[index], contents_[index].size())
               .find(kMissing) == std::string_view::npos;
  }

  void Check() const {
    P2PCP_CHECK(!failed_);
    P2PCP_CHECK(folder_.Names().size() == done_.size());
    for (const auto& [index, name] : done_) {
      P2PCP_CHECK(folder_.Read(name) == contents_[index]);
    }
    // Once all has come, whatever has been told of is settled. (Before, the end
    // of a file may wait in a chunk for what follows it.)
    if (came_bytes_ != space_.size()) return;
    for (const auto& [index, right] : told_) {
      P2PCP_CHECK(settled_.contains(index));
    }
  }

  fuzz::FuzzInput input_;
  TestFolder folder_;
  OutputTarget target_;
  NoSync syscalls_;
  InlineDisk disk_{&syscalls_, nullptr, nullptr, /*writes_now=*/true};
  SeededRandom random_{1};
  TimePoint now_{1s};
  std::vector<std::size_t> begins_;
  std::vector<std::string> contents_;
  std::string space_;
  // What came of `space_`, a character a byte: what searches it is the C
  // library, which is not instrumented (of bits, most of the time went there).
  static constexpr char kMissing = '-';
  static constexpr char kCame = '+';
  std::string came_;
  std::uint64_t came_bytes_ = 0;
  std::size_t next_ = 0;
  std::map<std::size_t, bool> told_;
  std::map<std::size_t, std::string> done_;
  std::set<std::size_t> settled_;
  bool failed_ = false;
  std::optional<Sink> sink_;
};

}  // namespace
}  // namespace p2pcp::file

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  return p2pcp::fuzz::RunArena<p2pcp::file::Model>(data, size);
}

// Intake: what a receiver does with the entries that are offered, before any
// byte of them comes. Makes the folders, looks at the names that are taken,
// compares what is there already, and decides on each entry, in their order.
// Folders get their times when all that lies in them is settled.
//
// It keeps the entries that are not settled, and the folders that these lie in.

#ifndef P2PCP_TRANSFER_FILE_INTAKE_H_
#define P2PCP_TRANSFER_FILE_INTAKE_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "net/base/result.h"
#include "transfer/file/digest.h"
#include "transfer/file/disk.h"
#include "transfer/file/entry.h"
#include "transfer/file/output_folder.h"
#include "transfer/file/paged_queue.h"

namespace p2pcp::file {

// What a receiver says of an entry. Values are those on the wire.
enum class Verdict : std::uint8_t {
  kWant = 0,      // Of a folder: it stands.
  kKeepBack = 1,  // With a folder all that is in it.
  kCompare = 2,   // A file of this size and time stands there: is it the same?
  kHave = 3,      // It is there, as was verified earlier.
};

class Intake {
 public:
  struct Config {
    ConflictPolicy conflict = ConflictPolicy::kRename;
    bool allow_dotfiles = false;  // At the top.
    // A file of the same size and time is taken for the same, unread.
    bool trust_metadata = false;
    // An older version of a file that will be replaced is its base.
    bool delta = false;
  };

  struct Decision {
    std::uint64_t index = 0;
    Verdict verdict = Verdict::kWant;
    bool compared = false;       // After a comparison: kHave, or what else.
    std::optional<Error> error;  // Of kKeepBack.
  };

  // A file that is known: what it is, and where it goes.
  struct Item {
    enum class State : std::uint8_t {
      kNew,
      kAsked,    // A job is under way.
      kDecided,  // But nobody has polled it.
      kOpen,     // To be settled by its owner.
      kSettled,
    };
    bool is_folder = false;
    State state = State::kNew;
    Verdict verdict = Verdict::kWant;
    std::uint64_t piece = 0;  // The owner's.
    std::uint64_t size = 0;
    std::uint64_t disk_bytes = 0;
    std::uint64_t base_size = 0;  // Of its older version; 0: there is none.
    std::optional<Error> error;
    std::optional<Digest> expected;  // Of a comparison.
    std::optional<Digest> found;
    bool outdated = false;  // A part of another version was deleted.
    bool unlike = false;    // What is there can't be the same after all.
    bool source_failed = false;
    Output output;
  };

  // target and disk must outlive it.
  Intake(const OutputTarget* target, const Config& config, Disk* disk);

  // Takes the next entry. kMalformed, as EntryChecker says, or kUsage if it
  // can't go where the user wants it.
  Status Add(const Entry& entry);
  // No entry follows.
  void End();
  // From now on it may touch the folder.
  void Start() { started_ = true; }
  // Nothing is taken to be there unread: what an earlier transfer has put in
  // place is compared too. REQUIRES: not started.
  void CompareAll() { compare_all_ = true; }
  bool started() const { return started_; }

  // Whether the completion is of one of its jobs; then it is taken.
  bool Handle(Completion& done);
  void Advance();
  std::optional<Decision> PollDecision();
  // The folder or the disk is not usable. Final.
  const std::optional<Error>& error() const { return error_; }

  // What the sender says of a file that is compared. False if it is not, or
  // was told already.
  bool ExpectDigest(std::uint64_t index, const Digest& digest);
  // The sender can't read a file that is compared after all: a decision to keep
  // it back follows. False if it is not being compared.
  bool FailSource(std::uint64_t index);
  // The entry is over. REQUIRES: it is open, and not being compared.
  void Settle(std::uint64_t index);

  // Entries [begin, end) are kept.
  std::uint64_t begin() const { return first_; }
  std::uint64_t end() const { return first_ + items_.size(); }
  bool IsOpen(std::uint64_t index) const;
  // REQUIRES: begin() <= index < end().
  Item& operator[](std::uint64_t index) {
    return items_[static_cast<std::size_t>(index - first_)];
  }
  const Item& operator[](std::uint64_t index) const {
    return items_[static_cast<std::size_t>(index - first_)];
  }
  // "folder/name", as the sender calls it.
  std::string PathOf(std::uint64_t index) const;
  // Entries that are not settled.
  std::uint64_t open() const { return open_; }
  // Entries, files and bytes offered so far.
  const EntryChecker& checker() const { return checker_; }
  // Bytes free where the files go, once known.
  std::optional<std::uint64_t> free_bytes() const { return free_bytes_; }
  // All folders are finished. REQUIRES: End() was called.
  bool idle() const { return open_folders_ == 0; }
  // Folders that were made since the last call.
  bool TakeFoldersMade();

 private:
  struct Folder {
    std::shared_ptr<Folder> parent;
    FolderPath path;
    bool made = false;
    bool fresh = false;
    bool kept_back = false;
    bool left = false;  // Nothing more comes into it.
    bool finishing = false;
    std::uint64_t children = 0;  // That are not over.
    Output output;               // For its jobs.
  };
  using FolderRef = std::shared_ptr<Folder>;

  void Leave(const FolderRef& folder);
  void FinishIfOver(FolderRef folder);
  void Process();
  bool ProcessItem(std::uint64_t index);
  void Decide(Item& item, Verdict verdict);
  void KeepBack(Item& item, Error error);
  void AdvanceComparison();
  void JudgeComparison(std::uint64_t index);
  void Collect();

  const OutputTarget& target_;
  const Config config_;
  Disk& disk_;
  bool started_ = false;
  bool compare_all_ = false;
  bool inspecting_ = false;
  bool folders_made_ = false;
  std::optional<std::uint64_t> free_bytes_;
  std::optional<Error> error_;
  EntryChecker checker_;

  PagedQueue<Item> items_;
  std::deque<FolderRef> parents_;  // Of the items.
  std::deque<FolderRef> own_;      // The folders that items are, or null.
  std::uint64_t first_ = 0;
  std::uint64_t next_ = 0;     // The next to be looked at,
  std::uint64_t decided_ = 0;  // and to be handed out.
  std::uint64_t open_ = 0;

  FolderRef root_;
  std::vector<FolderRef> stack_;  // Open ones, root_ first.
  std::uint64_t open_folders_ = 0;
  std::deque<FolderRef> to_finish_;
  std::deque<FolderRef> finishing_;

  // Comparisons: the first is at compare_offset_.
  std::deque<std::uint64_t> compare_;
  std::uint64_t compare_offset_ = 0;
  bool comparing_ = false;
  std::deque<Decision> decisions_;  // After comparisons.
};

}  // namespace p2pcp::file

#endif  // P2PCP_TRANSFER_FILE_INTAKE_H_

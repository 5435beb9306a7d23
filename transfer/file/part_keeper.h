// PartKeeper: keeps the journal of the files that are being received, and sees
// to it that what was written gets durable in time: after kSyncBytes, or after
// some seconds (syncer.h). Beyond kMaxUnsynced whoever writes waits, so that a
// power failure never costs more.

#ifndef P2PCP_TRANSFER_FILE_PART_KEEPER_H_
#define P2PCP_TRANSFER_FILE_PART_KEEPER_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "net/base/result.h"
#include "transfer/file/digest.h"
#include "transfer/file/interval_set.h"
#include "transfer/file/journal.h"
#include "transfer/file/journal_state.h"
#include "transfer/file/syncer.h"

namespace p2pcp::file {

// On the disk's thread. What it is given must outlive it.
class PartKeeper {
 public:
  // Files below this size are not kept account of: they come again whole. As
  // many of them as may be open at once are 4 MiB.
  static constexpr std::uint64_t kMinSize = 64 << 10;
  static constexpr std::uint64_t kSyncBytes = 16 << 20;
  static constexpr std::uint64_t kMaxUnsynced = 32 << 20;

  PartKeeper(Journal* journal, Syncer* syncer)
      : journal_(*journal), syncer_(*syncer) {}

  Journal& journal() { return journal_; }

  // A part that goes on, or a new one: false if it can't be kept account of.
  // fd is that of the part file, hasher the running digest of what was read
  // back of it; both are used until End().
  void Resume(std::uint64_t id, int fd, const Hasher* hasher);
  std::optional<std::uint64_t> Begin(const JournalState::Part& part, int fd,
                                     const Hasher* hasher);
  // Bytes are in the file. An error: those that were written before could not
  // be synced.
  Status Written(std::uint64_t id, std::uint64_t begin, std::uint64_t end);
  // The part file has its final name, or is deleted. The same error.
  Status End(std::uint64_t id);
  // Everything that was written gets durable, with its digests so far. Called
  // at the end; the parts are ended, but for the journal.
  void Close();

 private:
  struct Open {
    int fd = -1;
    const Hasher* hasher = nullptr;
    std::uint64_t dirty = 0;  // Bytes written since the last pass began.
  };

  void StartPass();
  // Takes what the syncer has done; with `wait` all of the pass.
  void TakePass(bool wait);
  Status status() const;

  Journal& journal_;
  Syncer& syncer_;
  std::map<std::uint64_t, Open> open_;
  std::uint64_t dirty_ = 0;    // Of all.
  std::uint64_t syncing_ = 0;  // Bytes that the pass makes durable.
  // A pass: first the parts, then the journal that says so.
  enum class Pass { kNone, kParts, kJournal };
  Pass pass_ = Pass::kNone;
  std::vector<std::uint64_t> pass_ids_;
  int error_ = 0;  // Of syncing a part: a later one would not tell it again.
};

}  // namespace p2pcp::file

#endif  // P2PCP_TRANSFER_FILE_PART_KEEPER_H_

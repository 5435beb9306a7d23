// PartKeeper: keeps the journal of the files that are being received, finds
// again what an earlier transfer has left of them, and sees to it that what was
// written gets durable in time: after kSyncBytes, or after some seconds
// (syncer.h). Beyond kMaxUnsynced whoever writes waits, so that a power failure
// never costs more.

#ifndef P2PCP_TRANSFER_FILE_PART_KEEPER_H_
#define P2PCP_TRANSFER_FILE_PART_KEEPER_H_

#include <sys/stat.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "net/base/result.h"
#include "transfer/file/digest.h"
#include "transfer/file/disk.h"
#include "transfer/file/journal.h"
#include "transfer/file/journal_state.h"
#include "transfer/file/syncer.h"

namespace p2pcp::file {

// On the disk's thread. What it is given must outlive it.
class PartKeeper {
 public:
  // A file that has its final name.
  struct InPlace {
    std::uint64_t hash = 0;  // Of its key.
    std::uint64_t size = 0;
    std::optional<std::string> renamed_to;
    std::optional<std::uint64_t> id;  // Of its part.

    // On any thread. The memory of key is used: so nothing is allocated where
    // that is done over and over.
    static InPlace Of(const Output& output, FileKey& key);
  };

  // Files below this size are not kept account of: they come again whole. As
  // many of them as may be open at once are 4 MiB.
  static constexpr std::uint64_t kMinSize = 64 << 10;
  static constexpr std::uint64_t kSyncBytes = 16 << 20;
  static constexpr std::uint64_t kMaxUnsynced = 32 << 20;
  // Pieces of a file that are told of; what else is there comes again.
  static constexpr std::size_t kMaxPieces = 512;

  PartKeeper(Journal* journal, Syncer* syncer)
      : journal_(*journal), syncer_(*syncer) {}

  // What there is of a file before it comes; dirfd is the folder of output.

  // An earlier transfer has put it in place, under output.final_name.
  bool IsInPlace(int dirfd, Output& output) const;
  // Sets output.remains to what an earlier transfer has left. What belongs to
  // another version of the file is deleted: true.
  bool FindRemains(int dirfd, Output& output);
  // Ends the account of a part that is there no more: as where a transfer was
  // interrupted when the file had got its name, and before that was durable.
  void ForgetLost(int dirfd, const Output& output);

  // A file is about to be made under a temporary name.
  void NotePrefix(const Output& output);
  // Deletes what killed sessions have left in a folder and nobody goes on with.
  // path: the folder's, beneath the output folder.
  void Sweep(int dirfd, const std::string& path);

  // A new part. Nothing: it can't be kept account of. fd is that of the part
  // file, hasher the running digest of what was read back of it; both are used
  // until End() or Placed(). in_memory: there is nothing to be synced, and the
  // digest is saved by Close() alone, so until then the hasher may be used on
  // another thread.
  std::optional<std::uint64_t> Begin(const Output& output, int fd,
                                     const Hasher* hasher,
                                     bool in_memory = false);
  // A part that goes on. hasher goes on behind output.remains->hashed bytes.
  void Resume(const Remains& remains, int fd, Hasher* hasher,
              bool in_memory = false);
  // Bytes are in the file. An error: see status().
  Status Written(std::uint64_t id, std::uint64_t begin, std::uint64_t end);
  // The part file is deleted.
  void End(std::uint64_t id);
  // The file has its final name; id: its part, if there is an account of it.
  void Placed(const Output& output, std::optional<std::uint64_t> id);
  // The same of files without parts.
  void Placed(std::vector<InPlace> files);
  // What was Placed() is so whatever happens.
  void PlacedAreDurable();
  // Everything that was written gets durable, with its digests so far. Called
  // at the end; the parts are ended, but for the journal.
  void Close();

  // An error: what was written before could not be synced. The system tells
  // that once, and a later sync of the same file succeeds.
  Status status() const;

 private:
  struct Open {
    int fd = -1;
    const Hasher* hasher = nullptr;
    bool in_memory = false;
    std::uint64_t dirty = 0;  // Bytes written since the last pass began.
  };

  // Goes on with a part whose file has another number than it had: that of a
  // file system that is mounted anew, or that makes up numbers (FAT, FUSE). Or
  // somebody has put another file there: so only what was synced is told, and
  // all of that is read again. Its new id.
  std::optional<std::uint64_t> Adopt(std::uint64_t id, const struct stat& info);
  void StartPass();
  // Takes what the syncer has done; with `wait` all of the pass.
  void TakePass(bool wait);

  Journal& journal_;
  Syncer& syncer_;
  std::map<std::uint64_t, Open> open_;
  // Told as remains: nobody else gets them.
  std::set<std::uint64_t> claimed_;
  std::string prefix_;  // Of this session.
  std::vector<InPlace> placed_;
  FileKey placed_key_;         // For InPlace::Of().
  std::uint64_t dirty_ = 0;    // Of all.
  std::uint64_t syncing_ = 0;  // Bytes that the pass makes durable.
  // A pass: first the parts, then the journal that says so.
  enum class Pass { kNone, kParts, kJournal };
  Pass pass_ = Pass::kNone;
  std::vector<std::uint64_t> pass_ids_;
  int error_ = 0;  // Of syncing a part.
};

}  // namespace p2pcp::file

#endif  // P2PCP_TRANSFER_FILE_PART_KEEPER_H_

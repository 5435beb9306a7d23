// What a journal of unfinished files says: which part of which file is on the
// disk, and how far that may be believed. The record of it in memory, made by
// applying records (record.h) one after another; without IO.
//
//   HEADER   1  version (8 bit), self, peer, folder: each with its length
//   BOOT     2  id (128 bit) of the boot, and of the folder's disk within it:
//               the records that follow are of that
//   PART     3  id, device (64), inode (64), stamp (64), size, mtime seconds
//               (64), nanoseconds (32), flags (8: 1 the owner may execute it),
//               path, part path: each with its length
//   WRITTEN  4  id, offset, size: handed to the system, but not synced
//   MARK     5  id: syncing begins
//   SYNCED   6  id: what was written before the MARK is on the device
//   HASH     7  id, flags (8: 1 of an earlier boot), a saved digest of the file
//               from its beginning on
//   END      8  id: the part is no more
//   DONE     9  64-bit hashes of files that are durable under their names
//   RENAMED 10  hash (64) of such a file, and the name that it got instead
//   PREFIX  11  with which the names of a session's parts begin
//
// Numbers without a size are variable-length integers (RFC 9000 section 16).
// What was written in this boot is in the system's cache, or on the disk,
// whatever became of the program, unless the disk is pulled out; of what was
// written before, only what was synced counts.

#ifndef P2PCP_TRANSFER_FILE_JOURNAL_STATE_H_
#define P2PCP_TRANSFER_FILE_JOURNAL_STATE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>

#include "net/base/bytes.h"
#include "transfer/file/digest.h"
#include "transfer/file/entry.h"
#include "transfer/file/hash_set.h"
#include "transfer/file/interval_set.h"
#include "transfer/file/record.h"

namespace p2pcp::file {

// What the kernel calls this boot (/proc/sys/kernel/random/boot_id).
using BootId = std::array<std::byte, 16>;

// Whose journal it is. Each at most kMaxOwner bytes.
struct JournalOwner {
  static constexpr std::size_t kMaxOwner = 4096;

  Bytes self;  // Public keys.
  Bytes peer;
  std::string folder;  // What the paths are beneath.

  friend bool operator==(const JournalOwner&, const JournalOwner&) = default;
};

// By what a file is known again that is sent a second time.
struct FileKey {
  std::string path;  // Beneath the folder, as the sender has it.
  std::uint64_t size = 0;
  FileTime mtime;
  bool executable = false;

  friend bool operator==(const FileKey&, const FileKey&) = default;
};

class JournalState {
 public:
  static constexpr std::size_t kMaxParts = 128;
  // Of a part, on either account.
  static constexpr std::size_t kMaxIntervals = 1024;
  static constexpr std::size_t kMaxDone = 3 << 19;
  static constexpr std::size_t kMaxRenamed = 4096;
  // Of the last sessions; what older ones have left stays until it is cleaned.
  static constexpr std::size_t kMaxPrefixes = 64;

  struct SavedHash {
    std::uint64_t offset = 0;   // Bytes from the beginning that it is of.
    bool earlier_boot = false;  // Then it stands for what was synced only.
    Hasher::Saved state;
  };

  struct Part {
    FileKey key;
    std::string part_path;  // Where it is, beneath the folder.
    // Of the part file, or of a source; stamp: what its owner wants to know.
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    std::int64_t stamp = 0;
    IntervalSet written{kMaxIntervals};  // To be believed now.
    IntervalSet durable{kMaxIntervals};  // Of that: also after a reboot.
    IntervalSet marked{kMaxIntervals};   // Being synced.
    std::optional<SavedHash> hash;       // Of bytes that are in `written`.
  };

  enum class Type : std::uint8_t {
    kHeader = 1,
    kBoot = 2,
    kPart = 3,
    kWritten = 4,
    kMark = 5,
    kSynced = 6,
    kHash = 7,
    kEnd = 8,
    kDone = 9,
    kRenamed = 10,
    kPrefix = 11,
  };

  // Applies a record; false, and nothing changes, if it makes no sense here.
  [[nodiscard]] bool Apply(const Record& record);

  const std::optional<JournalOwner>& owner() const { return owner_; }
  const std::optional<BootId>& boot() const { return boot_; }
  const std::map<std::uint64_t, Part>& parts() const { return parts_; }
  // The part of the file at path, whatever its size was then.
  std::optional<std::uint64_t> FindPart(const std::string& path) const;
  // An id that no part has had.
  std::uint64_t next_id() const { return next_id_; }
  bool IsDone(std::uint64_t hash) const { return done_.Contains(hash); }
  std::size_t done() const { return done_.size(); }
  // The name that a file got which is done, if it is another than it had.
  const std::string* RenamedTo(std::uint64_t hash) const;
  const std::deque<std::string>& prefixes() const { return prefixes_; }

  // The payloads of the fewest records that make the same state, in order.
  template <typename Emit>  // void(Type, ByteSpan payload)
  void Serialize(Emit emit) const;

  static std::uint64_t HashOf(const FileKey& key);

  // Payloads.
  static Bytes Header(const JournalOwner& owner);
  static Bytes PartRecord(std::uint64_t id, const Part& part);
  static Bytes Written(std::uint64_t id, std::uint64_t offset,
                       std::uint64_t size);
  static Bytes Id(std::uint64_t id);
  static Bytes Hash(std::uint64_t id, bool earlier_boot,
                    const Hasher::Saved& state);
  static Bytes Renamed(std::uint64_t hash, const std::string& name);
  static Bytes Prefix(const std::string& prefix);

 private:
  static constexpr std::uint8_t kVersion = 1;
  static constexpr std::size_t kDonePerRecord = 512;

  bool ApplyHeader(ByteReader& reader);
  bool ApplyBoot(ByteReader& reader);
  bool ApplyPart(ByteReader& reader);
  bool ApplyWritten(ByteReader& reader);
  bool ApplyHash(ByteReader& reader);
  bool ApplyDone(ByteReader& reader);
  bool ApplyRenamed(ByteReader& reader);
  bool ApplyPrefix(ByteReader& reader);
  Part* ReadId(ByteReader& reader, std::uint64_t* id = nullptr);

  std::optional<JournalOwner> owner_;
  std::optional<BootId> boot_;
  std::map<std::uint64_t, Part> parts_;
  std::unordered_map<std::string, std::uint64_t> by_path_;
  std::uint64_t next_id_ = 0;
  HashSet done_;
  std::unordered_map<std::uint64_t, std::string> renamed_;
  std::deque<std::string> prefixes_;
};

template <typename Emit>
void JournalState::Serialize(Emit emit) const {
  if (owner_) emit(Type::kHeader, ByteSpan(Header(*owner_)));
  if (boot_) emit(Type::kBoot, ByteSpan(*boot_));
  for (const auto& [id, part] : parts_) {
    emit(Type::kPart, ByteSpan(PartRecord(id, part)));
    const auto emit_all = [&, id = id](const IntervalSet& set) {
      for (const Interval& range : set.list()) {
        emit(Type::kWritten, ByteSpan(Written(id, range.begin, range.size())));
      }
    };
    if (part.durable.intervals() > 0) {
      emit_all(part.durable);
      emit(Type::kMark, ByteSpan(Id(id)));
      emit(Type::kSynced, ByteSpan(Id(id)));
    }
    if (part.written.list() != part.durable.list()) emit_all(part.written);
    if (part.hash) {
      emit(Type::kHash,
           ByteSpan(Hash(id, part.hash->earlier_boot, part.hash->state)));
    }
  }
  Bytes batch;
  done_.ForEach([&](std::uint64_t hash) {
    std::array<std::byte, 8> bytes;
    ByteWriter(bytes).WriteU64(hash);
    batch.insert(batch.end(), bytes.begin(), bytes.end());
    if (batch.size() == 8 * kDonePerRecord) {
      emit(Type::kDone, ByteSpan(batch));
      batch.clear();
    }
  });
  if (!batch.empty()) emit(Type::kDone, ByteSpan(batch));
  for (const auto& [hash, name] : renamed_) {
    emit(Type::kRenamed, ByteSpan(Renamed(hash, name)));
  }
  for (const std::string& prefix : prefixes_) {
    emit(Type::kPrefix, ByteSpan(Prefix(prefix)));
  }
}

}  // namespace p2pcp::file

#endif  // P2PCP_TRANSFER_FILE_JOURNAL_STATE_H_

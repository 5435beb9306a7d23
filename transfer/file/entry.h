// The entries of a transfer: files and folders, depth first, as the sender
// finds them and the receiver hears of them. They stream: neither side ever has
// all of them in memory.

#ifndef P2PCP_TRANSFER_FILE_ENTRY_H_
#define P2PCP_TRANSFER_FILE_ENTRY_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "net/base/result.h"

namespace p2pcp::file {

struct FileTime {
  std::int64_t seconds = 0;       // Since 1970-01-01 00:00:00 UTC.
  std::uint32_t nanoseconds = 0;  // < 10^9.

  friend bool operator==(const FileTime&, const FileTime&) = default;
};

// What comes after a folder lies in it, until an entry goes up again.
struct Entry {
  enum class Kind : std::uint8_t {
    kFile,
    kFolder,
    kStream,  // A file whose size only its end tells; the only entry.
  };

  Kind kind = Kind::kFile;
  bool executable = false;  // The owner's x bit; no other bit travels.
  bool sparse = false;      // A file with holes, which are told apart.
  std::uint32_t up = 0;     // Folders that are left before it.
  std::string name;         // One component (path_policy.h).
  FileTime mtime;
  std::uint64_t size = 0;        // Of a file.
  std::uint64_t data_bytes = 0;  // Of a sparse file: about what is no hole.

  bool is_folder() const { return kind == Kind::kFolder; }
  bool is_stream() const { return kind == Kind::kStream; }
  // What it takes of a disk, as far as its sender knows.
  std::uint64_t disk_bytes() const {
    return sparse && data_bytes < size ? data_bytes : size;
  }
  friend bool operator==(const Entry&, const Entry&) = default;
};

// Entries of a transfer, which is more than the largest trees have.
inline constexpr std::uint64_t kMaxEntries = 10'000'000;
// Offsets of the byte space have 48 bits on the wire.
inline constexpr std::uint64_t kMaxTotal = (std::uint64_t{1} << 48) - 1;
// Holes of a transfer: they cost their sender nothing, and everybody time.
inline constexpr std::uint64_t kMaxHoleBytes = std::uint64_t{4} << 40;

// Follows a stream of entries and holds it to the bounds.
class EntryChecker {
 public:
  // Takes the next entry: where it lies, and whether it may. kMalformed: it
  // breaks a bound or has no plain name; nothing may follow.
  Status Add(const Entry& entry);

  // The path of the entry taken last, its components parted by slashes.
  const std::string& path() const { return path_; }
  // Folders above it: 0 at the top.
  std::size_t depth() const { return depth_; }
  // Entries so far, files among them, and their bytes together.
  std::uint64_t entries() const { return entries_; }
  std::uint64_t files() const { return files_; }
  std::uint64_t total() const { return total_; }

 private:
  std::string path_;
  std::vector<std::size_t> folders_;  // Where the path of each open one ends.
  std::size_t depth_ = 0;
  std::uint64_t entries_ = 0;
  std::uint64_t files_ = 0;
  std::uint64_t total_ = 0;
};

}  // namespace p2pcp::file

#endif  // P2PCP_TRANSFER_FILE_ENTRY_H_

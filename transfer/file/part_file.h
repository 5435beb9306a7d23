// A file while it is being received: written under a temporary name, read back
// for its digest, and renamed only when its owner says that it is right.

#ifndef P2PCP_TRANSFER_FILE_PART_FILE_H_
#define P2PCP_TRANSFER_FILE_PART_FILE_H_

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <utility>

#include "net/base/bytes.h"
#include "net/base/result.h"
#include "transfer/file/digest.h"
#include "transfer/file/disk.h"
#include "transfer/file/syscalls.h"
#include "transfer/file/unique_fd.h"

namespace p2pcp::file {

// Device and inode of the files that a transfer has put in place: none of them
// is replaced by another one of the same transfer, as two names that differ in
// case alone would have it where the file system knows no difference.
using PlacedFiles = std::set<std::pair<std::uint64_t, std::uint64_t>>;

// Deletes its file when it goes away uncommitted. The folder and the Syscalls
// must outlive it. All methods block.
class PartFile {
 public:
  static Result<PartFile> Create(Syscalls& syscalls, const Output& output);

  PartFile(PartFile&& other) noexcept;
  PartFile& operator=(PartFile&& other) = delete;
  ~PartFile();

  // Writes all of bytes.
  Status Write(std::uint64_t offset, ByteSpan bytes);
  // Reads size bytes back, through scratch, into hasher.
  Status ReadBack(std::uint64_t offset, std::uint64_t size,
                  MutableByteSpan scratch, Hasher& hasher);
  // As Job::kCommit; where files are replaced, placed keeps account. Afterwards
  // only destruction is left.
  Status Commit(Output& output, PlacedFiles& placed);

 private:
  PartFile(Syscalls& syscalls, const Output& output, int fd);

  // Has room for what comes up to end, and somewhat beyond.
  Status ReserveUpTo(std::uint64_t end);
  Status PutInPlace(Output& output, const PlacedFiles& placed);
  // Whether the name was free and is taken now; errno if not.
  bool RenameNoReplace(const std::string& name);

  Syscalls& syscalls_;
  UniqueFd fd_;
  int dirfd_;
  std::string part_name_;  // Empty once committed.
  std::string name_;       // For messages.
  std::uint64_t size_;     // As declared.
  std::uint64_t reserved_ = 0;
  std::uint64_t written_since_writeback_ = 0;
};

// "name (number).ext": number before the extension, and before both of
// ".tar.gz"; shortened so that it stays a name.
std::string NumberedName(const std::string& name, unsigned number);

// What stands under output's name and whether output's policy lets a new file
// have it: whether the name is taken, or kKeptBack.
Result<bool> ProbeName(const Output& output);

}  // namespace p2pcp::file

#endif  // P2PCP_TRANSFER_FILE_PART_FILE_H_

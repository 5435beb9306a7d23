// A file while it is being received: written under a temporary name, read back
// for its digest, and renamed only when its owner says that it is right.

#ifndef P2PCP_TRANSFER_FILE_PART_FILE_H_
#define P2PCP_TRANSFER_FILE_PART_FILE_H_

#include <sys/stat.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "net/base/bytes.h"
#include "net/base/result.h"
#include "transfer/file/digest.h"
#include "transfer/file/disk.h"
#include "transfer/file/syscalls.h"
#include "transfer/file/unique_fd.h"

namespace p2pcp::file {

// Why a file is kept back where another one has its name.
inline constexpr std::string_view kExistsText =
    "exists: --conflict overwrite replaces it";

// Inodes of the files that a transfer has put into folders that it did not
// make: none of them is replaced or doubled by another one of the same
// transfer, as two names that differ in case alone would have it where the file
// system knows no difference. Names that meet lie in one folder, and what lies
// in one folder comes together, so the last ones are enough.
class PlacedFiles {
 public:
  void Add(std::uint64_t inode) {
    if (recent_.size() == kGeneration) {
      before_ = std::move(recent_);
      recent_.clear();
    }
    recent_.insert(inode);
  }
  bool Has(std::uint64_t inode) const {
    return recent_.contains(inode) || before_.contains(inode);
  }

 private:
  static constexpr std::size_t kGeneration = 100'000;  // About 4 MiB.
  std::unordered_set<std::uint64_t> recent_;
  std::unordered_set<std::uint64_t> before_;
};

// A folder, held open as long as somebody has it.
using FolderFd = std::shared_ptr<const UniqueFd>;

// Gives the file part_name, in the same folder, the name of output as its
// conflict policy allows, which goes to output.final_name. kKeptBack if it may
// not have it; the file stays under part_name then.
Status PutInPlace(Syscalls& syscalls, int dirfd, const std::string& part_name,
                  Output& output, PlacedFiles& placed);
// The same with a file that has no name, in a folder that this transfer has
// made: whoever has the name already is one of its files too.
Status NameInPlace(Syscalls& syscalls, int dirfd, int fd, Output& output);
// Sets the mode, unless it has been created with it, and the time.
Status SetAttributes(int fd, const Output& output, bool set_mode);
// What Output says of temporary names.
std::string PartName(const std::string& prefix, std::uint64_t number);
// Whether it has the type, size and time that SetAttributes() would have left
// it with, on a file system whose times may be coarse.
bool MayBeSame(const struct stat& info, const Output& output);
std::string PartName(const Output& output);
// Opens a part in the folder for going on with it: -1 and errno if it is not
// one of ours.
int OpenPart(int dirfd, const std::string& name);
Error CannotWrite(const std::string& name, int error);
// kKeptBack: the path, and why. error: 0 where there is none.
Error KeptBack(const Output& output, std::string_view why, int error);
// Why output's name could not be made in the folder: kKeptBack where the file
// system has no such name. error: not EEXIST.
Error NamingError(int dirfd, const Output& output, int error);

// Deletes its file when it goes away uncommitted. The Syscalls must outlive it.
// All methods block.
class PartFile {
 public:
  static Result<PartFile> Create(Syscalls& syscalls, FolderFd folder,
                                 const Output& output);

  // Goes on with what output.remains says. kIntegrity: it is not there, or is
  // not what was left.
  static Result<PartFile> Reopen(Syscalls& syscalls, FolderFd folder,
                                 const Output& output);

  PartFile(PartFile&& other) noexcept;
  PartFile& operator=(PartFile&& other) = delete;
  ~PartFile();

  // Writes all of bytes.
  Status Write(std::uint64_t offset, ByteSpan bytes);
  // Reads size bytes back, through scratch, into hasher.
  Status ReadBack(std::uint64_t offset, std::uint64_t size,
                  MutableByteSpan scratch, Hasher& hasher);
  // It stays when this goes away.
  void Keep() { part_name_.clear(); }
  int fd() const { return fd_.get(); }
  // Writing and reading wait for no device, and a reboot takes all of it.
  bool in_memory() const { return in_memory_; }
  // As Job::kCommit. Afterwards only destruction is left.
  Status Commit(Output& output, PlacedFiles& placed);

 private:
  PartFile(Syscalls& syscalls, FolderFd folder, const Output& output, int fd);

  // Has room for what comes up to end, and somewhat beyond.
  Status ReserveUpTo(std::uint64_t end);

  Syscalls& syscalls_;
  UniqueFd fd_;
  FolderFd folder_;
  bool in_memory_;
  std::string part_name_;     // Empty once committed.
  std::string name_;          // For messages.
  std::uint64_t reservable_;  // Its size as declared; 0 with holes.
  std::uint64_t reserved_ = 0;
  std::uint64_t written_since_writeback_ = 0;
};

// "name (number).ext": number before the extension, and before both of
// ".tar.gz"; shortened so that it stays a name.
std::string NumberedName(const std::string& name, unsigned number);

// What stands under output's name in the folder, and whether output's policy
// lets a new file have it: whether the name is taken, and by a file of the same
// size and time; or kKeptBack, unless it is the same.
struct NameProbe {
  bool exists = false;
  bool same = false;
  std::uint64_t size = 0;  // Of a regular file.
};
Result<NameProbe> ProbeName(int dirfd, const Output& output);

}  // namespace p2pcp::file

#endif  // P2PCP_TRANSFER_FILE_PART_FILE_H_

// A file that is being sent: read only, and only as long as it is the file that
// was listed.

#ifndef P2PCP_TRANSFER_FILE_SOURCE_READER_H_
#define P2PCP_TRANSFER_FILE_SOURCE_READER_H_

#include <cstdint>
#include <optional>
#include <string>

#include "net/base/bytes.h"
#include "net/base/result.h"
#include "transfer/file/source_file.h"
#include "transfer/file/syscalls.h"
#include "transfer/file/unique_fd.h"

namespace p2pcp::file {

// Opens files that lie in one folder, one after another, without walking down
// to it for each.
class SourceOpener {
 public:
  // Blocks. The descriptor, or -1 and errno.
  int Open(const SourceFile& source);
  void Close() { *this = {}; }

 private:
  std::string folder_;  // Of the last file, with its slash.
  UniqueFd fd_;         // Of it, from the second file on.
};

// The SourceFile and the Syscalls must outlive it. All methods block; all
// errors are kSourceUnreadable.
class SourceReader {
 public:
  static Result<SourceReader> Open(Syscalls& syscalls,
                                   const SourceFile& source);

  // Of the file, as it was when it was opened: in nanoseconds since 1970.
  std::int64_t change_time() const { return change_time_; }

  // Reads all of the file into buffer, which has its size.
  static Status ReadWhole(Syscalls& syscalls, SourceOpener& opener,
                          const SourceFile& source, MutableByteSpan buffer);

  // Fills buffer from offset. Afterwards looks at the file again: bytes that
  // were read before a change was seen are never handed out as good.
  Status Read(std::uint64_t offset, MutableByteSpan buffer);
  // The same without waiting for a device. Nothing: not all of it is in the
  // system's cache, or it can't tell.
  std::optional<Status> ReadCached(std::uint64_t offset,
                                   MutableByteSpan buffer);
  // The first bytes from offset on that are no hole: [begin, end), empty at the
  // file's end if only a hole follows. Afterwards looks at the file again.
  struct Extent {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
  };
  Result<Extent> SeekData(std::uint64_t offset);

 private:
  SourceReader(Syscalls& syscalls, const SourceFile& source, int fd)
      : syscalls_(&syscalls), source_(&source), fd_(fd) {}

  Status CheckUnchanged();

  Syscalls* syscalls_;
  const SourceFile* source_;
  UniqueFd fd_;
  std::int64_t change_time_ = 0;
  bool in_memory_ = false;
};

}  // namespace p2pcp::file

#endif  // P2PCP_TRANSFER_FILE_SOURCE_READER_H_

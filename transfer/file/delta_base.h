// DeltaBase: an older version of a file, open for reading: signed for the
// sender, and copied from. Whoever has the folder may change it meanwhile: what
// was copied is checked by the digest of the new version, like all else.

#ifndef P2PCP_TRANSFER_FILE_DELTA_BASE_H_
#define P2PCP_TRANSFER_FILE_DELTA_BASE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/result.h"
#include "transfer/file/delta_signature.h"
#include "transfer/file/syscalls.h"
#include "transfer/file/unique_fd.h"

namespace p2pcp::file {

// The Syscalls must outlive it. All methods block.
class DeltaBase {
 public:
  // fd: what stands under the name. kCannotWrite: no regular file.
  static Result<DeltaBase> Open(Syscalls& syscalls, UniqueFd fd,
                                const std::string& name);

  // Bytes when it was opened.
  std::uint64_t size() const { return size_; }
  // Appends the signatures of the blocks, each of `block` bytes, that [offset,
  // offset + size) holds, offset being where one begins; only the last may be
  // shorter. Bytes that were signed: fewer where it can't be read, or has
  // become shorter. REQUIRES: scratch.size() >= block.
  std::uint64_t Sign(std::uint64_t offset, std::uint64_t size,
                     std::uint64_t block, MutableByteSpan scratch,
                     std::vector<BlockSignature>* signatures);
  // Fills buffer from offset on; what can't be read is zeros.
  void Read(std::uint64_t offset, MutableByteSpan buffer);

 private:
  DeltaBase(Syscalls& syscalls, UniqueFd fd, std::uint64_t size)
      : syscalls_(&syscalls), fd_(std::move(fd)), size_(size) {}

  // Bytes that were read, from the beginning of buffer.
  std::size_t ReadSome(std::uint64_t offset, MutableByteSpan buffer);

  Syscalls* syscalls_;
  UniqueFd fd_;
  std::uint64_t size_;
};

}  // namespace p2pcp::file

#endif  // P2PCP_TRANSFER_FILE_DELTA_BASE_H_

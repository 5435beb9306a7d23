// FileHead: the first bytes of a file, read before anybody is known to want
// them.

#ifndef P2PCP_TRANSFER_FILE_FILE_HEAD_H_
#define P2PCP_TRANSFER_FILE_FILE_HEAD_H_

#include <cstddef>
#include <cstdint>
#include <memory>

#include "net/base/bytes.h"
#include "transfer/file/disk.h"
#include "transfer/file/source_file.h"

namespace p2pcp::file {

class FileHead {
 public:
  // Of the disk; no Source uses it.
  static constexpr std::uint32_t kSlot = Disk::kSlots - 1;
  // Of its jobs; beyond those of a Source.
  static constexpr std::uint64_t kTag = std::uint64_t{1} << 63;

  // Reads `size` bytes. The disk's jobs must be over, or abandoned, before this
  // goes away. REQUIRES: nothing was read before; 0 < size <= file->size; the
  // disk has room for two jobs.
  void Read(Disk& disk, std::shared_ptr<const SourceFile> file,
            std::size_t size);
  // Whether the completion is of one of its jobs; then it is taken.
  bool Handle(const Completion& done);

  // Whether Read() was called.
  bool begun() const { return file_ != nullptr; }
  // What was read; empty before that, and for ever if it can't be.
  ByteSpan bytes() const { return there_ ? ByteSpan(buffer_) : ByteSpan(); }

 private:
  std::shared_ptr<const SourceFile> file_;
  Bytes buffer_;
  bool there_ = false;
};

}  // namespace p2pcp::file

#endif  // P2PCP_TRANSFER_FILE_FILE_HEAD_H_

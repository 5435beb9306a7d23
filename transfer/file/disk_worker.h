// Carries out the jobs of a Disk, one at a time, blocking.

#ifndef P2PCP_TRANSFER_FILE_DISK_WORKER_H_
#define P2PCP_TRANSFER_FILE_DISK_WORKER_H_

#include <array>
#include <cstdint>
#include <memory>
#include <optional>

#include "net/base/bytes.h"
#include "net/base/result.h"
#include "transfer/file/digest.h"
#include "transfer/file/disk.h"
#include "transfer/file/part_file.h"
#include "transfer/file/source_reader.h"
#include "transfer/file/syscalls.h"
#include "transfer/file/target_worker.h"
#include "transfer/file/unique_fd.h"

namespace p2pcp::file {

class DiskWorker {
 public:
  // syscalls must outlive the worker; null: the real ones.
  explicit DiskWorker(Syscalls* syscalls);

  Completion Execute(const Job& job);
  // A kReadSource job, if it takes no waiting for a device; else does nothing.
  std::optional<Completion> TryRead(const Job& job);
  // Closes all files; deletes the temporary ones.
  void CloseAll();

 private:
  struct Slot {
    std::optional<SourceReader> source;
    std::optional<PartFile> part;
    UniqueFd existing;
    std::optional<Hasher> hasher;  // Made when first needed.

    Hasher& Hash() { return hasher ? *hasher : hasher.emplace(); }
  };

  Status Run(const Job& job, Completion& completion);
  Status RunSource(const Job& job, Slot& slot, Completion& completion);
  Status OpenSource(const Job& job, Slot& slot);
  Status ReadSource(const Job& job, Slot& slot, Completion& completion);
  Status DigestSource(const Job& job, Slot& slot, Completion& completion);
  void TakeDigest(const Job& job, Slot& slot, Completion& completion);
  Status DigestExisting(const Job& job, Slot& slot, Completion& completion);
  Status Create(const Job& job, Slot& slot);
  Status Write(const Job& job, Slot& slot, Completion& completion);
  Status Hash(const Job& job, std::uint64_t offset, Slot& slot,
              Completion& completion);
  Status Commit(const Job& job, Slot& slot);
  MutableByteSpan scratch();

  Syscalls& syscalls_;
  TargetWorker target_;
  std::array<Slot, Disk::kSlots> slots_;
  std::unique_ptr<std::byte[]> scratch_;  // For reading back.
};

}  // namespace p2pcp::file

#endif  // P2PCP_TRANSFER_FILE_DISK_WORKER_H_

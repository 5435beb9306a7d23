// What a DiskWorker does with an older version of a file, on either side.

#include <errno.h>

#include <algorithm>
#include <utility>

#include "transfer/file/delta_base.h"
#include "transfer/file/delta_matcher.h"
#include "transfer/file/disk_worker.h"

namespace p2pcp::file {

Status DiskWorker::MatchSource(const Job& job, Slot& slot,
                               Completion& completion) {
  Status read = slot.source->Read(job.offset, job.buffer);
  if (!read) return read;
  TakeDigest(job, slot, completion);
  job.matcher->Process(job.buffer.size(), job.flush);
  return {};
}

Status DiskWorker::OpenBase(const Job& job, Slot& slot,
                            Completion& completion) {
  slot.base.reset();
  const Output& output = *job.output;
  Result<UniqueFd> fd = target_.OpenExisting(output);
  if (!fd) return fd.error();
  Result<DeltaBase> base =
      DeltaBase::Open(syscalls_, *std::move(fd), output.name);
  if (!base) return base.error();
  completion.size = base->size();
  slot.base.emplace(*std::move(base));
  return {};
}

Status DiskWorker::SignBase(const Job& job, Slot& slot,
                            Completion& completion) {
  completion.size = 0;
  if (!slot.base) return {};
  completion.size = slot.base->Sign(job.offset, job.size, job.block, scratch(),
                                    job.signatures);
  return {};
}

Status DiskWorker::CopyBase(const Job& job, Slot& slot,
                            Completion& completion) {
  if (!slot.part) return CannotWrite(job.output->name, EBADF);
  const MutableByteSpan buffer = scratch();
  for (std::uint64_t done = 0; done < job.length;) {
    const MutableByteSpan bytes = buffer.first(static_cast<std::size_t>(
        std::min<std::uint64_t>(job.length - done, buffer.size())));
    if (slot.base) {
      slot.base->Read(job.from + done, bytes);
    } else {
      std::fill(bytes.begin(), bytes.end(), std::byte{0});
    }
    Status written = slot.part->Write(job.offset + done, bytes);
    if (!written) return written;
    done += bytes.size();
  }
  if (slot.part_id) {
    Status noted =
        keeper_->Written(*slot.part_id, job.offset, job.offset + job.length);
    if (!noted) return noted;
  }
  if (!job.digest) return {};
  return Hash(job, job.digest_offset, slot, completion);
}

}  // namespace p2pcp::file

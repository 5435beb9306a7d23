#include "transfer/file/disk_worker.h"

#include <errno.h>
#include <sys/stat.h>

#include <algorithm>
#include <string>
#include <utility>

#include "net/base/check.h"

namespace p2pcp::file {

namespace {

// Stays in the cache between reading back and hashing.
constexpr std::size_t kScratchBytes = 64 << 10;

// A job on a file whose opening failed: that error has been reported already,
// with the job that opened it.
Status NotOpen(ErrorCode code) {
  return ErrnoError(code, "the file is not open", EBADF);
}

Completion CompletionOf(const Job& job) {
  Completion completion;
  completion.kind = job.kind;
  completion.last = job.last;
  completion.slot = job.slot;
  completion.tag = job.tag;
  completion.offset = job.offset;
  completion.size = job.buffer.empty() ? job.size : job.buffer.size();
  return completion;
}

}  // namespace

DiskWorker::DiskWorker(Syscalls* syscalls)
    : syscalls_(syscalls != nullptr ? *syscalls : Syscalls::Real()),
      target_(syscalls_) {}

Completion DiskWorker::Execute(const Job& job) {
  Completion completion = CompletionOf(job);
  Status status = Run(job, completion);
  if (!status) completion.error = std::move(status).error();
  return completion;
}

std::optional<Completion> DiskWorker::TryRead(const Job& job) {
  P2PCP_CHECK(job.kind == Job::Kind::kReadSource && job.slot < slots_.size());
  Slot& slot = slots_[job.slot];
  if (!slot.source) return std::nullopt;
  std::optional<Status> read = slot.source->ReadCached(job.offset, job.buffer);
  if (!read) return std::nullopt;
  Completion completion = CompletionOf(job);
  if (*read) {
    TakeDigest(job, slot, completion);
  } else {
    completion.error = std::move(*read).error();
  }
  return completion;
}

void DiskWorker::CloseAll() {
  for (Slot& slot : slots_) {
    slot.source.reset();
    slot.part.reset();
    slot.existing.Close();
  }
  target_.DropStored();
}

MutableByteSpan DiskWorker::scratch() {
  if (scratch_ == nullptr) {
    scratch_ = std::make_unique<std::byte[]>(kScratchBytes);
  }
  return {scratch_.get(), kScratchBytes};
}

Status DiskWorker::Run(const Job& job, Completion& completion) {
  P2PCP_CHECK(job.slot < slots_.size());
  Slot& slot = slots_[job.slot];
  switch (job.kind) {
    case Job::Kind::kScan:
    case Job::Kind::kOpenSource:
    case Job::Kind::kReadSource:
    case Job::Kind::kDigestSource:
    case Job::Kind::kSeekSource:
      return RunSource(job, slot, completion);
    case Job::Kind::kInspectFolder:
      return target_.InspectFolder(*job.output, completion);
    case Job::Kind::kMakeFolder:
      return target_.MakeFolder(*job.output, completion);
    case Job::Kind::kFinishFolder:
      return target_.FinishFolder(*job.output);
    case Job::Kind::kProbeName:
      return target_.Probe(*job.output, completion);
    case Job::Kind::kDigestExisting:
      return DigestExisting(job, slot, completion);
    case Job::Kind::kStore:
      return target_.Store(*job.output, job.buffer, scratch(), completion);
    case Job::Kind::kPlace:
      return target_.Place(*job.output);
    case Job::Kind::kRemove:
      return target_.Remove(*job.output);
    case Job::Kind::kSync:
      return target_.Sync(*job.output);
    case Job::Kind::kCreate:
      return Create(job, slot);
    case Job::Kind::kWrite:
      return Write(job, slot, completion);
    case Job::Kind::kHash:
      return Hash(job, job.offset, slot, completion);
    case Job::Kind::kCommit:
      return Commit(job, slot);
    case Job::Kind::kDiscard:
      slot.part.reset();
      return {};
  }
  return {};
}

Status DiskWorker::RunSource(const Job& job, Slot& slot,
                             Completion& completion) {
  switch (job.kind) {
    case Job::Kind::kScan:
      job.tree->Next(*job.batch, static_cast<std::size_t>(job.size));
      return {};
    case Job::Kind::kOpenSource:
      return OpenSource(job, slot);
    case Job::Kind::kReadSource:
      return ReadSource(job, slot, completion);
    case Job::Kind::kDigestSource:
      return DigestSource(job, slot, completion);
    default: {  // kSeekSource
      if (!slot.source) return NotOpen(ErrorCode::kSourceUnreadable);
      Result<SourceReader::Extent> extent = slot.source->SeekData(job.offset);
      if (!extent) return extent.error();
      completion.offset = extent->begin;
      completion.size = extent->end - extent->begin;
      return {};
    }
  }
}

Status DiskWorker::OpenSource(const Job& job, Slot& slot) {
  P2PCP_CHECK(job.source != nullptr);
  slot.source.reset();
  Result<SourceReader> reader = SourceReader::Open(syscalls_, *job.source);
  if (!reader) return reader.error();
  slot.source.emplace(std::move(*reader));
  slot.Hash().Reset();
  return {};
}

Status DiskWorker::ReadSource(const Job& job, Slot& slot,
                              Completion& completion) {
  if (job.source != nullptr) {
    Status read = SourceReader::ReadWhole(syscalls_, *job.source, job.buffer);
    if (read && job.digest) completion.digest = Hasher::Of(job.buffer);
    return read;
  }
  if (!slot.source) return NotOpen(ErrorCode::kSourceUnreadable);
  Status read = slot.source->Read(job.offset, job.buffer);
  if (read) TakeDigest(job, slot, completion);
  return read;
}

Status DiskWorker::DigestSource(const Job& job, Slot& slot,
                                Completion& completion) {
  if (!slot.source) return NotOpen(ErrorCode::kSourceUnreadable);
  Hasher& hasher = slot.Hash();
  if (job.digest) hasher.Reset();
  if (job.zeros) {
    hasher.UpdateZeros(job.size);
  } else {
    const MutableByteSpan buffer = scratch();
    for (std::uint64_t done = 0; done < job.size;) {
      const auto step = static_cast<std::size_t>(
          std::min<std::uint64_t>(job.size - done, buffer.size()));
      Status read = slot.source->Read(job.offset + done, buffer.first(step));
      if (!read) return read;
      hasher.Update(buffer.first(step));
      done += step;
    }
  }
  if (job.last) completion.digest = hasher.Finish();
  return {};
}

void DiskWorker::TakeDigest(const Job& job, Slot& slot,
                            Completion& completion) {
  if (!job.digest) return;
  slot.Hash().Update(job.buffer);
  if (job.last) completion.digest = slot.Hash().Finish();
}

Status DiskWorker::DigestExisting(const Job& job, Slot& slot,
                                  Completion& completion) {
  const Output& output = *job.output;
  if (job.offset == 0) {
    slot.existing.Close();
    Result<UniqueFd> fd = target_.OpenExisting(output);
    if (!fd) return fd.error();
    slot.existing = *std::move(fd);
    slot.Hash().Reset();
  }
  if (!slot.existing.ok()) return NotOpen(ErrorCode::kCannotWrite);
  const MutableByteSpan buffer = scratch();
  for (std::uint64_t done = 0; done < job.size;) {
    const auto step = static_cast<std::size_t>(
        std::min<std::uint64_t>(job.size - done, buffer.size()));
    const ssize_t n = syscalls_.Pread(slot.existing.get(), buffer.data(), step,
                                      static_cast<off_t>(job.offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      slot.existing.Close();
      return CannotWrite(output.name, n < 0 ? errno : EIO);
    }
    slot.Hash().Update(buffer.first(static_cast<std::size_t>(n)));
    done += static_cast<std::uint64_t>(n);
  }
  if (!job.last) return {};
  completion.digest = slot.Hash().Finish();
  struct stat info;
  if (syscalls_.Fstat(slot.existing.get(), &info) == 0) {
    const FileTime mtime{info.st_mtim.tv_sec,
                         static_cast<std::uint32_t>(info.st_mtim.tv_nsec)};
    completion.same = S_ISREG(info.st_mode) && mtime == output.mtime &&
                      static_cast<std::uint64_t>(info.st_size) == output.size;
  }
  slot.existing.Close();
  return {};
}

Status DiskWorker::Create(const Job& job, Slot& slot) {
  slot.part.reset();
  Result<FolderFd> folder = target_.OpenFolder(*job.output);
  if (!folder) return folder.error();
  Result<PartFile> part =
      PartFile::Create(syscalls_, *std::move(folder), *job.output);
  if (!part) return part.error();
  slot.part.emplace(std::move(*part));
  slot.Hash().Reset();
  return {};
}

Status DiskWorker::Write(const Job& job, Slot& slot, Completion& completion) {
  if (!slot.part) return NotOpen(ErrorCode::kCannotWrite);
  Status written = slot.part->Write(job.offset, job.buffer);
  if (!written || !job.digest) return written;
  return Hash(job, job.digest_offset, slot, completion);
}

Status DiskWorker::Hash(const Job& job, std::uint64_t offset, Slot& slot,
                        Completion& completion) {
  if (!slot.part) return NotOpen(ErrorCode::kCannotWrite);
  Hasher& hasher = slot.Hash();
  if (offset == 0) hasher.Reset();
  if (job.zeros) {
    hasher.UpdateZeros(job.size);
  } else {
    Status read = slot.part->ReadBack(offset, job.size, scratch(), hasher);
    if (!read) return read;
  }
  if (job.last) completion.digest = hasher.Finish();
  return {};
}

Status DiskWorker::Commit(const Job& job, Slot& slot) {
  if (!slot.part) return NotOpen(ErrorCode::kCannotWrite);
  Status committed = target_.Commit(*slot.part, *job.output);
  slot.part.reset();
  return committed;
}

}  // namespace p2pcp::file

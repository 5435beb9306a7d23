#include "transfer/file/disk_worker.h"

#include <errno.h>

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
    : syscalls_(syscalls != nullptr ? *syscalls : Syscalls::Real()) {}

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
  }
}

Status DiskWorker::Run(const Job& job, Completion& completion) {
  P2PCP_CHECK(job.slot < slots_.size());
  Slot& slot = slots_[job.slot];
  switch (job.kind) {
    case Job::Kind::kOpenSource:
      return OpenSource(job, slot);
    case Job::Kind::kReadSource:
      return ReadSource(job, slot, completion);
    case Job::Kind::kInspectFolder:
      return InspectFolder(job, completion);
    case Job::Kind::kProbeName: {
      Result<bool> exists = ProbeName(*job.output);
      if (!exists) return exists.error();
      completion.exists = *exists;
      return {};
    }
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
    case Job::Kind::kSyncFolder:
      return SyncFolder(job);
  }
  return {};
}

Status DiskWorker::OpenSource(const Job& job, Slot& slot) {
  P2PCP_CHECK(job.source != nullptr);
  slot.source.reset();
  Result<SourceReader> reader = SourceReader::Open(syscalls_, *job.source);
  if (!reader) return reader.error();
  slot.source.emplace(std::move(*reader));
  if (!slot.hasher) slot.hasher.emplace();
  slot.hasher->Reset();
  return {};
}

Status DiskWorker::ReadSource(const Job& job, Slot& slot,
                              Completion& completion) {
  if (!slot.source) return NotOpen(ErrorCode::kSourceUnreadable);
  Status read = slot.source->Read(job.offset, job.buffer);
  if (read) TakeDigest(job, slot, completion);
  return read;
}

void DiskWorker::TakeDigest(const Job& job, Slot& slot,
                            Completion& completion) {
  if (!job.digest) return;
  slot.hasher->Update(job.buffer);
  if (job.last) completion.digest = slot.hasher->Finish();
}

Status DiskWorker::InspectFolder(const Job& job, Completion& completion) {
  const OutputFolder& folder = *job.output->folder;
  const std::int64_t free = syscalls_.FreeBytes(folder.fd());
  if (free < 0) {
    return ErrnoError(ErrorCode::kCannotWrite,
                      "cannot write to the folder " + folder.path(), errno);
  }
  completion.size = static_cast<std::uint64_t>(free);
  return {};
}

Status DiskWorker::Create(const Job& job, Slot& slot) {
  slot.part.reset();
  Result<PartFile> part = PartFile::Create(syscalls_, *job.output);
  if (!part) return part.error();
  slot.part.emplace(std::move(*part));
  if (!slot.hasher) slot.hasher.emplace();
  slot.hasher->Reset();
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
  if (scratch_ == nullptr) {
    scratch_ = std::make_unique<std::byte[]>(kScratchBytes);
  }
  Status read = slot.part->ReadBack(
      offset, job.size, {scratch_.get(), kScratchBytes}, *slot.hasher);
  if (!read) return read;
  if (job.last) completion.digest = slot.hasher->Finish();
  return {};
}

Status DiskWorker::Commit(const Job& job, Slot& slot) {
  if (!slot.part) return NotOpen(ErrorCode::kCannotWrite);
  Status committed = slot.part->Commit(*job.output, placed_);
  slot.part.reset();
  return committed;
}

Status DiskWorker::SyncFolder(const Job& job) {
  const OutputFolder& folder = *job.output->folder;
  if (folder.sync_fd() < 0 || syscalls_.Fsync(folder.sync_fd()) == 0) return {};
  // Some file systems sync their folders by themselves and say so with EINVAL.
  if (errno == EINVAL || errno == EOPNOTSUPP) return {};
  return ErrnoError(ErrorCode::kCannotWrite,
                    "cannot write to the folder " + folder.path(), errno);
}

}  // namespace p2pcp::file

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
static_assert(kScratchBytes >= kMaxDeltaBlock);

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

DiskWorker::DiskWorker(Syscalls* syscalls, PartKeeper* keeper,
                       SourceKeeper* sources, bool writes_now)
    : syscalls_(syscalls != nullptr ? *syscalls : Syscalls::Real()),
      keeper_(keeper),
      sources_(sources),
      writes_now_(writes_now),
      target_(syscalls_, keeper, whole_files_) {}

Completion DiskWorker::Execute(const Job& job) {
  Completion completion = CompletionOf(job);
  Status status = Run(job, completion);
  if (!status) completion.error = std::move(status).error();
  return completion;
}

std::optional<Completion> DiskWorker::TryNow(const Job& job) {
  P2PCP_CHECK(job.slot < slots_.size());
  Slot& slot = slots_[job.slot];
  if (job.kind == Job::Kind::kWrite) return TryWrite(job, slot);
  P2PCP_CHECK(job.kind == Job::Kind::kReadSource);
  return TryRead(job, slot);
}

std::optional<Completion> DiskWorker::TryRead(const Job& job, Slot& slot) {
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

std::optional<Completion> DiskWorker::TryWrite(const Job& job, Slot& slot) {
  if (!WritesNow(slot)) return std::nullopt;
  Completion completion = CompletionOf(job);
  Status status = slot.part->Write(job.offset, job.buffer);
  if (status && job.digest) {
    status = Hash(job, job.digest_offset, slot, completion);
  }
  if (!status) completion.error = std::move(status).error();
  return completion;
}

Job DiskWorker::NoteOf(const Job& write) {
  Job note;
  note.kind = Job::Kind::kNoteWritten;
  note.slot = write.slot;
  note.offset = write.offset;
  note.size = write.buffer.size();
  return note;
}

void DiskWorker::CloseAll() {
  for (Slot& slot : slots_) {
    NoteSource(slot, /*last=*/true);
    slot.source.reset();
    if (slot.part && slot.part_id) slot.part->Keep();
  }
  if (keeper_ != nullptr) keeper_->Close();
  for (Slot& slot : slots_) {
    slot.part.reset();
    slot.part_id.reset();
    slot.base.reset();
    slot.existing.Close();
  }
  opener_.Close();
  target_.DropStored();
  stream_.Resume();
  if (make_strong_ != nullptr) UseStrongDigests(nullptr);
}

void DiskWorker::UseStrongDigests(StrongHasherFactory make) {
  make_strong_ = make;
  const auto made = [make] { return make != nullptr ? make() : nullptr; };
  whole_files_.SetStrong(made());
  stream_.SetStrong(made());
  // Those of the slots are made when they are needed.
  for (Slot& slot : slots_) slot.hasher.reset();
}

Hasher& DiskWorker::HasherOf(Slot& slot) {
  if (!slot.hasher) {
    slot.hasher.emplace();
    if (make_strong_ != nullptr) {
      slot.hasher->SetStrong(make_strong_());
      slot.hasher->Reset();
    }
  }
  return *slot.hasher;
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
    case Job::Kind::kMatchSource:
      return RunSource(job, slot, completion);
    case Job::Kind::kInspectFolder:
      return target_.InspectFolder(*job.output, completion);
    case Job::Kind::kMakeFolder:
      return target_.MakeFolder(*job.output, completion);
    case Job::Kind::kFinishFolder:
      return target_.FinishFolder(*job.output);
    case Job::Kind::kProbeName:
      return Probe(job, completion);
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
      return Create(job, slot, completion);
    case Job::Kind::kWrite:
      return Write(job, slot, completion);
    case Job::Kind::kNoteWritten:
      if (!slot.part_id) return {};
      return keeper_->Written(*slot.part_id, job.offset, job.offset + job.size);
    case Job::Kind::kHash:
      return Hash(job, job.offset, slot, completion);
    case Job::Kind::kCommit:
      return Commit(job, slot);
    case Job::Kind::kOpenBase:
      return OpenBase(job, slot, completion);
    case Job::Kind::kSignBase:
      return SignBase(job, slot, completion);
    case Job::Kind::kCopyBase:
      return CopyBase(job, slot, completion);
    case Job::Kind::kDiscard:
      slot.part.reset();
      slot.base.reset();
      EndPart(slot);
      return {};
    case Job::Kind::kReadStream:
      return ReadStream(job, completion);
    case Job::Kind::kWriteStream:
      return WriteStream(job, completion);
  }
  return {};
}

Status DiskWorker::ReadStream(const Job& job, Completion& completion) {
  const Result<std::size_t> size = stream_.Read(job.stream, job.buffer);
  if (!size) return size.error();
  completion.size = *size;
  completion.last = *size == 0;
  if (completion.last) completion.digest = stream_.Finish();
  return {};
}

Status DiskWorker::WriteStream(const Job& job, Completion& completion) {
  Status written = stream_.Write(job.stream, job.buffer);
  completion.size = job.buffer.size();
  if (written && job.last) completion.digest = stream_.Finish();
  return written;
}

Status DiskWorker::RunSource(const Job& job, Slot& slot,
                             Completion& completion) {
  switch (job.kind) {
    case Job::Kind::kScan:
      job.tree->Next(*job.batch, static_cast<std::size_t>(job.size));
      return {};
    case Job::Kind::kOpenSource:
      return OpenSource(job, slot, completion);
    case Job::Kind::kReadSource:
      return ReadSource(job, slot, completion);
    case Job::Kind::kDigestSource:
      return DigestSource(job, slot, completion);
    case Job::Kind::kMatchSource:
      if (!slot.source) return NotOpen(ErrorCode::kSourceUnreadable);
      return MatchSource(job, slot, completion);
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

Status DiskWorker::OpenSource(const Job& job, Slot& slot,
                              Completion& completion) {
  P2PCP_CHECK(job.source != nullptr);
  NoteSource(slot, /*last=*/true);
  slot.source.reset();
  Result<SourceReader> reader = SourceReader::Open(syscalls_, *job.source);
  if (!reader) return reader.error();
  slot.source.emplace(std::move(*reader));
  HasherOf(slot).Reset();
  slot.kept_source.reset();
  slot.noted = 0;
  const SourceFile& source = *job.source;
  completion.size = 0;
  if (!job.digest || sources_ == nullptr) return {};
  JournalState::Part kept;
  kept.key.path = source.path;
  kept.key.size = source.size;
  kept.key.mtime = source.mtime;
  kept.device = source.device;
  kept.inode = source.inode;
  kept.stamp = slot.source->change_time();
  if (make_strong_ == nullptr) {
    completion.size = sources_->Restore(kept, HasherOf(slot));
  }
  if (completion.size > job.size) {
    HasherOf(slot).Reset();
    completion.size = 0;
  }
  slot.noted = completion.size;
  slot.kept_source = std::move(kept);
  return {};
}

Status DiskWorker::ReadSource(const Job& job, Slot& slot,
                              Completion& completion) {
  if (job.source != nullptr) {
    Status read =
        SourceReader::ReadWhole(syscalls_, opener_, *job.source, job.buffer);
    if (read && job.digest) completion.digest = whole_files_.Of(job.buffer);
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
  Hasher& hasher = HasherOf(slot);
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
  NoteSource(slot, /*last=*/false);
  return {};
}

// Notes how far the digest has come, now and then.
void DiskWorker::NoteSource(Slot& slot, bool last) {
  if (!slot.kept_source || !slot.hasher) return;
  const std::uint64_t size = slot.hasher->size();
  if (size < slot.noted + (last ? 1 : SourceKeeper::kInterval)) return;
  slot.noted = size;
  sources_->Note(*slot.kept_source, *slot.hasher);
}

void DiskWorker::TakeDigest(const Job& job, Slot& slot,
                            Completion& completion) {
  if (!job.digest) return;
  HasherOf(slot).Update(job.buffer);
  if (job.last) completion.digest = HasherOf(slot).Finish();
  NoteSource(slot, /*last=*/false);
}

Status DiskWorker::DigestExisting(const Job& job, Slot& slot,
                                  Completion& completion) {
  const Output& output = *job.output;
  if (job.offset == 0) {
    slot.existing.Close();
    Result<UniqueFd> fd = target_.OpenExisting(output);
    if (!fd) return fd.error();
    slot.existing = *std::move(fd);
    HasherOf(slot).Reset();
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
    HasherOf(slot).Update(buffer.first(static_cast<std::size_t>(n)));
    done += static_cast<std::uint64_t>(n);
  }
  if (!job.last) return {};
  completion.digest = HasherOf(slot).Finish();
  struct stat info;
  if (syscalls_.Fstat(slot.existing.get(), &info) == 0) {
    completion.same = MayBeSame(info, output);
    if (completion.same) target_.NotePlaced(info.st_ino, *job.output);
  }
  slot.existing.Close();
  return {};
}

Status DiskWorker::Probe(const Job& job, Completion& completion) {
  Output& output = *job.output;
  Status probed = target_.Probe(output, completion);
  if (keeper_ == nullptr) return probed;
  Result<FolderFd> folder = target_.OpenFolder(output);
  if (!folder) return folder.error();
  completion.done = keeper_->IsInPlace((*folder)->get(), output);
  if (completion.done || completion.same) {
    keeper_->ForgetLost((*folder)->get(), output);
  }
  if (completion.done) {
    target_.NotePlaced(output);
    return {};
  }
  if (probed && !completion.same) {
    completion.outdated = keeper_->FindRemains((*folder)->get(), output);
    if (make_strong_ != nullptr && output.remains != nullptr) {
      Remains unhashed = *output.remains;
      unhashed.hashed = 0;
      output.remains = std::make_shared<const Remains>(std::move(unhashed));
    }
  }
  return probed;
}

Status DiskWorker::Create(const Job& job, Slot& slot, Completion& completion) {
  slot.part.reset();
  slot.part_id.reset();
  slot.base.reset();
  const Output& output = *job.output;
  Result<FolderFd> folder = target_.OpenFolder(output);
  if (!folder) return folder.error();
  HasherOf(slot).Reset();
  const bool again = output.remains != nullptr;
  if (!again && keeper_ != nullptr) keeper_->NotePrefix(output);
  Result<PartFile> part =
      again ? PartFile::Reopen(syscalls_, *std::move(folder), output)
            : PartFile::Create(syscalls_, *std::move(folder), output);
  if (!part) return part.error();
  slot.part.emplace(std::move(*part));
  completion.now = WritesNow(slot);
  if (again) {
    P2PCP_CHECK(keeper_ != nullptr);
    slot.part_id = output.remains->part_id;
    keeper_->Resume(*output.remains, slot.part->fd(), &HasherOf(slot),
                    slot.part->in_memory());
  } else if (keeper_ != nullptr) {
    slot.part_id = keeper_->Begin(output, slot.part->fd(), &HasherOf(slot),
                                  slot.part->in_memory());
  }
  return {};
}

// What was the part is no more, or has its name.
void DiskWorker::EndPart(Slot& slot) {
  if (slot.part_id) keeper_->End(*std::exchange(slot.part_id, std::nullopt));
}

Status DiskWorker::Write(const Job& job, Slot& slot, Completion& completion) {
  if (!slot.part) return NotOpen(ErrorCode::kCannotWrite);
  Status written = slot.part->Write(job.offset, job.buffer);
  if (written && slot.part_id) {
    written = keeper_->Written(*slot.part_id, job.offset,
                               job.offset + job.buffer.size());
  }
  if (!written || !job.digest) return written;
  return Hash(job, job.digest_offset, slot, completion);
}

Status DiskWorker::Hash(const Job& job, std::uint64_t offset, Slot& slot,
                        Completion& completion) {
  if (!slot.part) return NotOpen(ErrorCode::kCannotWrite);
  Hasher& hasher = HasherOf(slot);
  const bool anew = job.kind == Job::Kind::kHash && job.digest;
  if (offset == 0 || anew) hasher.Reset();
  if (job.zeros) {
    hasher.UpdateZeros(job.size);
    // Reads as zeros, now and after the next start.
    if (slot.part_id) {
      Status noted = keeper_->Written(*slot.part_id, offset, offset + job.size);
      if (!noted) return noted;
    }
  } else {
    Status read = slot.part->ReadBack(offset, job.size, scratch(), hasher);
    if (!read) return read;
  }
  if (job.last) completion.digest = hasher.Finish();
  return {};
}

Status DiskWorker::Commit(const Job& job, Slot& slot) {
  if (!slot.part) return NotOpen(ErrorCode::kCannotWrite);
  if (keeper_ != nullptr) {
    // What an earlier sync has heard would not be told again.
    if (Status synced = keeper_->status(); !synced) return synced;
  }
  Status committed = target_.Commit(*slot.part, *job.output);
  const bool over = committed || committed.error().code == ErrorCode::kKeptBack;
  if (slot.part_id && !over) slot.part->Keep();
  slot.part.reset();
  slot.base.reset();
  if (committed && keeper_ != nullptr) {
    keeper_->Placed(*job.output, std::exchange(slot.part_id, std::nullopt));
  } else if (over) {
    EndPart(slot);
  }
  return committed;
}

}  // namespace p2pcp::file

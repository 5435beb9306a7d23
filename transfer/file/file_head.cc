#include "transfer/file/file_head.h"

#include <utility>

#include "net/base/check.h"

namespace p2pcp::file {

void FileHead::Read(Disk& disk, std::shared_ptr<const SourceFile> file,
                    std::size_t size) {
  P2PCP_CHECK(!begun() && size > 0 && size <= file->size && disk.room() >= 2);
  file_ = std::move(file);
  buffer_.resize(size);
  Job job;
  job.slot = kSlot;
  job.tag = kTag;
  job.kind = Job::Kind::kOpenSource;
  job.source = file_.get();
  disk.Submit(job);
  job.kind = Job::Kind::kReadSource;
  job.source = nullptr;
  job.buffer = buffer_;
  disk.Submit(job);
}

bool FileHead::Handle(const Completion& done) {
  if (done.tag != kTag || done.slot != kSlot) return false;
  // Who wants the file asks for these bytes again, and is told what is wrong.
  if (done.kind == Job::Kind::kReadSource && !done.error) there_ = true;
  return true;
}

}  // namespace p2pcp::file

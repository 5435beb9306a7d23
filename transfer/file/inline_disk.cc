#include "transfer/file/inline_disk.h"

#include <utility>

#include "net/base/check.h"

namespace p2pcp::file {

void InlineDisk::Submit(const Job& job) {
  P2PCP_CHECK(room() > 0);
  done_.push_back(worker_.Execute(job));
}

std::optional<Completion> InlineDisk::TryNow(const Job& job) {
  if (!idle()) return std::nullopt;
  std::optional<Completion> done = worker_.TryNow(job);
  if (done && job.kind == Job::Kind::kWrite && !done->error) {
    (void)worker_.Execute(DiskWorker::NoteOf(job));
  }
  return done;
}

std::optional<Completion> InlineDisk::Poll() {
  if (done_.empty() || visible_ == std::size_t{0}) return std::nullopt;
  if (visible_) --*visible_;
  Completion completion = std::move(done_.front());
  done_.pop_front();
  return completion;
}

void InlineDisk::Abandon() {
  done_.clear();
  worker_.CloseAll();
}

}  // namespace p2pcp::file

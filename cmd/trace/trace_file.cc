#include "cmd/trace/trace_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "cmd/text.h"
#include "transfer/file/start_thread.h"

namespace p2pcp::cmd {

Result<std::unique_ptr<TraceFile>> TraceFile::Create(
    const std::filesystem::path& path, std::string header) {
  udp::FileDescriptor file(
      open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  const std::string name = "--trace " + Escape(path.string());
  if (!file.valid()) return ErrnoError(ErrorCode::kCannotWrite, name, errno);
  std::unique_ptr<TraceFile> trace(
      new TraceFile(std::move(file), name, std::move(header)));
  Result<std::thread> thread =
      file::StartThread([trace = trace.get()] { trace->Work(); });
  if (!thread.ok()) return Annotate(std::move(thread).error(), name);
  trace->thread_ = *std::move(thread);
  return trace;
}

TraceFile::TraceFile(udp::FileDescriptor file, std::string name,
                     std::string header)
    : file_(std::move(file)),
      name_(std::move(name)),
      text_(std::move(header)) {}

TraceFile::~TraceFile() { Finish(); }

void TraceFile::Finish() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    over_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

bool TraceFile::Hand(TraceBlock& block, bool last) {
  TraceBlock next;
  {
    const std::lock_guard lock(mutex_);
    if (failed_) {
      block.clear();
      return true;
    }
    if (waiting_.size() >= kMaxBlocks && !last) return false;
    if (!spare_.empty()) {
      next = std::move(spare_.back());
      spare_.pop_back();
    }
    waiting_.push_back(std::move(block));
  }
  wake_.notify_one();
  next.clear();
  next.reserve(kTraceBlockWords);
  block = std::move(next);
  return true;
}

std::optional<Error> TraceFile::TakeError() {
  const std::lock_guard lock(mutex_);
  return std::exchange(error_, std::nullopt);
}

bool TraceFile::WriteAll(std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = write(file_.get(), text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    text.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

void TraceFile::Work() {
  for (;;) {
    // At first the header.
    if (!WriteAll(text_)) {
      Error error = ErrnoError(ErrorCode::kCannotWrite, name_, errno);
      const std::lock_guard lock(mutex_);
      failed_ = true;
      error_ = std::move(error);
      waiting_.clear();
      return;
    }
    text_.clear();
    TraceBlock block;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return over_ || !waiting_.empty(); });
      if (waiting_.empty()) return;
      block = std::move(waiting_.front());
      waiting_.pop_front();
    }
    formatter_.Format(block, text_);
    const std::lock_guard lock(mutex_);
    spare_.push_back(std::move(block));
  }
}

}  // namespace p2pcp::cmd

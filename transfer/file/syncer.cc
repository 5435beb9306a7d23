#include "transfer/file/syncer.h"

#include <errno.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

#include "net/base/check.h"
#include "transfer/file/start_thread.h"

namespace p2pcp::file {

namespace {

using std::chrono_literals::operator""s;

// What a power failure costs at most on a slow line.
constexpr auto kInterval = 2s;

int SyncAll(Syscalls& syscalls, const std::vector<UniqueFd>& files) {
  int error = 0;
  for (const UniqueFd& file : files) {
    // A file system that can't sync says so with these, and is not to blame.
    if (syscalls.Fdatasync(file.get()) != 0 && errno != EINVAL &&
        errno != EOPNOTSUPP && error == 0) {
      error = errno;
    }
  }
  return error;
}

class ThreadedSyncer final : public Syncer {
 public:
  explicit ThreadedSyncer(Syscalls* syscalls) : syscalls_(*syscalls) {}

  ~ThreadedSyncer() override {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    changed_.notify_all();
    if (thread_.joinable()) thread_.join();
  }

  Status Run() {
    Result<std::thread> thread = StartThread([this] { Loop(); });
    if (!thread) return std::move(thread).error();
    thread_ = *std::move(thread);
    return {};
  }

  void Start(std::vector<UniqueFd> files) override {
    {
      const std::lock_guard lock(mutex_);
      P2PCP_CHECK(!busy_ && !done_);
      files_ = std::move(files);
      busy_ = true;
      due_ = false;
    }
    changed_.notify_all();
  }

  std::optional<int> Take(bool wait) override {
    std::unique_lock lock(mutex_);
    if (wait) changed_.wait(lock, [this] { return !busy_; });
    return std::exchange(done_, std::nullopt);
  }

  bool due() const override { return due_; }

 private:
  void Loop() {
    std::unique_lock lock(mutex_);
    while (!stop_) {
      if (!busy_) {
        if (due_) {
          changed_.wait(lock, [this] { return stop_ || busy_; });
        } else if (!changed_.wait_for(lock, kInterval,
                                      [this] { return stop_ || busy_; })) {
          due_ = true;
        }
        continue;
      }
      const std::vector<UniqueFd> files = std::move(files_);
      files_.clear();
      lock.unlock();
      const int error = SyncAll(syscalls_, files);
      lock.lock();
      done_ = error;
      busy_ = false;
      changed_.notify_all();
    }
  }

  Syscalls& syscalls_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<UniqueFd> files_;
  bool busy_ = false;
  bool stop_ = false;
  std::optional<int> done_;
  std::atomic<bool> due_ = false;
  std::thread thread_;
};

}  // namespace

void InlineSyncer::Start(std::vector<UniqueFd> files) {
  P2PCP_CHECK(!done_);
  done_ = SyncAll(syscalls_, files);
}

std::optional<int> InlineSyncer::Take(bool) {
  return std::exchange(done_, std::nullopt);
}

Result<std::unique_ptr<Syncer>> StartThreadedSyncer(Syscalls* syscalls) {
  auto syncer = std::make_unique<ThreadedSyncer>(syscalls);
  Status started = syncer->Run();
  if (!started) return std::move(started).error();
  return std::unique_ptr<Syncer>(std::move(syncer));
}

}  // namespace p2pcp::file

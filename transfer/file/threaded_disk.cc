#include "transfer/file/threaded_disk.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

#include "net/base/check.h"
#include "transfer/file/disk_worker.h"
#include "transfer/file/part_keeper.h"
#include "transfer/file/source_keeper.h"
#include "transfer/file/start_thread.h"
#include "transfer/file/syncer.h"
#include "transfer/file/syscalls.h"
#include "transfer/file/unique_fd.h"

namespace p2pcp::file {

namespace {

// Jobs are 256 KiB as a rule, so a few dozen keep a disk busy; many small files
// make many small jobs, for both threads.
constexpr std::size_t kCapacity = 512;
// Notes of what was written at once: one for so many bytes, which a kill then
// costs, so that the thread is not woken for each chunk; and so many that wait,
// and the one that a job found unfinished. Where that is too few the journal's
// disk is slow, and writing waits for it like all else.
constexpr std::uint64_t kNoteBytes = 4 << 20;
constexpr std::size_t kMaxNotes = 8;

// With no more processors than that, the one beside ours has the kernel's part
// of receiving to do, or the sender's: a thread that takes bytes to it costs
// more than it gains where nothing has to be waited for. Measured with both
// ends on two: a seventh more of the receiver's time, for no more bytes a
// second.
constexpr unsigned kFewProcessors = 2;

// A first-in-first-out queue of fixed capacity.
template <typename T>
class Ring {
 public:
  bool empty() const { return size_ == 0; }
  std::size_t size() const { return size_; }
  const T& front() const { return items_[head_]; }
  template <typename Item>
  void Push(Item&& item) {
    P2PCP_CHECK(size_ < items_.size());
    items_[(head_ + size_) % items_.size()] = std::forward<Item>(item);
    ++size_;
  }
  T Pop() {
    T item = std::move(items_[head_]);
    Drop();
    return item;
  }
  void PopTo(T& item) {
    item = std::move(items_[head_]);
    Drop();
  }
  void Clear() {
    while (!empty()) Pop();
  }

 private:
  void Drop() {
    P2PCP_CHECK(size_ > 0);
    head_ = (head_ + 1) % items_.size();
    --size_;
  }

  std::array<T, kCapacity + kMaxNotes + 1> items_;
  std::size_t head_ = 0;
  std::size_t size_ = 0;
};

// What takes some microseconds where nothing has to be waited for. With a
// thread woken for each of these, twice, 300,000 small files took a quarter
// longer (5.4 s rather than 4.3 s); so as many as wait are done together.
constexpr std::size_t kTogether = 64;

bool IsShort(const Job& job) {
  switch (job.kind) {
    case Job::Kind::kStore:
    case Job::Kind::kPlace:
    case Job::Kind::kRemove:
    case Job::Kind::kProbeName:
    case Job::Kind::kMakeFolder:
      return true;
    case Job::Kind::kReadSource:
      return job.source != nullptr;  // A small file, whole.
    default:
      return false;
  }
}

}  // namespace

// Two threads: one carries out the jobs in their order, the other one those
// that may be carried out beside them.
class ThreadedDisk::Worker {
 public:
  Worker(int event_fd, std::unique_ptr<Syncer> syncer, Journal* parts,
         Journal* sources, Syscalls* syscalls, bool writes_now)
      : event_fd_(event_fd), syncer_(std::move(syncer)) {
    if (parts != nullptr) keeper_.emplace(parts, syncer_.get());
    if (sources != nullptr) sources_.emplace(sources);
    disk_.emplace(syscalls, keeper_ ? &*keeper_ : nullptr,
                  sources_ ? &*sources_ : nullptr, writes_now);
  }

  ~Worker() {
    Abandon();
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    for (Lane* const lane : {&ordered_, &beside_}) {
      lane->wake.notify_one();
      if (lane->thread.joinable()) lane->thread.join();
    }
  }

  Status Start() {
    for (Lane* const lane : {&ordered_, &beside_}) {
      Result<std::thread> thread = StartThread([this, lane] { Run(*lane); });
      if (!thread) return std::move(thread).error();
      lane->thread = *std::move(thread);
    }
    return {};
  }

  int event_fd() const { return event_fd_.get(); }
  // A hint: Poll() looks again, under the lock.
  bool ready() const { return ready_.load(std::memory_order_relaxed); }

  void Submit(const Job& job) {
    // Whoever ends the part wants to know all that was written.
    if (note_) SubmitNote();
    Push(job);
  }

  // REQUIRES: no job is under way.
  std::optional<Completion> TryNow(const Job& job) {
    const bool writes = job.kind == Job::Kind::kWrite;
    if (writes && notes_.load(std::memory_order_relaxed) >= kMaxNotes) {
      return std::nullopt;
    }
    std::optional<Completion> done = disk_->TryNow(job);
    if (done && writes && !done->error) Note(DiskWorker::NoteOf(job));
    return done;
  }

  std::optional<Completion> Poll() {
    if (taken_over_->empty()) {
      const std::lock_guard lock(mutex_);
      if (done_->empty()) return std::nullopt;
      std::swap(done_, taken_over_);
    }
    Completion completion = taken_over_->Pop();
    if (taken_over_->empty()) {
      const std::lock_guard lock(mutex_);
      if (done_->empty()) ClearEvent();
    }
    return completion;
  }

  void UseStrongDigests(StrongHasherFactory make) {
    const std::lock_guard lock(mutex_);
    P2PCP_CHECK(!busy() && ordered_.jobs.empty() && beside_.jobs.empty() &&
                done_->empty() && taken_over_->empty());
    disk_->UseStrongDigests(make);
  }

  void Abandon() {
    if (note_) SubmitNote();
    std::unique_lock lock(mutex_);
    // What was written is known, whatever becomes of it.
    DropAllButNotes(ordered_.jobs);
    beside_.jobs.Clear();
    if (busy()) disk_->Interrupt();
    idle_.wait(lock, [this] { return !busy() && ordered_.jobs.empty(); });
    done_->Clear();
    taken_over_->Clear();
    ClearEvent();
    // The threads sleep, and can't begin a job while the lock is held.
    disk_->CloseAll();
  }

 private:
  // A thread, and what waits for it.
  struct Lane {
    std::condition_variable wake;
    Ring<Job> jobs;
    bool busy = false;
    // The thread's alone.
    std::array<Job, kTogether> taken;
    std::array<Completion, kTogether> executed;
    std::thread thread;
  };

  bool busy() const { return ordered_.busy || beside_.busy; }

  void Push(const Job& job) {
    Lane& lane = DiskWorker::MayRunBeside(job) ? beside_ : ordered_;
    bool sleeps;
    {
      const std::lock_guard lock(mutex_);
      sleeps = !lane.busy && lane.jobs.empty();
      lane.jobs.Push(job);
    }
    if (sleeps) lane.wake.notify_one();
  }

  // Joins what was written to the bytes before it, where it follows them.
  void Note(const Job& written) {
    if (note_ && note_->slot == written.slot &&
        note_->offset + note_->size == written.offset) {
      note_->size += written.size;
    } else {
      if (note_) SubmitNote();
      note_ = written;
    }
    if (note_->size >= kNoteBytes) SubmitNote();
  }

  void SubmitNote() {
    notes_.fetch_add(1, std::memory_order_relaxed);
    Push(*note_);
    note_.reset();
  }

  static void DropAllButNotes(Ring<Job>& jobs) {
    for (std::size_t left = jobs.size(); left > 0; --left) {
      const Job job = jobs.Pop();
      if (job.kind == Job::Kind::kNoteWritten) jobs.Push(job);
    }
  }

  void Run(Lane& lane) {
    std::unique_lock lock(mutex_);
    for (;;) {
      lane.wake.wait(lock,
                     [this, &lane] { return stop_ || !lane.jobs.empty(); });
      if (stop_) return;
      std::size_t count = 0;
      do {
        lane.jobs.PopTo(lane.taken[count++]);
      } while (count < kTogether && !lane.jobs.empty() &&
               IsShort(lane.taken[count - 1]) && IsShort(lane.jobs.front()));
      lane.busy = true;
      lock.unlock();
      for (std::size_t i = 0; i < count; ++i) {
        lane.executed[i] = disk_->Execute(lane.taken[i]);
      }
      lock.lock();
      lane.busy = false;
      if (lane.taken[0].kind == Job::Kind::kNoteWritten) {
        notes_.fetch_sub(1, std::memory_order_relaxed);
      } else {
        if (!ready()) SetEvent();
        for (std::size_t i = 0; i < count; ++i) {
          done_->Push(std::move(lane.executed[i]));
        }
      }
      idle_.notify_one();
    }
  }

  // The event is set exactly while Poll() has something; so is ready_.
  void SetEvent() {
    ready_.store(true, std::memory_order_relaxed);
    const std::uint64_t one = 1;
    P2PCP_CHECK(write(event_fd_.get(), &one, sizeof(one)) == sizeof(one));
  }
  void ClearEvent() {
    ready_.store(false, std::memory_order_relaxed);
    std::uint64_t count;
    // Nothing to read where it was not set.
    (void)!read(event_fd_.get(), &count, sizeof(count));
  }

  UniqueFd event_fd_;
  const std::unique_ptr<Syncer> syncer_;  // Null without parts.
  // The threads', while there are jobs; TryNow()'s, while there are none but
  // notes.
  std::optional<PartKeeper> keeper_;
  std::optional<SourceKeeper> sources_;
  std::optional<DiskWorker> disk_;
  std::mutex mutex_;
  std::condition_variable idle_;
  Lane ordered_;
  Lane beside_;
  std::unique_ptr<Ring<Completion>> done_ =
      std::make_unique<Ring<Completion>>();
  // Whoever polls has these already: all that there were at once, so that the
  // lock is not taken for each. Together both have at most what is outstanding.
  std::unique_ptr<Ring<Completion>> taken_over_ =
      std::make_unique<Ring<Completion>>();
  std::atomic<bool> ready_ = false;
  bool stop_ = false;
  // The caller's: a kNoteWritten that grows. And those that are submitted.
  std::optional<Job> note_;
  std::atomic<std::size_t> notes_ = 0;
};

Result<std::unique_ptr<ThreadedDisk>> ThreadedDisk::Start(Journal* parts,
                                                          Journal* sources,
                                                          Syscalls* syscalls,
                                                          unsigned processors) {
  std::unique_ptr<Syncer> syncer;
  if (parts != nullptr) {
    Result<std::unique_ptr<Syncer>> started = StartThreadedSyncer(syscalls);
    if (!started) return started.error();
    syncer = *std::move(started);
  }
  const int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (fd < 0) {
    return ErrnoError(ErrorCode::kOther, "cannot make an eventfd", errno);
  }
  auto worker =
      std::make_unique<Worker>(fd, std::move(syncer), parts, sources, syscalls,
                               processors <= kFewProcessors);
  Status started = worker->Start();
  if (!started) return started.error();
  return std::unique_ptr<ThreadedDisk>(new ThreadedDisk(std::move(worker)));
}

ThreadedDisk::ThreadedDisk(std::unique_ptr<Worker> worker)
    : worker_(std::move(worker)) {}

ThreadedDisk::~ThreadedDisk() = default;

int ThreadedDisk::fd() const { return worker_->event_fd(); }

std::size_t ThreadedDisk::room() const { return kCapacity - outstanding_; }

void ThreadedDisk::Submit(const Job& job) {
  P2PCP_CHECK(room() > 0);
  ++outstanding_;
  worker_->Submit(job);
}

bool ThreadedDisk::idle() const { return outstanding_ == 0; }

std::optional<Completion> ThreadedDisk::TryNow(const Job& job) {
  // With every completion polled the threads sleep, but for notes, and what
  // they did is seen.
  if (!idle()) return std::nullopt;
  return worker_->TryNow(job);
}

bool ThreadedDisk::ready() const { return worker_->ready(); }

std::optional<Completion> ThreadedDisk::Poll() {
  if (outstanding_ == 0) return std::nullopt;
  std::optional<Completion> completion = worker_->Poll();
  if (completion) --outstanding_;
  return completion;
}

void ThreadedDisk::UseStrongDigests(StrongHasherFactory make) {
  worker_->UseStrongDigests(make);
}

void ThreadedDisk::Abandon() {
  worker_->Abandon();
  outstanding_ = 0;
}

}  // namespace p2pcp::file

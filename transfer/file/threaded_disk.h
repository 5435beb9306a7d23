// ThreadedDisk: a disk with a thread that carries out jobs, another one for
// those that may be done beside them, and an eventfd that tells the loop when
// jobs are done.

#ifndef P2PCP_TRANSFER_FILE_THREADED_DISK_H_
#define P2PCP_TRANSFER_FILE_THREADED_DISK_H_

#include <cstddef>
#include <memory>
#include <optional>
#include <thread>

#include "net/base/result.h"
#include "transfer/file/disk.h"
#include "transfer/file/journal.h"
#include "transfer/file/syscalls.h"

namespace p2pcp::file {

// Used from one thread, which may be any. Nothing is allocated for a job.
class ThreadedDisk final : public Disk {
 public:
  // parts and sources, which may be null and must outlive it, are used by its
  // first thread alone (DiskWorker); syscalls by both, by the one that syncs
  // and by TryNow(). processors: that this process may run on; with few of them
  // TryNow() writes.
  static Result<std::unique_ptr<ThreadedDisk>> Start(
      Journal* parts = nullptr, Journal* sources = nullptr,
      Syscalls* syscalls = &Syscalls::Real(),
      unsigned processors = std::thread::hardware_concurrency());
  // Lets the jobs at hand end, drops the others, and joins the threads.
  ~ThreadedDisk() override;

  // Readable exactly while Poll() has something. For epoll, level-triggered.
  int fd() const;

  std::size_t room() const override;
  void Submit(const Job& job) override;
  bool idle() const override;
  std::optional<Completion> TryNow(const Job& job) override;
  bool ready() const override;
  std::optional<Completion> Poll() override;
  void Abandon() override;
  void UseStrongDigests(StrongHasherFactory make) override;

 private:
  class Worker;
  explicit ThreadedDisk(std::unique_ptr<Worker> worker);

  std::unique_ptr<Worker> worker_;
  std::size_t outstanding_ = 0;
};

}  // namespace p2pcp::file

#endif  // P2PCP_TRANSFER_FILE_THREADED_DISK_H_

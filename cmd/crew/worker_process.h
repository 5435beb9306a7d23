// A worker (worker_task.h) as a child process: this program again, with what it
// prints read line by line.

#ifndef P2PCP_CMD_CREW_WORKER_PROCESS_H_
#define P2PCP_CMD_CREW_WORKER_PROCESS_H_

#include <sys/types.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "net/base/result.h"
#include "net/udp/event_loop.h"
#include "net/udp/file_descriptor.h"

namespace p2pcp::cmd {

class WorkerProcess {
 public:
  // Of one line that a worker prints; what is longer is cut into several. A
  // `done` event with 1,024 names of 4 KiB, escaped, is shorter.
  static constexpr std::size_t kMaxLine = 32 << 20;

  struct Handler {
    // Without its end.
    std::function<void(std::string_view line)> on_stdout;
    std::function<void(std::string_view line)> on_stderr;
    // Last; as wait() has it. May not destroy the process: do that later.
    std::function<void(int status)> on_end;
  };

  // arguments: behind the program's name. broker: the worker's line to the
  // brokers. Its stdin is empty. It has a process group of its own, so that a
  // Ctrl-C reaches it only through us, and is told to stop by the kernel if we
  // end first. loop must outlive it.
  static Result<std::unique_ptr<WorkerProcess>> Start(
      udp::EventLoop* loop, const std::vector<std::string>& arguments,
      udp::FileDescriptor broker, Handler handler);
  // Kills it if it has not ended.
  ~WorkerProcess();
  WorkerProcess(const WorkerProcess&) = delete;
  WorkerProcess& operator=(const WorkerProcess&) = delete;

  void Signal(int number);
  bool ended() const { return pid_ < 0; }

 private:
  struct Pipe {
    udp::FileDescriptor fd;
    std::string line;  // What has been read of it.
    std::function<void(std::string_view)> on_line;
  };

  WorkerProcess(udp::EventLoop* loop, Handler handler);
  // Returns false at the end.
  bool Read(Pipe& pipe);
  void Watch(Pipe& pipe);
  void HandleEnd();

  udp::EventLoop* const loop_;
  const std::function<void(int)> on_end_;
  Pipe stdout_;
  Pipe stderr_;
  udp::FileDescriptor pidfd_;
  pid_t pid_ = -1;
};

}  // namespace p2pcp::cmd

#endif  // P2PCP_CMD_CREW_WORKER_PROCESS_H_

#include "cmd/crew/worker_process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "cmd/crew/worker_task.h"

extern char** environ;

namespace p2pcp::cmd {
namespace {

constexpr char kProgram[] = "/proc/self/exe";

// Its ends for reading and for writing.
Result<std::pair<udp::FileDescriptor, udp::FileDescriptor>> OpenPipe() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) {
    return ErrnoError(ErrorCode::kOther, "pipe", errno);
  }
  // Ours alone: the worker's end may block it.
  fcntl(ends[0], F_SETFL, O_NONBLOCK);
  return std::pair(udp::FileDescriptor(ends[0]), udp::FileDescriptor(ends[1]));
}

// Above what the child's descriptors are to be.
udp::FileDescriptor Above(udp::FileDescriptor fd, int highest) {
  if (fd.get() > highest) return fd;
  return udp::FileDescriptor(fcntl(fd.get(), F_DUPFD_CLOEXEC, highest + 1));
}

Result<pid_t> Spawn(const std::vector<std::string>& arguments, int out, int err,
                    int broker) {
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY,
                                   0);
  posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&files, err, STDERR_FILENO);
  posix_spawn_file_actions_adddup2(&files, broker, kWorkerBrokerFd);
  posix_spawn_file_actions_addclosefrom_np(&files, kWorkerBrokerFd + 1);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
  std::vector<char*> words = {const_cast<char*>("p2pcp")};
  for (const std::string& argument : arguments) {
    words.push_back(const_cast<char*>(argument.c_str()));
  }
  words.push_back(nullptr);
  pid_t pid = -1;
  const int error =
      posix_spawn(&pid, kProgram, &files, &attributes, words.data(), environ);
  posix_spawn_file_actions_destroy(&files);
  posix_spawnattr_destroy(&attributes);
  if (error != 0) {
    return ErrnoError(ErrorCode::kOther, "cannot start another p2pcp", error);
  }
  return pid;
}

}  // namespace

Result<std::unique_ptr<WorkerProcess>> WorkerProcess::Start(
    udp::EventLoop* loop, const std::vector<std::string>& arguments,
    udp::FileDescriptor broker, Handler handler) {
  auto out = OpenPipe();
  if (!out.ok()) return std::move(out).error();
  auto err = OpenPipe();
  if (!err.ok()) return std::move(err).error();
  const udp::FileDescriptor out_end =
      Above(std::move(out->second), kWorkerBrokerFd);
  const udp::FileDescriptor err_end =
      Above(std::move(err->second), kWorkerBrokerFd);
  broker = Above(std::move(broker), kWorkerBrokerFd);
  const Result<pid_t> pid =
      Spawn(arguments, out_end.get(), err_end.get(), broker.get());
  if (!pid.ok()) return pid.error();
  std::unique_ptr<WorkerProcess> process(
      new WorkerProcess(loop, std::move(handler)));
  process->pid_ = *pid;
  process->stdout_.fd = std::move(out->first);
  process->stderr_.fd = std::move(err->first);
  process->pidfd_ =
      udp::FileDescriptor(static_cast<int>(syscall(SYS_pidfd_open, *pid, 0)));
  // The destructor ends what has begun.
  if (!process->pidfd_.valid()) {
    return ErrnoError(ErrorCode::kOther, "pidfd_open", errno);
  }
  process->Watch(process->stdout_);
  process->Watch(process->stderr_);
  loop->Watch(
      process->pidfd_.get(), EPOLLIN,
      [process = process.get()](std::uint32_t) { process->HandleEnd(); });
  return process;
}

WorkerProcess::WorkerProcess(udp::EventLoop* loop, Handler handler)
    : loop_(loop), on_end_(std::move(handler.on_end)) {
  stdout_.on_line = std::move(handler.on_stdout);
  stderr_.on_line = std::move(handler.on_stderr);
}

WorkerProcess::~WorkerProcess() {
  for (const int fd : {stdout_.fd.get(), stderr_.fd.get(), pidfd_.get()}) {
    if (fd >= 0) loop_->Unwatch(fd);
  }
  if (pid_ < 0) return;
  kill(pid_, SIGKILL);
  while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

void WorkerProcess::Signal(int number) {
  if (pid_ >= 0) kill(pid_, number);
}

void WorkerProcess::Watch(Pipe& pipe) {
  loop_->Watch(pipe.fd.get(), EPOLLIN, [this, &pipe](std::uint32_t) {
    // Its end is reported for ever.
    if (!Read(pipe)) loop_->Unwatch(pipe.fd.get());
  });
}

bool WorkerProcess::Read(Pipe& pipe) {
  std::array<char, 64 << 10> buffer;
  ssize_t size = 0;
  while ((size = read(pipe.fd.get(), buffer.data(), buffer.size())) != 0) {
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return errno == EAGAIN || errno == EWOULDBLOCK;
    std::string_view text(buffer.data(), static_cast<std::size_t>(size));
    while (!text.empty()) {
      const std::size_t end = text.find('\n');
      pipe.line += text.substr(0, end);
      text.remove_prefix(end == text.npos ? text.size() : end + 1);
      if (end == text.npos && pipe.line.size() < kMaxLine) continue;
      pipe.on_line(std::exchange(pipe.line, {}));
    }
  }
  if (!pipe.line.empty()) pipe.on_line(std::exchange(pipe.line, {}));
  return false;
}

void WorkerProcess::HandleEnd() {
  loop_->Unwatch(pidfd_.get());
  int status = 0;
  while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
  // What it said last.
  Read(stdout_);
  Read(stderr_);
  on_end_(status);
}

}  // namespace p2pcp::cmd

#include "cmd/signals.h"

#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "net/base/check.h"

namespace p2pcp::cmd {

Signals::Signals() {
  signal(SIGPIPE, SIG_IGN);
  sigset_t set;
  sigemptyset(&set);
  for (const int number : {SIGINT, SIGTERM, SIGUSR1, SIGWINCH}) {
    sigaddset(&set, number);
  }
  P2PCP_CHECK(sigprocmask(SIG_BLOCK, &set, nullptr) == 0);
  fd_ = udp::FileDescriptor(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  P2PCP_CHECK(fd_.valid());
}

void Signals::IgnoreStateRequests() { signal(SIGUSR1, SIG_IGN); }

std::optional<ExitCode> Signals::Take() {
  signalfd_siginfo info;
  if (read(fd_.get(), &info, sizeof(info)) != sizeof(info)) {
    return std::nullopt;
  }
  switch (info.ssi_signo) {
    case SIGINT:
      return ExitCode::kInterrupted;
    case SIGTERM:
      return ExitCode::kTerminated;
    case SIGUSR1:
      state_wanted_ = true;
      break;
    case SIGWINCH:
      resized_ = true;
      break;
    default:
      break;
  }
  return std::nullopt;
}

}  // namespace p2pcp::cmd

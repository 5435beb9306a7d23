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
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  P2PCP_CHECK(sigprocmask(SIG_BLOCK, &set, nullptr) == 0);
  fd_ = udp::FileDescriptor(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  P2PCP_CHECK(fd_.valid());
}

std::optional<ExitCode> Signals::Take() {
  signalfd_siginfo info;
  if (read(fd_.get(), &info, sizeof(info)) != sizeof(info)) {
    return std::nullopt;
  }
  return info.ssi_signo == SIGINT ? ExitCode::kInterrupted
                                  : ExitCode::kTerminated;
}

}  // namespace p2pcp::cmd

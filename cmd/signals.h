// SIGINT and SIGTERM as events of the loop.

#ifndef P2PCP_CMD_SIGNALS_H_
#define P2PCP_CMD_SIGNALS_H_

#include <optional>

#include "cmd/exit_code.h"
#include "net/udp/file_descriptor.h"

namespace p2pcp::cmd {

// Blocks both signals for the whole process from its creation on, so it must
// exist before any thread starts. Also ignores SIGPIPE.
class Signals {
 public:
  Signals();

  // Readable when one has arrived.
  int fd() const { return fd_.get(); }
  // The exit code of the signal that arrived; nullopt if none has.
  std::optional<ExitCode> Take();

 private:
  udp::FileDescriptor fd_;
};

}  // namespace p2pcp::cmd

#endif  // P2PCP_CMD_SIGNALS_H_

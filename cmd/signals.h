// Signals as events of the loop: SIGINT and SIGTERM, which end the program,
// SIGUSR1, which asks how things stand, and SIGWINCH of the terminal.

#ifndef P2PCP_CMD_SIGNALS_H_
#define P2PCP_CMD_SIGNALS_H_

#include <optional>
#include <utility>

#include "cmd/exit_code.h"
#include "net/udp/file_descriptor.h"

namespace p2pcp::cmd {

// Blocks these signals for the whole process from its creation on, so it must
// exist before any thread starts. Also ignores SIGPIPE.
class Signals {
 public:
  Signals();

  // From the start of the program until a command takes notice of it SIGUSR1
  // does nothing, rather than end it.
  static void IgnoreStateRequests();

  // Readable when one has arrived.
  int fd() const { return fd_.get(); }
  // Takes the next one that arrived; the exit code of one that ends the
  // program, else nullopt. To be called when fd() is readable.
  std::optional<ExitCode> Take();
  // Whether one of the others was taken since this was asked last.
  bool StateWanted() { return std::exchange(state_wanted_, false); }
  bool Resized() { return std::exchange(resized_, false); }

 private:
  udp::FileDescriptor fd_;
  bool state_wanted_ = false;
  bool resized_ = false;
};

}  // namespace p2pcp::cmd

#endif  // P2PCP_CMD_SIGNALS_H_

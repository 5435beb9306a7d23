// Where a pairing code comes from: lines typed on the terminal, or a file or
// pipe (--code-file). As events of the loop; what was read is wiped.

#ifndef P2PCP_CMD_CODE_INPUT_H_
#define P2PCP_CMD_CODE_INPUT_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "net/base/result.h"
#include "net/udp/event_loop.h"
#include "net/udp/file_descriptor.h"

namespace p2pcp::cmd {

class CodeInput {
 public:
  struct Handler {
    // A line without its end. The view is wiped after the call.
    std::function<void(std::string_view line)> on_line;
    // No more lines will come.
    std::function<void()> on_end;
    std::function<void(Error)> on_error;
  };

  // Null where there is no terminal that this process may read: none at all, or
  // it runs in the background. loop must outlive the input.
  static std::unique_ptr<CodeInput> OpenTerminal(udp::EventLoop* loop,
                                                 Handler handler);
  // One line of path, "-" for stdin. A file that is not there yet is waited
  // for, and so is the rest of its line. One that others may read is an error.
  static std::unique_ptr<CodeInput> OpenFile(udp::EventLoop* loop,
                                             std::string path, Handler handler);
  ~CodeInput();
  CodeInput(const CodeInput&) = delete;
  CodeInput& operator=(const CodeInput&) = delete;

  bool is_terminal() const { return path_.empty(); }

 private:
  CodeInput(udp::EventLoop* loop, std::string path, Handler handler);

  void WatchStream(udp::FileDescriptor fd);
  void HandleReadable();
  void Poll();
  void PollAgain();
  // Reads a regular file from its beginning.
  void ReadFile(int fd);
  void Close();

  udp::EventLoop* const loop_;
  const std::string path_;  // Empty: the terminal.
  const Handler handler_;
  udp::FileDescriptor stream_;
  std::optional<udp::EventLoop::TimerId> timer_;
  std::string line_;
  std::size_t last_size_ = 0;
};

// Writes a code to a new file that only this user may read, or to stdout for
// "-". kUsage if the file exists: nothing of the user's is written over.
Status WriteCodeFile(const std::string& path, std::string_view code);

}  // namespace p2pcp::cmd

#endif  // P2PCP_CMD_CODE_INPUT_H_

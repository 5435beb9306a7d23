// Lines for a program that reads our stdout, which may be slow or gone: what
// it does not take waits in memory, and no transfer waits for it.

#ifndef P2PCP_CMD_EVENT_OUTPUT_H_
#define P2PCP_CMD_EVENT_OUTPUT_H_

#include <cstddef>
#include <string>
#include <string_view>

namespace p2pcp::cmd {

class EventOutput {
 public:
  // Bytes that wait at most: 65,536 files with names of 64 bytes. With more the
  // reader counts as gone.
  static constexpr std::size_t kMaxWaiting = 16 << 20;
  // So long (milliseconds) the end waits for a reader that takes nothing.
  static constexpr int kPatienceMs = 5'000;

  // fd stays the caller's. Its flags, which may be others' as well, are left
  // alone.
  explicit EventOutput(int fd) : fd_(fd) {}
  // Writes what waits, if the reader takes it.
  ~EventOutput() { Flush(kPatienceMs); }
  EventOutput(const EventOutput&) = delete;
  EventOutput& operator=(const EventOutput&) = delete;

  // A line, without its end. One that is only news now is left out while others
  // wait.
  void Write(std::string_view line, bool only_news = false);
  // Writes what the reader takes now.
  void Flush() { Flush(0); }
  // Nobody reads any more.
  bool gone() const { return gone_; }

 private:
  void Flush(int patience_ms);

  const int fd_;
  bool gone_ = false;
  std::string waiting_;
  std::size_t written_ = 0;  // Of waiting_.
};

}  // namespace p2pcp::cmd

#endif  // P2PCP_CMD_EVENT_OUTPUT_H_

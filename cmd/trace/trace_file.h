// TraceFile: writes a trace on a thread of its own, so that neither formatting
// nor the disk holds up the transfer. Bounded: where the disk can't follow,
// records are missing (and counted), and where it fails, the trace ends.

#ifndef P2PCP_CMD_TRACE_TRACE_FILE_H_
#define P2PCP_CMD_TRACE_TRACE_FILE_H_

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "cmd/trace/qlog.h"
#include "cmd/trace/trace_block.h"
#include "net/base/result.h"
#include "net/udp/file_descriptor.h"

namespace p2pcp::cmd {

class TraceFile {
 public:
  // Blocks that wait for the writer: 4 MiB.
  static constexpr std::size_t kMaxBlocks = 64;

  // Creates the file, which must not exist, and begins it with header.
  static Result<std::unique_ptr<TraceFile>> Create(
      const std::filesystem::path& path, std::string header);
  // As Finish().
  ~TraceFile();
  TraceFile(const TraceFile&) = delete;
  TraceFile& operator=(const TraceFile&) = delete;

  // Takes the block's records and leaves it empty. False: the writer is
  // behind, and nothing was taken; the last block is always taken.
  bool Hand(TraceBlock& block, bool last = false);
  // Writes what waits. Nothing may be handed over any more.
  void Finish();
  // Why the trace has ended early, once.
  std::optional<Error> TakeError();

 private:
  TraceFile(udp::FileDescriptor file, std::string name, std::string header);
  void Work();
  bool WriteAll(std::string_view text);

  const udp::FileDescriptor file_;
  const std::string name_;
  QlogFormatter formatter_;  // The thread's.
  std::string text_;         // The thread's.

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<TraceBlock> waiting_;
  std::vector<TraceBlock> spare_;
  bool over_ = false;
  bool failed_ = false;
  std::optional<Error> error_;
  std::thread thread_;
};

}  // namespace p2pcp::cmd

#endif  // P2PCP_CMD_TRACE_TRACE_FILE_H_

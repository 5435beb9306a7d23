// Reads and writes streams for the disk's thread: pipes, terminals, sockets,
// files, whatever the standard input and output are. It waits for them, and can
// be told to stop waiting.

#ifndef P2PCP_TRANSFER_FILE_STREAM_WORKER_H_
#define P2PCP_TRANSFER_FILE_STREAM_WORKER_H_

#include <cstddef>
#include <memory>

#include "net/base/bytes.h"
#include "net/base/result.h"
#include "transfer/file/digest.h"
#include "transfer/file/unique_fd.h"

namespace p2pcp::file {

// One stream at a time, either way. All but Interrupt() on one thread.
class StreamWorker {
 public:
  StreamWorker();

  // What there is, at least one byte, at most the buffer; 0 at the end.
  // kSourceUnreadable.
  Result<std::size_t> Read(int fd, MutableByteSpan buffer);
  // All of bytes. kCannotWrite; a reader that has gone is told as such. The
  // flags of the descriptor, which may be others' too, stay as they are.
  Status Write(int fd, ByteSpan bytes);
  // Of all that was read or written.
  Digest Finish();
  // As Hasher's. Nothing was read or written yet.
  void SetStrong(std::unique_ptr<StrongHasher> strong);

  // Whoever waits fails at once, and so does all that follows until Resume().
  void Interrupt();
  void Resume();

 private:
  // Until fd has one of events; false where it was interrupted.
  bool Wait(int fd, short events);
  // A descriptor of the same pipe that never blocks; -1 if there is none.
  int Unblocked(int fd);

  UniqueFd wake_;
  int unblocked_of_ = -1;
  UniqueFd unblocked_;
  bool begun_ = false;
  Hasher hasher_;
};

}  // namespace p2pcp::file

#endif  // P2PCP_TRANSFER_FILE_STREAM_WORKER_H_

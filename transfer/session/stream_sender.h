// The side that sends a stream: bytes that come from a pipe, of a number that
// nobody knows before they end (PROTOCOL.md, "Streams").

#ifndef P2PCP_TRANSFER_SESSION_STREAM_SENDER_H_
#define P2PCP_TRANSFER_SESSION_STREAM_SENDER_H_

#include <memory>
#include <string>

#include "net/base/time.h"
#include "transfer/file/disk.h"
#include "transfer/file/entry.h"
#include "transfer/session/sender.h"
#include "transfer/session/session.h"

namespace p2pcp {

struct StreamOffer {
  int fd = -1;       // Must stay open.
  std::string name;  // What the receiver may call it; a plain name.
  file::FileTime mtime;
};

// disk must outlive the session, which is its only user.
std::unique_ptr<Session> NewStreamSender(TimePoint now,
                                         const Sender::Config& config,
                                         const StreamOffer& offer,
                                         file::Disk* disk);

}  // namespace p2pcp

#endif  // P2PCP_TRANSFER_SESSION_STREAM_SENDER_H_

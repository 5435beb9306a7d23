// The side that receives one file, or one stream, and writes it to a stream as
// it comes, in order. Nothing of it can be taken back: a digest that is wrong
// at the end is an error all the same (PROTOCOL.md, "Streams").

#ifndef P2PCP_TRANSFER_SESSION_STREAM_RECEIVER_H_
#define P2PCP_TRANSFER_SESSION_STREAM_RECEIVER_H_

#include <memory>

#include "net/base/time.h"
#include "transfer/file/disk.h"
#include "transfer/session/receiver.h"
#include "transfer/session/session.h"

namespace p2pcp {

// fd must stay open. disk must outlive the session, which is its only user. Of
// config, what concerns a folder is ignored.
std::unique_ptr<Session> NewStreamReceiver(TimePoint now,
                                           const Receiver::Config& config,
                                           int fd, file::Disk* disk);

}  // namespace p2pcp

#endif  // P2PCP_TRANSFER_SESSION_STREAM_RECEIVER_H_

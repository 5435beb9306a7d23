// The two ends of the byte space: where a Connection takes bytes from and where
// it puts them. Both are implemented above it and called from inside its
// HandlePacket and PollTransmit, so neither may block nor call the Connection
// back.
//
// This header brings StreamOffset with it.

#ifndef P2PCP_TRANSFER_CONNECTION_BYTE_SPACE_H_
#define P2PCP_TRANSFER_CONNECTION_BYTE_SPACE_H_

#include <cstddef>

#include "net/base/bytes.h"
#include "transfer/wire/stream_offset.h"  // IWYU pragma: export

namespace p2pcp {

// The sender's side.
class ByteSource {
 public:
  virtual ~ByteSource() = default;

  // The bytes at offset: contiguous in memory, at least one and at most
  // max_size, valid until the next call. Fewer than max_size is allowed (a
  // buffer ends there): the connection then asks at once for what follows and
  // joins the pieces.
  //
  // Empty: not in memory. The source takes note, fetches them, and its owner
  // calls Connection::OnSourceReady(), after which the connection asks again.
  // It asks in order for new bytes, and anywhere among the bytes that were sent
  // and not yet acknowledged for those that were lost.
  virtual ByteSpan Read(StreamOffset offset, std::size_t max_size) = 0;
};

// The receiver's side.
class ByteSink {
 public:
  virtual ~ByteSink() = default;

  // Takes bytes that belong at offset; copies them before it returns. Each byte
  // is handed over exactly once (but see Connection::ForgetBytes), in whatever
  // order the network delivers. The bytes stay charged against the receive
  // budget until Connection::ReleaseBytes().
  //
  // False: no room for any of them; none was taken. The packet is then not
  // acknowledged, and the sender will send it again after a while. Offsets come
  // from the peer: the sink refuses those that lie outside of the transfer.
  virtual bool Write(StreamOffset offset, ByteSpan bytes) = 0;

  // Bytes that WriteRun() gets at most.
  static constexpr std::size_t kMaxRunBytes = 256 << 10;
  // What came together and follows each other: a sink that has much to do for
  // each Write() does it once. False: none was taken, and each piece is handed
  // to Write(), whatever the reason.
  virtual bool WriteRun(StreamOffset /*offset*/, BytePieces /*bytes*/) {
    return false;
  }
};

}  // namespace p2pcp

#endif  // P2PCP_TRANSFER_CONNECTION_BYTE_SPACE_H_

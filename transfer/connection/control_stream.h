// The control stream: whole messages, reliable and in order, over CONTROL
// frames that may be lost, doubled and reordered. One class for each end.
//
// A message is its length (2 bytes, big-endian) and its bytes; messages lie in
// the stream end to end. Both ends hold one window of bytes, however much the
// peer sends and however slowly it acknowledges.

#ifndef P2PCP_TRANSFER_CONNECTION_CONTROL_STREAM_H_
#define P2PCP_TRANSFER_CONNECTION_CONTROL_STREAM_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "net/base/bytes.h"
#include "transfer/recovery/range_set.h"

namespace p2pcp {

// transfer/wire/PROTOCOL.md, "The control stream".
inline constexpr std::size_t kMaxControlMessageSize = 16 * 1024;
inline constexpr std::uint64_t kControlWindow = 256 * 1024;
inline constexpr std::size_t kControlLengthSize = 2;

// A power of two of bytes, addressed by stream offset.
class ControlRing {
 public:
  // The bytes from offset on that lie in one piece, at most size.
  ByteSpan Piece(std::uint64_t offset, std::size_t size) const;
  void Write(std::uint64_t offset, ByteSpan bytes);
  void Read(std::uint64_t offset, MutableByteSpan out) const;

 private:
  // Allocated by the first write: most connections carry little.
  std::vector<std::byte> bytes_;
};

class ControlSender {
 public:
  struct Piece {
    std::uint64_t offset = 0;
    ByteSpan bytes;  // Valid until the next Send().
  };

  // The size of the largest message that Send() takes; 0: none at all.
  std::size_t Room() const;
  // REQUIRES: message.size() <= Room(), Room() > 0.
  void Send(ByteSpan message);

  bool HasPending() const { return !lost_.empty() || next_ < end_; }
  // Bytes that should be sent now.
  std::uint64_t pending() const { return lost_.size() + (end_ - next_); }
  // What should be sent now, lost bytes first; counts as sent.
  // REQUIRES: HasPending(), max_size > 0.
  Piece NextPiece(std::size_t max_size);
  // The oldest bytes that are not acknowledged; they count as sent already.
  std::optional<Piece> OldestUnacked(std::size_t max_size) const;
  void OnAcked(std::uint64_t offset, std::uint64_t size);
  void OnLost(std::uint64_t offset, std::uint64_t size);

  bool AllAcked() const { return base_ == end_; }

 private:
  ControlRing ring_;
  // Acknowledged [0, base_), sent [base_, next_), waiting [next_, end_).
  std::uint64_t base_ = 0;
  std::uint64_t next_ = 0;
  std::uint64_t end_ = 0;
  RangeSet acked_;  // At and above base_.
  RangeSet lost_;
};

class ControlReceiver {
 public:
  enum class Outcome : std::uint8_t {
    kTaken,    // Now or before.
    kRefused,  // The application reads too slowly: not to be acknowledged.
    kViolation,
  };

  Outcome Receive(std::uint64_t offset, ByteSpan bytes);
  std::optional<Bytes> Poll();

 private:
  // Ranges beyond the contiguous bytes at most: frames of single bytes here and
  // there would otherwise cost much more than they carry.
  static constexpr std::size_t kMaxRanges = 1024;

  ControlRing ring_;
  // Polled [0, read_), arrived in one piece [read_, contiguous_).
  std::uint64_t read_ = 0;
  std::uint64_t contiguous_ = 0;
  std::uint64_t checked_ = 0;  // Where the next length to be checked begins.
  RangeSet beyond_;            // Arrived above contiguous_.
};

}  // namespace p2pcp

#endif  // P2PCP_TRANSFER_CONNECTION_CONTROL_STREAM_H_

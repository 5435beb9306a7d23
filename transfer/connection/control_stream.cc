#include "transfer/connection/control_stream.h"

#include <algorithm>
#include <array>

#include "net/base/check.h"

namespace p2pcp {

static_assert((kControlWindow & (kControlWindow - 1)) == 0);

ByteSpan ControlRing::Piece(std::uint64_t offset, std::size_t size) const {
  P2PCP_CHECK(!bytes_.empty());
  const std::size_t at = offset & (kControlWindow - 1);
  return ByteSpan(bytes_).subspan(
      at, std::min<std::size_t>(size, kControlWindow - at));
}

void ControlRing::Write(std::uint64_t offset, ByteSpan bytes) {
  if (bytes_.empty()) bytes_.resize(kControlWindow);
  while (!bytes.empty()) {
    const std::size_t at = offset & (kControlWindow - 1);
    const std::size_t n =
        std::min<std::size_t>(bytes.size(), kControlWindow - at);
    CopyBytes(bytes.first(n), MutableByteSpan(bytes_).subspan(at));
    bytes = bytes.subspan(n);
    offset += n;
  }
}

void ControlRing::Read(std::uint64_t offset, MutableByteSpan out) const {
  while (!out.empty()) {
    const ByteSpan piece = Piece(offset, out.size());
    CopyBytes(piece, out);
    out = out.subspan(piece.size());
    offset += piece.size();
  }
}

std::size_t ControlSender::Room() const {
  const std::uint64_t room = kControlWindow - (end_ - base_);
  if (room <= kControlLengthSize) return 0;
  return std::min<std::size_t>(room - kControlLengthSize,
                               kMaxControlMessageSize);
}

void ControlSender::Send(ByteSpan message) {
  P2PCP_CHECK(Room() > 0 && message.size() <= Room());
  std::array<std::byte, kControlLengthSize> length;
  ByteWriter writer(length);
  writer.WriteU16(static_cast<std::uint16_t>(message.size()));
  ring_.Write(end_, length);
  ring_.Write(end_ + length.size(), message);
  end_ += length.size() + message.size();
}

ControlSender::Piece ControlSender::NextPiece(std::size_t max_size) {
  P2PCP_CHECK(HasPending() && max_size > 0);
  Piece piece;
  if (!lost_.empty()) {
    const RangeSet::Range lost = lost_.Front();
    piece.offset = lost.begin;
    piece.bytes =
        ring_.Piece(lost.begin, std::min<std::uint64_t>(lost.size(), max_size));
    lost_.PopFront(piece.bytes.size());
  } else {
    piece.offset = next_;
    piece.bytes =
        ring_.Piece(next_, std::min<std::uint64_t>(end_ - next_, max_size));
    next_ += piece.bytes.size();
  }
  return piece;
}

std::optional<ControlSender::Piece> ControlSender::OldestUnacked(
    std::size_t max_size) const {
  if (base_ == next_) return std::nullopt;
  std::uint64_t size = std::min<std::uint64_t>(next_ - base_, max_size);
  if (!acked_.empty()) size = std::min(size, acked_.Front().begin - base_);
  return Piece{.offset = base_, .bytes = ring_.Piece(base_, size)};
}

void ControlSender::OnAcked(std::uint64_t offset, std::uint64_t size) {
  const std::uint64_t begin = std::max(offset, base_);
  const std::uint64_t end = offset + size;
  if (begin >= end) return;
  acked_.Insert(begin, end);
  lost_.Erase(begin, end);
  if (acked_.Front().begin == base_) {
    base_ = acked_.Front().end;
    acked_.PopFront(acked_.Front().size());
  }
}

void ControlSender::OnLost(std::uint64_t offset, std::uint64_t size) {
  const std::uint64_t begin = std::max(offset, base_);
  acked_.ForEachMissing(begin, std::max(begin, offset + size),
                        [&](RangeSet::Range range) {
                          lost_.Insert(range.begin, range.end);
                          return true;
                        });
}

ControlReceiver::Outcome ControlReceiver::Receive(std::uint64_t offset,
                                                  ByteSpan bytes) {
  const std::uint64_t end = offset + bytes.size();
  // An honest sender has at most a window beyond what was acknowledged.
  if (end > contiguous_ + kControlWindow) return Outcome::kViolation;
  if (end <= contiguous_) return Outcome::kTaken;
  if (end > read_ + kControlWindow) return Outcome::kRefused;
  if (offset < contiguous_) {
    bytes = bytes.subspan(contiguous_ - offset);
    offset = contiguous_;
  }
  if (beyond_.range_count() >= kMaxRanges && offset > contiguous_ &&
      beyond_.WouldAddRange(offset, end)) {
    return Outcome::kRefused;
  }
  ring_.Write(offset, bytes);
  beyond_.Insert(offset, end);
  if (beyond_.Front().begin != contiguous_) return Outcome::kTaken;
  contiguous_ = beyond_.Front().end;
  beyond_.PopFront(beyond_.Front().size());

  while (checked_ + kControlLengthSize <= contiguous_) {
    std::array<std::byte, kControlLengthSize> length;
    ring_.Read(checked_, length);
    const std::size_t size = ByteReader(length).ReadU16();
    if (size > kMaxControlMessageSize) return Outcome::kViolation;
    checked_ += kControlLengthSize + size;
  }
  return Outcome::kTaken;
}

std::optional<Bytes> ControlReceiver::Poll() {
  if (contiguous_ - read_ < kControlLengthSize) return std::nullopt;
  std::array<std::byte, kControlLengthSize> length;
  ring_.Read(read_, length);
  const std::size_t size = ByteReader(length).ReadU16();
  if (contiguous_ - read_ < kControlLengthSize + size) return std::nullopt;
  Bytes message(size);
  ring_.Read(read_ + kControlLengthSize, message);
  read_ += kControlLengthSize + size;
  return message;
}

}  // namespace p2pcp

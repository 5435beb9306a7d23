// The byte space of a transfer: what the receiver wants, end to end, in the
// order in which it says so. A window over it: pieces are added at the end, and
// dropped at the front when nobody needs them any more.

#ifndef P2PCP_TRANSFER_FILE_LAYOUT_H_
#define P2PCP_TRANSFER_FILE_LAYOUT_H_

#include <cstddef>
#include <cstdint>
#include <utility>

#include "net/base/check.h"
#include "transfer/file/paged_queue.h"

namespace p2pcp::file {

// Piece has members `begin` and `size`, offsets in the space in bytes. Pieces
// are counted from 0 and stay where they are in memory.
template <typename Piece>
class Layout {
 public:
  // The number that the piece gets. Its begin is set here.
  std::uint64_t Append(Piece piece) {
    piece.begin = total_;
    total_ += piece.size;
    pieces_.push_back(std::move(piece));
    return end() - 1;
  }
  // Pieces [begin(), end()) are here.
  std::uint64_t begin() const { return first_; }
  std::uint64_t end() const { return first_ + pieces_.size(); }
  bool empty() const { return pieces_.empty(); }
  bool Has(std::uint64_t number) const {
    return number >= first_ && number < end();
  }
  // REQUIRES: Has(number).
  Piece& operator[](std::uint64_t number) {
    P2PCP_CHECK(Has(number));
    return pieces_[static_cast<std::size_t>(number - first_)];
  }
  const Piece& operator[](std::uint64_t number) const {
    P2PCP_CHECK(Has(number));
    return pieces_[static_cast<std::size_t>(number - first_)];
  }
  // The end of the last piece ever added.
  std::uint64_t total() const { return total_; }
  // Where the first piece that is still here begins.
  std::uint64_t front_offset() const {
    return pieces_.empty() ? total_ : pieces_.front().begin;
  }
  // The piece that the byte at offset belongs to: the last that begins at or
  // before it, since empty ones that begin there too stand before it.
  // REQUIRES: front_offset() <= offset < total().
  std::uint64_t At(std::uint64_t offset) const {
    P2PCP_CHECK(offset >= front_offset() && offset < total_);
    // Whoever goes through the space asks for one piece after another.
    for (std::uint64_t i = 0; i < 2; ++i) {
      if (Has(found_ + i) && Holds((*this)[found_ + i], offset)) {
        return found_ += i;
      }
    }
    std::size_t low = 0;
    std::size_t high = pieces_.size();  // Begins behind it, or is none.
    while (high - low > 1) {
      const std::size_t middle = low + (high - low) / 2;
      (pieces_[middle].begin <= offset ? low : high) = middle;
    }
    found_ = first_ + low;
    return found_;
  }
  // REQUIRES: !empty().
  void PopFront() {
    pieces_.pop_front();
    ++first_;
  }

 private:
  static bool Holds(const Piece& piece, std::uint64_t offset) {
    return piece.begin <= offset && offset - piece.begin < piece.size;
  }

  PagedQueue<Piece> pieces_;
  std::uint64_t first_ = 0;
  mutable std::uint64_t found_ = 0;  // By At(), the last time.
  std::uint64_t total_ = 0;
};

}  // namespace p2pcp::file

#endif  // P2PCP_TRANSFER_FILE_LAYOUT_H_

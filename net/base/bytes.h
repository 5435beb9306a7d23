// Bounds-checked cursors over byte spans, big-endian (network order), with the
// variable-length integers of RFC 9000 section 16.
//
// Both cursors fail sticky: after the first access out of bounds every further
// one fails too, so a codec reads or writes straight through and asks ok()
// once.

#ifndef P2PCP_NET_BASE_BYTES_H_
#define P2PCP_NET_BASE_BYTES_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace p2pcp {

using ByteSpan = std::span<const std::byte>;
using MutableByteSpan = std::span<std::byte>;
using Bytes = std::vector<std::byte>;

inline ByteSpan AsBytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}
inline std::string_view AsText(ByteSpan bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
inline Bytes ToBytes(ByteSpan bytes) { return {bytes.begin(), bytes.end()}; }
// REQUIRES: to.size() >= from.size().
void CopyBytes(ByteSpan from, MutableByteSpan to);

// Big-endian integers of so many bytes, without a cursor's checks, for what is
// in every packet. REQUIRES: kSize bytes at `at`.
template <std::size_t kSize>
inline std::uint64_t LoadBigEndian(const std::byte* at) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < kSize; ++i) {
    value = value << 8 | std::to_integer<std::uint64_t>(at[i]);
  }
  return value;
}
template <std::size_t kSize>
inline void StoreBigEndian(std::byte* at, std::uint64_t value) {
  for (std::size_t i = 0; i < kSize; ++i) {
    at[i] = static_cast<std::byte>(value >> (8 * (kSize - 1 - i)));
  }
}

// Lower-case hexadecimal, and back; Unhex returns an empty vector on bad input.
std::string Hex(ByteSpan bytes);
Bytes Unhex(std::string_view hex);

// The largest value of a variable-length integer (RFC 9000 section 16).
inline constexpr std::uint64_t kMaxVarint = (std::uint64_t{1} << 62) - 1;

// Bytes that WriteVarint uses for value: 1, 2, 4 or 8.
constexpr std::size_t VarintSize(std::uint64_t value) {
  return value < 64 ? 1 : value < 16384 ? 2 : value < (1u << 30) ? 4 : 8;
}

class ByteReader {
 public:
  explicit ByteReader(ByteSpan bytes) : rest_(bytes) {}

  bool ok() const { return ok_; }
  // ok() and nothing left: what a codec wants at the end of a message.
  bool AtEnd() const { return ok_ && rest_.empty(); }
  std::size_t remaining() const { return rest_.size(); }
  ByteSpan rest() const { return rest_; }

  // On failure integers read as 0 and spans as empty.
  std::uint8_t ReadU8() { return static_cast<std::uint8_t>(ReadUint(1)); }
  std::uint16_t ReadU16() { return static_cast<std::uint16_t>(ReadUint(2)); }
  std::uint32_t ReadU32() { return static_cast<std::uint32_t>(ReadUint(4)); }
  std::uint64_t ReadU48() { return ReadUint(6); }
  std::uint64_t ReadU64() { return ReadUint(8); }
  std::uint64_t ReadVarint();
  // A view into the buffer that the reader was made on.
  ByteSpan ReadBytes(std::size_t size);
  // A varint length, then that many bytes.
  ByteSpan ReadLengthPrefixed() {
    const std::uint64_t size = ReadVarint();
    if (size > rest_.size()) {
      Fail();
      return {};
    }
    return ReadBytes(static_cast<std::size_t>(size));
  }
  // Marks the input as bad, for checks that the codec itself makes.
  void Fail() {
    ok_ = false;
    rest_ = {};
  }

 private:
  std::uint64_t ReadUint(std::size_t size);

  ByteSpan rest_;
  bool ok_ = true;
};

// Bytes that follow each other but lie in several places, taken from front to
// back. Refers to what it is made of.
class BytePieces {
 public:
  // Implicit: one piece is the usual case.
  BytePieces(ByteSpan bytes) : front_(bytes), size_(bytes.size()) {}
  explicit BytePieces(std::span<const ByteSpan> pieces) : rest_(pieces) {
    for (const ByteSpan piece : pieces) size_ += piece.size();
  }

  // Bytes that have not been taken.
  std::size_t size() const { return size_; }
  // Copies the next to.size() bytes. REQUIRES: to.size() <= size().
  void Take(MutableByteSpan to);

 private:
  ByteSpan front_;
  std::span<const ByteSpan> rest_;
  std::size_t size_ = 0;
};

class ByteWriter {
 public:
  // Writes into buffer, which must outlive the writer.
  explicit ByteWriter(MutableByteSpan buffer) : buffer_(buffer) {}

  bool ok() const { return ok_; }
  std::size_t size() const { return size_; }
  std::size_t remaining() const { return ok_ ? buffer_.size() - size_ : 0; }
  ByteSpan written() const { return buffer_.first(size_); }

  void WriteU8(std::uint8_t value) { WriteUint(value, 1); }
  void WriteU16(std::uint16_t value) { WriteUint(value, 2); }
  void WriteU32(std::uint32_t value) { WriteUint(value, 4); }
  // REQUIRES: value < 2^48.
  void WriteU48(std::uint64_t value) { WriteUint(value, 6); }
  void WriteU64(std::uint64_t value) { WriteUint(value, 8); }
  // REQUIRES: value <= kMaxVarint.
  void WriteVarint(std::uint64_t value);
  void WriteBytes(ByteSpan bytes);
  void WriteLengthPrefixed(ByteSpan bytes) {
    WriteVarint(bytes.size());
    WriteBytes(bytes);
  }
  // Zeroes up to the end of the buffer.
  void PadToEnd();

 private:
  void WriteUint(std::uint64_t value, std::size_t size);
  bool Reserve(std::size_t size);

  MutableByteSpan buffer_;
  std::size_t size_ = 0;
  bool ok_ = true;
};

}  // namespace p2pcp

#endif  // P2PCP_NET_BASE_BYTES_H_

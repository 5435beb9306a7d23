#include "net/base/bytes.h"

#include <algorithm>

#include "net/base/check.h"

namespace p2pcp {

void CopyBytes(ByteSpan from, MutableByteSpan to) {
  P2PCP_CHECK(to.size() >= from.size());
  if (!from.empty()) std::memcpy(to.data(), from.data(), from.size());
}

std::string Hex(ByteSpan bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  hex.reserve(bytes.size() * 2);
  for (std::byte b : bytes) {
    hex.push_back(kDigits[std::to_integer<unsigned>(b) >> 4]);
    hex.push_back(kDigits[std::to_integer<unsigned>(b) & 15]);
  }
  return hex;
}

Bytes Unhex(std::string_view hex) {
  const auto digit = [](char c) -> int {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
  };
  if (hex.size() % 2 != 0) return {};
  Bytes bytes;
  bytes.reserve(hex.size() / 2);
  for (std::size_t i = 0; i < hex.size(); i += 2) {
    const int high = digit(hex[i]);
    const int low = digit(hex[i + 1]);
    if (high < 0 || low < 0) return {};
    bytes.push_back(static_cast<std::byte>(high << 4 | low));
  }
  return bytes;
}

std::uint64_t ByteReader::ReadUint(std::size_t size) {
  std::uint64_t value = 0;
  for (std::byte b : ReadBytes(size)) {
    value = value << 8 | std::to_integer<std::uint64_t>(b);
  }
  return value;
}

std::uint64_t ByteReader::ReadVarint() {
  if (rest_.empty()) {
    Fail();
    return 0;
  }
  // The two top bits of the first byte are the binary logarithm of the length.
  const std::size_t size = std::size_t{1}
                           << (std::to_integer<unsigned>(rest_[0]) >> 6);
  const std::uint64_t value = ReadUint(size);
  return value & (~std::uint64_t{0} >> (64 - (size * 8 - 2)));
}

ByteSpan ByteReader::ReadBytes(std::size_t size) {
  if (!ok_ || size > rest_.size()) {
    Fail();
    return {};
  }
  const ByteSpan bytes = rest_.first(size);
  rest_ = rest_.subspan(size);
  return bytes;
}

bool ByteWriter::Reserve(std::size_t size) {
  if (!ok_ || size > buffer_.size() - size_) {
    ok_ = false;
    return false;
  }
  return true;
}

void ByteWriter::WriteUint(std::uint64_t value, std::size_t size) {
  P2PCP_CHECK(size == 8 || value >> (8 * size) == 0);
  if (!Reserve(size)) return;
  for (std::size_t i = 0; i < size; ++i) {
    buffer_[size_++] = static_cast<std::byte>(value >> (8 * (size - 1 - i)));
  }
}

void ByteWriter::WriteVarint(std::uint64_t value) {
  P2PCP_CHECK(value <= kMaxVarint);
  const std::size_t size = VarintSize(value);
  const std::uint64_t log2 = size == 1 ? 0 : size == 2 ? 1 : size == 4 ? 2 : 3;
  WriteUint(value | log2 << (size * 8 - 2), size);
}

void ByteWriter::WriteBytes(ByteSpan bytes) {
  if (!Reserve(bytes.size())) return;
  CopyBytes(bytes, buffer_.subspan(size_));
  size_ += bytes.size();
}

void ByteWriter::PadToEnd() {
  if (!ok_) return;
  const MutableByteSpan rest = buffer_.subspan(size_);
  if (!rest.empty()) std::memset(rest.data(), 0, rest.size());
  size_ = buffer_.size();
}

void BytePieces::Take(MutableByteSpan to) {
  P2PCP_CHECK(to.size() <= size_);
  size_ -= to.size();
  while (!to.empty()) {
    if (front_.empty()) {
      front_ = rest_.front();
      rest_ = rest_.subspan(1);
      continue;
    }
    const std::size_t size = std::min(front_.size(), to.size());
    CopyBytes(front_.first(size), to);
    front_ = front_.subspan(size);
    to = to.subspan(size);
  }
}

}  // namespace p2pcp

#include "net/crypto/base32.h"

#include <cstdint>

namespace p2pcp::crypto {
namespace {

constexpr char kAlphabet[] = "abcdefghijklmnopqrstuvwxyz234567";

// 0 to 31, or -1.
int DigitValue(char c) {
  if (c >= 'a' && c <= 'z') return c - 'a';
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= '2' && c <= '7') return c - '2' + 26;
  return -1;
}

}  // namespace

std::string Base32(ByteSpan bytes) {
  std::string text;
  text.reserve((bytes.size() * 8 + 4) / 5);
  std::uint32_t window = 0;
  int bits = 0;
  for (const std::byte byte : bytes) {
    window = (window << 8) | std::to_integer<std::uint32_t>(byte);
    for (bits += 8; bits >= 5; bits -= 5) {
      text.push_back(kAlphabet[(window >> (bits - 5)) & 31]);
    }
  }
  if (bits > 0) text.push_back(kAlphabet[(window << (5 - bits)) & 31]);
  return text;
}

std::optional<Bytes> Unbase32(std::string_view text) {
  Bytes bytes;
  bytes.reserve(text.size() * 5 / 8);
  std::uint32_t window = 0;
  int bits = 0;
  for (const char c : text) {
    const int value = DigitValue(c);
    if (value < 0) return std::nullopt;
    window = (window << 5) | static_cast<std::uint32_t>(value);
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      bytes.push_back(static_cast<std::byte>((window >> bits) & 0xff));
    }
  }
  // What is left is the filling of the last digit: under 5 bits, all zero.
  if (bits >= 5 || (window & ((1u << bits) - 1)) != 0) return std::nullopt;
  return bytes;
}

}  // namespace p2pcp::crypto

#include "net/crypto/pairing_code.h"

#include <optional>
#include <span>

#include "net/crypto/code_words.h"

namespace p2pcp::crypto {
namespace {

constexpr std::uint16_t kNameplates = 10'000;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsLetter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// Takes the next run of digits or of letters out of text, in lower case; empty
// at the end.
std::string TakePart(std::string_view& text) {
  while (!text.empty() && !IsDigit(text[0]) && !IsLetter(text[0])) {
    text.remove_prefix(1);
  }
  std::string part;
  while (!text.empty() && (IsLetter(text[0]) || IsDigit(text[0]))) {
    if (!part.empty() && IsDigit(part[0]) != IsDigit(text[0])) break;
    part += static_cast<char>(IsLetter(text[0]) ? text[0] | 0x20 : text[0]);
    text.remove_prefix(1);
  }
  return part;
}

Error NotACode(std::string message) {
  return Error{ErrorCode::kUsage, std::move(message)};
}

}  // namespace

PairingCode PairingCode::Generate(Random& random) {
  PairingCode code;
  code.nameplate_ = static_cast<std::uint16_t>(random.Below(kNameplates));
  for (std::uint16_t& word : code.words_) {
    word = static_cast<std::uint16_t>(random.Below(kCodeWordCount));
  }
  return code;
}

Result<PairingCode> PairingCode::Parse(std::string_view text) {
  constexpr const char* kShape =
      "a code is four digits and three words, like 4821-acid-bagel-crumb";
  constexpr std::array<const char*, kWords> kWhich = {"first", "second",
                                                      "third"};
  if (text.size() > kMaxTextSize) return NotACode(kShape);
  const std::string digits = TakePart(text);
  if (digits.size() != kNameplateSize || !IsDigit(digits[0])) {
    return NotACode(kShape);
  }
  PairingCode code;
  for (const char digit : digits) {
    code.nameplate_ =
        static_cast<std::uint16_t>(code.nameplate_ * 10 + (digit - '0'));
  }
  for (std::size_t i = 0; i < kWords; ++i) {
    std::string part = TakePart(text);
    const std::optional<std::size_t> word =
        part.empty() ? std::nullopt : FindCodeWord(part);
    const bool absent = part.empty();
    Wipe(std::as_writable_bytes(std::span(part)));
    if (absent) return NotACode(kShape);
    if (!word) {
      return NotACode(std::string("the ") + kWhich[i] +
                      " word is none that codes are made of");
    }
    code.words_[i] = static_cast<std::uint16_t>(*word);
  }
  if (!TakePart(text).empty()) return NotACode(kShape);
  return code;
}

PairingCode::~PairingCode() { Wipe(std::as_writable_bytes(std::span(words_))); }

std::string PairingCode::nameplate() const {
  std::string digits = std::to_string(nameplate_);
  return std::string(kNameplateSize - digits.size(), '0') + digits;
}

std::string PairingCode::ToString() const {
  std::string text;
  // Room for all, so that no part of it stays behind.
  text.reserve(kMaxTextSize);
  text += nameplate();
  for (const std::uint16_t word : words_) {
    text += '-';
    text += CodeWord(word);
  }
  return text;
}

std::string PairingCode::Secret() const {
  std::string text;
  text.reserve(kMaxTextSize);
  for (const std::uint16_t word : words_) {
    if (!text.empty()) text += '-';
    text += CodeWord(word);
  }
  return text;
}

}  // namespace p2pcp::crypto

#include "cmd/receipt/receipt_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <utility>

#include "transfer/file/path_policy.h"
#include "transfer/session/receipt.h"

namespace p2pcp::cmd {
namespace {

// Takes prefix away from text.
bool Skip(std::string_view prefix, std::string_view* text) {
  if (!text->starts_with(prefix)) return false;
  text->remove_prefix(prefix.size());
  return true;
}

// The text up to the next blank, which is taken away too; all of it where there
// is none.
std::string_view Word(std::string_view* text) {
  const std::size_t end = std::min(text->find(' '), text->size());
  const std::string_view word = text->substr(0, end);
  text->remove_prefix(std::min(end + 1, text->size()));
  return word;
}

std::optional<std::uint64_t> Number(std::string_view text) {
  std::uint64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || at != end || text.empty() ||
      (text.size() > 1 && text.front() == '0')) {
    return std::nullopt;
  }
  return value;
}

template <std::size_t kSize>
bool FromHex(std::string_view text, std::array<std::byte, kSize>* out) {
  const auto is_digit = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
  };
  if (text.size() != 2 * kSize ||
      !std::all_of(text.begin(), text.end(), is_digit)) {
    return false;
  }
  CopyBytes(Unhex(text), *out);
  return true;
}

bool IsPath(std::string_view path) {
  if (path.size() > file::kMaxPath) return false;
  for (;;) {
    const std::size_t slash = path.find('/');
    if (file::CheckComponent(path.substr(0, slash)) !=
        file::NameProblem::kNone) {
      return false;
    }
    if (slash == std::string_view::npos) return true;
    path.remove_prefix(slash + 1);
  }
}

bool IsTime(std::string_view text) {
  constexpr std::string_view kForm = "0000-00-00T00:00:00Z";
  return std::equal(text.begin(), text.end(), kForm.begin(), kForm.end(),
                    [](char c, char form) {
                      return form == '0' ? c >= '0' && c <= '9' : c == form;
                    });
}

// A key in the one form in which `p2pcp id` prints it.
std::optional<crypto::PublicKey> Key(std::string_view text) {
  const auto key = crypto::PublicKey::Parse(text);
  if (!key || key->ToString() != text) return std::nullopt;
  return key;
}

// Whether a + b is beyond what a line can say; else adds.
bool Overflows(std::uint64_t* a, std::uint64_t b) {
  if (b > std::numeric_limits<std::uint64_t>::max() - *a) return true;
  *a += b;
  return false;
}

}  // namespace

Error ReceiptReader::NoReceipt(const char* what) const {
  return Error{ErrorCode::kAuthenticationFailed,
               fmt::format("line {}: {}", lines_, what)};
}

Status ReceiptReader::Take(ByteSpan bytes) {
  std::string_view text = AsText(bytes);
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::string_view piece = text.substr(0, end);
    if (line_.size() + piece.size() > kMaxLine) {
      ++lines_;
      return NoReceipt("is too long");
    }
    line_ += piece;
    if (end == std::string_view::npos) return {};
    text.remove_prefix(end + 1);
    ++lines_;
    if (const char* wrong = TakeLine(line_); wrong != nullptr) {
      if (!other_version_) return NoReceipt(wrong);
      return Error{ErrorCode::kVersionMismatch, wrong};
    }
    if (expects_ != Expects::kNothing) {
      line_ += '\n';
      hash_.Update(AsBytes(line_));
    }
    line_.clear();
  }
  return {};
}

const char* ReceiptReader::TakeLine(std::string_view line) {
  switch (expects_) {
    case Expects::kHead: {
      constexpr std::string_view kHead =
          kReceiptHead.substr(0, kReceiptHead.size() - 1);
      if (line == kHead) {
        expects_ = Expects::kId;
        return nullptr;
      }
      other_version_ = line.starts_with(kHead.substr(0, kHead.size() - 1));
      return other_version_ ? "it has a version that this program does not know"
                            : "is not the first line of a receipt";
    }
    case Expects::kId: {
      ReceiptId id;
      if (!Skip("id ", &line) || !FromHex(line, &id)) return "has no id";
      expects_ = Expects::kEntries;
      return nullptr;
    }
    case Expects::kEntries:
      if (Skip("end ", &line)) return TakeTotals(line);
      return TakeEntry(line);
    case Expects::kFrom:
      if (Skip("from ", &line)) from_ = Key(line);
      expects_ = Expects::kTo;
      return from_ ? nullptr : "does not say from whom";
    case Expects::kTo:
      if (Skip("to ", &line)) to_ = Key(line);
      expects_ = Expects::kTime;
      return to_ ? nullptr : "does not say to whom";
    case Expects::kTime:
      if (!Skip("time ", &line) || !IsTime(line)) return "says no time";
      time_ = line;
      expects_ = Expects::kPath;
      return nullptr;
    case Expects::kPath: {
      if (!Skip("path ", &line)) return "says no path";
      relayed_ = line.starts_with("relayed");
      v6_ = line.ends_with("udp6");
      if (line != PathWords(relayed_, v6_)) return "says no path";
      expects_ = Expects::kSignature;
      return nullptr;
    }
    case Expects::kSignature:
      if (!Skip("signature ", &line) || !FromHex(line, &signature_)) {
        return "is no signature";
      }
      expects_ = Expects::kNothing;
      return nullptr;
    case Expects::kNothing:
      break;
  }
  return "follows the signature";
}

const char* ReceiptReader::TakeEntry(std::string_view line) {
  ReceiptEntry entry;
  if (Skip("folder ", &line)) {
    entry.is_folder = true;
    ++counted_.folders;
  } else if (Skip("file ", &line)) {
    const auto size = Number(Word(&line));
    if (!size || !FromHex(Word(&line), &entry.digest) ||
        Overflows(&counted_.bytes, *size)) {
      return "has no size or digest";
    }
    entry.size = *size;
    ++counted_.files;
  } else {
    return "is no line of a receipt";
  }
  if (!IsPath(line)) return "has no path";
  entry.path = line;
  if (on_entry_) on_entry_(entry);
  return nullptr;
}

const char* ReceiptReader::TakeTotals(std::string_view line) {
  // No blank may follow the last word.
  if (line.ends_with(' ')) return "has no totals";
  for (std::uint64_t* total :
       {&totals_.files, &totals_.folders, &totals_.bytes, &totals_.missing}) {
    const auto number = Number(Word(&line));
    if (!number) return "has no totals";
    *total = *number;
  }
  counted_.missing = totals_.missing;
  if (!line.empty()) return "has no totals";
  if (counted_ != totals_) return "has totals that are not those of the lines";
  expects_ = Expects::kFrom;
  return nullptr;
}

Result<ReceiptFacts> ReceiptReader::Finish() {
  if (expects_ != Expects::kNothing || !line_.empty()) {
    return Error{ErrorCode::kAuthenticationFailed, "it ends too early"};
  }
  if (!crypto::Verify(*to_, SignedText(hash_.Finish()), signature_)) {
    return Error{ErrorCode::kAuthenticationFailed,
                 "its signature is wrong: it was changed, or forged"};
  }
  return ReceiptFacts{totals_, *from_, *to_, time_, relayed_, v6_};
}

}  // namespace p2pcp::cmd

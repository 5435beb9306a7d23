// Reads a receipt (PROTOCOL.md) as it comes, in memory for one line, and says
// whether it is one: of the right form, its totals right, its signature good.
// Whose key has signed it, and whether the files are still what it says, is for
// others.

#ifndef P2PCP_CMD_RECEIPT_RECEIPT_READER_H_
#define P2PCP_CMD_RECEIPT_RECEIPT_READER_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "cmd/receipt/receipt_text.h"
#include "net/base/bytes.h"
#include "net/base/result.h"
#include "net/crypto/hash.h"
#include "net/crypto/public_key.h"
#include "transfer/file/strong_hash.h"

namespace p2pcp::cmd {

struct ReceiptEntry {
  std::string_view path;
  bool is_folder = false;
  std::uint64_t size = 0;
  file::StrongDigest digest = {};
};

class ReceiptReader {
 public:
  static constexpr std::size_t kMaxLine = 4352;

  // Told of each entry; may be empty. Until Finish() has succeeded nothing of
  // it is proved.
  using OnEntry = std::function<void(const ReceiptEntry&)>;
  explicit ReceiptReader(OnEntry on_entry) : on_entry_(std::move(on_entry)) {}

  // The next bytes, in pieces of any size. kAuthenticationFailed: it is no
  // receipt; kVersionMismatch: one of another version. Final.
  Status Take(ByteSpan bytes);
  // There are no more. kAuthenticationFailed: it is no receipt, or the
  // signature is wrong.
  Result<ReceiptFacts> Finish();

 private:
  enum class Expects : std::uint8_t {
    kHead,
    kId,
    kEntries,
    kFrom,
    kTo,
    kTime,
    kPath,
    kSignature,
    kNothing,
  };

  // What is wrong with the line, nullptr if nothing is.
  const char* TakeLine(std::string_view line);
  const char* TakeEntry(std::string_view line);
  const char* TakeTotals(std::string_view line);
  Error NoReceipt(const char* what) const;

  const OnEntry on_entry_;
  Expects expects_ = Expects::kHead;
  std::string line_;  // The beginning of the next.
  std::uint64_t lines_ = 0;
  bool other_version_ = false;
  crypto::RunningHash hash_;
  ReceiptTotals counted_;
  ReceiptTotals totals_;
  std::optional<crypto::PublicKey> from_;
  std::optional<crypto::PublicKey> to_;
  std::string time_;
  bool relayed_ = false;
  bool v6_ = false;
  crypto::Signature signature_ = {};
};

}  // namespace p2pcp::cmd

#endif  // P2PCP_CMD_RECEIPT_RECEIPT_READER_H_

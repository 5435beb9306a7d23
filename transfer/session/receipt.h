// The receipt of a transfer, as far as sessions know of it: that each side
// tells somebody what has arrived, entry by entry, in the same order; and that
// what the receiver's has to say at the end reaches the sender's (PROTOCOL.md,
// "Receipts"). How a receipt looks, and what makes it binding, is theirs.

#ifndef P2PCP_TRANSFER_SESSION_RECEIPT_H_
#define P2PCP_TRANSFER_SESSION_RECEIPT_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "net/base/bytes.h"
#include "transfer/file/strong_hash.h"

namespace p2pcp {

// The sender makes it up: by it no receipt can pass for that of another
// transfer.
using ReceiptId = std::array<std::byte, 16>;

// Told of what has arrived. Paths are as the sender calls them, and may be
// anything that EntryChecker lets pass.
class ReceiptLines {
 public:
  virtual ~ReceiptLines() = default;

  // Of files: what the entries that are told about are checked with.
  virtual file::StrongHasherFactory hashers() const = 0;
  virtual void AddFolder(std::string_view path) = 0;
  virtual void AddFile(std::string_view path, std::uint64_t size,
                       const file::StrongDigest& digest) = 0;
};

// A receiver's. One session after another, each from Begin() on.
class ReceiptGiver : public ReceiptLines {
 public:
  // What it says at the end is no longer.
  static constexpr std::size_t kMaxEnd = 1024;

  virtual void Begin(const ReceiptId& id) = 0;
  // All has been told; so many entries that were named did not arrive.
  virtual Bytes End(std::uint64_t missing) = 0;
};

// A sender's.
class ReceiptTaker : public ReceiptLines {
 public:
  virtual ReceiptId Begin() = 0;
  virtual void End(std::uint64_t missing, ByteSpan end) = 0;
};

}  // namespace p2pcp

#endif  // P2PCP_TRANSFER_SESSION_RECEIPT_H_

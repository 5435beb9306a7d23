// The lines of a receipt (PROTOCOL.md), as they are written.

#ifndef P2PCP_CMD_RECEIPT_RECEIPT_TEXT_H_
#define P2PCP_CMD_RECEIPT_RECEIPT_TEXT_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "net/base/bytes.h"
#include "net/base/time.h"
#include "net/crypto/identity.h"
#include "net/crypto/public_key.h"
#include "transfer/file/strong_hash.h"
#include "transfer/session/receipt.h"

namespace p2pcp::cmd {

inline constexpr std::string_view kReceiptHead = "p2pcp receipt 1\n";

struct ReceiptTotals {
  std::uint64_t files = 0;
  std::uint64_t folders = 0;
  std::uint64_t bytes = 0;
  std::uint64_t missing = 0;

  friend bool operator==(const ReceiptTotals&, const ReceiptTotals&) = default;
};

// What stands at its end, but for the signature.
struct ReceiptFacts {
  ReceiptTotals totals;
  crypto::PublicKey from;
  crypto::PublicKey to;
  std::string time;  // As TimeText() makes it.
  bool relayed = false;
  bool v6 = false;
};

// With the line's end, each.
std::string BeginLines(const ReceiptId& id);
std::string FolderLine(std::string_view path);
std::string FileLine(std::string_view path, std::uint64_t size,
                     const file::StrongDigest& digest);
std::string FactLines(const ReceiptFacts& facts);
std::string SignatureLine(const crypto::Signature& signature);

// REQUIRES: between the years 1970 and 9999.
std::string TimeText(UnixTime time);
// "direct udp4".
std::string PathWords(bool relayed, bool v6);

// What is signed; hash: of all before the signature.
Bytes SignedText(ByteSpan hash);

}  // namespace p2pcp::cmd

#endif  // P2PCP_CMD_RECEIPT_RECEIPT_TEXT_H_

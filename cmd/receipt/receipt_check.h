// Whether the files that a receipt names are still what it says.

#ifndef P2PCP_CMD_RECEIPT_RECEIPT_CHECK_H_
#define P2PCP_CMD_RECEIPT_RECEIPT_CHECK_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "cmd/receipt/receipt_reader.h"
#include "net/base/result.h"
#include "net/crypto/hash.h"
#include "net/udp/file_descriptor.h"

namespace p2pcp::cmd {

// Reads all of a receipt. kSourceUnreadable: it can't be read; else as
// ReceiptReader's.
Result<ReceiptFacts> ReadReceipt(int fd,
                                 const ReceiptReader::OnEntry& on_entry);

class ReceiptCheck {
 public:
  enum class Finding : std::uint8_t {
    kSame,
    kMissing,     // Also where something else has the name.
    kChanged,     // Another size or content.
    kUnreadable,  // os_errno says why.
  };

  // folder: open, what the paths begin in.
  explicit ReceiptCheck(int folder);

  // Blocks, while it reads all of the file. Symbolic links are followed: the
  // sender may have sent what they point to. Nothing but regular files is read.
  Finding Look(const ReceiptEntry& entry);
  int os_errno() const { return errno_; }

 private:
  Finding Fail(int error);

  const int folder_;
  int errno_ = 0;
  std::unique_ptr<std::byte[]> buffer_;
  crypto::RunningHash hash_;
};

}  // namespace p2pcp::cmd

#endif  // P2PCP_CMD_RECEIPT_RECEIPT_CHECK_H_

// A sender's side of a receipt: writes the lines into a file, which gets its
// name when the receiver has signed them and the signature is good.

#ifndef P2PCP_CMD_RECEIPT_RECEIPT_FILE_H_
#define P2PCP_CMD_RECEIPT_RECEIPT_FILE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cmd/receipt/receipt_reader.h"
#include "net/base/bytes.h"
#include "net/base/random.h"
#include "net/base/result.h"
#include "net/crypto/public_key.h"
#include "net/udp/file_descriptor.h"
#include "transfer/file/strong_hash.h"
#include "transfer/session/receipt.h"

namespace p2pcp::cmd {

// Writes to the page cache from the thread that calls it, 64 KiB at a time.
class ReceiptFile final : public ReceiptTaker {
 public:
  // path must be free, and stays so until Conclude(). kCannotWrite. random must
  // outlive it.
  static Result<std::unique_ptr<ReceiptFile>> Create(const std::string& path,
                                                     Random* random);
  // Deletes what has not got its name.
  ~ReceiptFile() override;
  ReceiptFile(const ReceiptFile&) = delete;
  ReceiptFile& operator=(const ReceiptFile&) = delete;

  file::StrongHasherFactory hashers() const override;
  ReceiptId Begin() override;
  void AddFolder(std::string_view path) override;
  void AddFile(std::string_view path, std::uint64_t size,
               const file::StrongDigest& digest) override;
  void End(std::uint64_t missing, ByteSpan end) override;

  // Whether End() was called since Begin().
  bool ended() const { return end_.has_value(); }
  // Gives it its name, synced, if it is signed by `to` and names one of `from`,
  // our keys. kAuthenticationFailed: the receiver has signed something else.
  // REQUIRES: ended().
  Status Conclude(const crypto::PublicKey& to,
                  const std::vector<crypto::PublicKey>& from);

 private:
  ReceiptFile(std::string path, std::string part, int fd, Random* random)
      : path_(std::move(path)),
        part_(std::move(part)),
        fd_(fd),
        random_(*random) {}

  void Append(std::string_view text);
  void Flush();

  const std::string path_;
  const std::string part_;  // The temporary name; it lies in the same folder.
  const udp::FileDescriptor fd_;
  Random& random_;
  std::string buffer_;
  Status written_;  // The first error.
  // Reads along what is written.
  std::optional<ReceiptReader> reader_;
  Status read_;
  std::optional<std::uint64_t> end_;  // What is missing, by our count.
  bool named_ = false;
};

}  // namespace p2pcp::cmd

#endif  // P2PCP_CMD_RECEIPT_RECEIPT_FILE_H_

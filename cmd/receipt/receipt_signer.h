// A receiver's side of a receipt: hashes the lines that its sender writes, and
// signs them at the end.

#ifndef P2PCP_CMD_RECEIPT_RECEIPT_SIGNER_H_
#define P2PCP_CMD_RECEIPT_RECEIPT_SIGNER_H_

#include <functional>
#include <memory>
#include <string_view>
#include <utility>

#include "cmd/receipt/receipt_text.h"
#include "net/base/bytes.h"
#include "net/crypto/hash.h"
#include "net/crypto/identity.h"
#include "net/crypto/public_key.h"
#include "transfer/file/strong_hash.h"
#include "transfer/session/receipt.h"

namespace p2pcp::cmd {

// BLAKE2b-256.
std::unique_ptr<file::StrongHasher> NewBlake2bHasher();

class ReceiptSigner final : public ReceiptGiver {
 public:
  // What is true when it signs.
  struct Circumstances {
    crypto::PublicKey peer;  // The sender.
    UnixTime now;
    bool relayed = false;
    bool v6 = false;
  };
  // self must outlive it.
  ReceiptSigner(const crypto::Identity* self,
                std::function<Circumstances()> circumstances)
      : self_(*self), circumstances_(std::move(circumstances)) {}

  // Whether one has been given.
  bool signed_one() const { return signed_one_; }

  file::StrongHasherFactory hashers() const override {
    return &NewBlake2bHasher;
  }
  void Begin(const ReceiptId& id) override;
  void AddFolder(std::string_view path) override;
  void AddFile(std::string_view path, std::uint64_t size,
               const file::StrongDigest& digest) override;
  Bytes End(std::uint64_t missing) override;

 private:
  const crypto::Identity& self_;
  const std::function<Circumstances()> circumstances_;
  crypto::RunningHash hash_;
  ReceiptTotals totals_;
  bool signed_one_ = false;
};

}  // namespace p2pcp::cmd

#endif  // P2PCP_CMD_RECEIPT_RECEIPT_SIGNER_H_

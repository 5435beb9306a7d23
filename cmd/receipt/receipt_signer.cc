#include "cmd/receipt/receipt_signer.h"

#include <string>

namespace p2pcp::cmd {
namespace {

class Blake2bHasher final : public file::StrongHasher {
 public:
  void Reset() override { hash_.Reset(); }
  void Update(ByteSpan bytes) override { hash_.Update(bytes); }
  file::StrongDigest Finish() const override { return hash_.Finish(); }

 private:
  crypto::RunningHash hash_;
};

}  // namespace

std::unique_ptr<file::StrongHasher> NewBlake2bHasher() {
  return std::make_unique<Blake2bHasher>();
}

void ReceiptSigner::Begin(const ReceiptId& id) {
  hash_.Reset();
  totals_ = {};
  hash_.Update(AsBytes(BeginLines(id)));
}

void ReceiptSigner::AddFolder(std::string_view path) {
  ++totals_.folders;
  hash_.Update(AsBytes(FolderLine(path)));
}

void ReceiptSigner::AddFile(std::string_view path, std::uint64_t size,
                            const file::StrongDigest& digest) {
  ++totals_.files;
  totals_.bytes += size;
  hash_.Update(AsBytes(FileLine(path, size, digest)));
}

Bytes ReceiptSigner::End(std::uint64_t missing) {
  totals_.missing = missing;
  const Circumstances at = circumstances_();
  std::string end = FactLines({totals_, at.peer, self_.public_key(),
                               TimeText(at.now), at.relayed, at.v6});
  hash_.Update(AsBytes(end));
  end += SignatureLine(self_.Sign(SignedText(hash_.Finish())));
  signed_one_ = true;
  return ToBytes(AsBytes(end));
}

}  // namespace p2pcp::cmd

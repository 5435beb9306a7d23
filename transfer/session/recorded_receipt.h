// For tests: both sides of a receipt that writes down what it is told, with
// digests that are none but of everything that went into them.

#ifndef P2PCP_TRANSFER_SESSION_RECORDED_RECEIPT_H_
#define P2PCP_TRANSFER_SESSION_RECORDED_RECEIPT_H_

#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "net/base/bytes.h"
#include "transfer/file/digest.h"
#include "transfer/file/strong_hash.h"
#include "transfer/session/receipt.h"

namespace p2pcp {

class RecordedHasher final : public file::StrongHasher {
 public:
  static std::unique_ptr<file::StrongHasher> New() {
    ++made;
    return std::make_unique<RecordedHasher>();
  }
  // Of a whole content; another one than XXH3 alone.
  static file::StrongDigest Of(std::string_view text) {
    RecordedHasher hasher;
    hasher.Update(AsBytes(text));
    return hasher.Finish();
  }

  RecordedHasher() { Reset(); }
  void Reset() override {
    hasher_.Reset();
    hasher_.Update(AsBytes("strong"));
  }
  void Update(ByteSpan bytes) override { hasher_.Update(bytes); }
  file::StrongDigest Finish() const override {
    file::StrongDigest digest = {};
    CopyBytes(hasher_.Finish().bytes, MutableByteSpan(digest).first(16));
    return digest;
  }

  static inline std::atomic<int> made = 0;

 private:
  file::Hasher hasher_;
};

// "folder PATH", "file SIZE PATH DIGEST" and "end MISSING" are its lines.
template <typename Base>
class RecordedLines : public Base {
 public:
  file::StrongHasherFactory hashers() const override { return factory; }
  void AddFolder(std::string_view path) override {
    lines.push_back("folder " + std::string(path));
  }
  void AddFile(std::string_view path, std::uint64_t size,
               const file::StrongDigest& digest) override {
    lines.push_back(FileLine(path, size, digest));
  }
  static std::string FileLine(std::string_view path, std::uint64_t size,
                              const file::StrongDigest& digest) {
    return "file " + std::to_string(size) + " " + std::string(path) + " " +
           Hex(digest);
  }
  static std::string FileLine(std::string_view path, std::string_view content) {
    return FileLine(path, content.size(), RecordedHasher::Of(content));
  }

  std::vector<std::string> lines;
  file::StrongHasherFactory factory = &RecordedHasher::New;
};

class RecordedGiver final : public RecordedLines<ReceiptGiver> {
 public:
  void Begin(const ReceiptId& id) override {
    lines.clear();
    begun = id;
  }
  Bytes End(std::uint64_t missing) override {
    lines.push_back("end " + std::to_string(missing));
    return ToBytes(AsBytes("signed"));
  }

  ReceiptId begun = {};
};

class RecordedTaker final : public RecordedLines<ReceiptTaker> {
 public:
  ReceiptId Begin() override {
    lines.clear();
    end.clear();
    id[0] = std::byte{static_cast<std::uint8_t>(++sessions)};
    return id;
  }
  void End(std::uint64_t missing, ByteSpan text) override {
    lines.push_back("end " + std::to_string(missing));
    end = AsText(text);
  }

  int sessions = 0;
  ReceiptId id = {};
  std::string end;
};

}  // namespace p2pcp

#endif  // P2PCP_TRANSFER_SESSION_RECORDED_RECEIPT_H_

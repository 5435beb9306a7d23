// p2pcp verify: a delivery receipt, and the files that it names.

#include <errno.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "cmd/commands.h"
#include "cmd/receipt/receipt_check.h"
#include "cmd/receipt/receipt_reader.h"
#include "cmd/receipt/receipt_text.h"
#include "cmd/text.h"
#include "net/crypto/contact_book.h"
#include "net/crypto/identity.h"
#include "net/crypto/public_key.h"
#include "net/udp/file_descriptor.h"

namespace p2pcp::cmd {
namespace {

using Finding = ReceiptCheck::Finding;

// Names for keys: those of the contact book, and "you".
class KnownKeys {
 public:
  static Result<KnownKeys> Load(const Home& home) {
    KnownKeys known;
    Result<crypto::ContactBook> book = crypto::ContactBook::Load(home.peers);
    if (!book.ok()) return std::move(book).error();
    known.book_ = *std::move(book);
    // Whoever checks a receipt need not have a key.
    if (auto self = crypto::Identity::Load(home.identity); self.ok()) {
      known.self_ = self->public_key();
    } else if (self.error().os_errno != ENOENT) {
      return std::move(self).error();
    }
    return known;
  }

  // Empty: it is nobody's.
  std::string NameOf(const crypto::PublicKey& key) const {
    if (key == self_) return "you";
    const crypto::Contact* const contact = book_.FindByKey(key);
    return contact != nullptr ? contact->name : std::string();
  }
  std::string Describe(const crypto::PublicKey& key) const {
    const std::string name = NameOf(key);
    return name.empty() ? key.ToString()
                        : fmt::format("{} ({})", name, Fingerprint(key));
  }
  // A name or a key.
  std::optional<crypto::PublicKey> Find(const std::string& text) const {
    if (const crypto::Contact* contact = book_.Find(text)) return contact->key;
    return crypto::PublicKey::Parse(text);
  }

 private:
  crypto::ContactBook book_;
  std::optional<crypto::PublicKey> self_;
};

Status CheckSigner(const ReceiptFacts& facts, const KnownKeys& known,
                   const std::string& signer) {
  if (!signer.empty()) {
    const auto key = known.Find(signer);
    if (!key) {
      return Error{
          ErrorCode::kUsage,
          fmt::format("--signer: '{}' is neither a name in the contact "
                      "book nor a key",
                      Escape(signer))};
    }
    if (*key == facts.to) return {};
    return Error{ErrorCode::kAuthenticationFailed,
                 fmt::format("it is signed by {}, not by {}",
                             known.Describe(facts.to), Escape(signer))};
  }
  if (!known.NameOf(facts.to).empty()) return {};
  return Error{
      ErrorCode::kAuthenticationFailed,
      fmt::format(
          "it is signed by a key that you don't know, so anybody may have made "
          "it:\n  {0}\nIf you know from elsewhere that this is the receiver's: "
          "--signer {0}, or 'p2pcp peers add NAME {0}'",
          facts.to.ToString())};
}

class Report {
 public:
  explicit Report(Console* console) : console_(*console) {}

  void Note(const ReceiptEntry& entry, Finding finding, int os_errno) {
    const std::string path = Escape(entry.path);
    switch (finding) {
      case Finding::kSame:
        return;
      case Finding::kMissing:
        ++missing_;
        return console_.Error(fmt::format("missing: {}", path));
      case Finding::kChanged:
        ++changed_;
        return console_.Error(fmt::format("changed: {}", path));
      case Finding::kUnreadable:
        ++unreadable_;
        return console_.Error(ErrnoError(ErrorCode::kSourceUnreadable,
                                         "cannot read " + path, os_errno)
                                  .message);
    }
  }

  Result<ExitCode> Conclude() const {
    if (changed_ + unreadable_ + missing_ == 0) {
      console_.Line("all of it is there, unchanged");
      return ExitCode::kVerified;
    }
    const ErrorCode code = changed_ > 0      ? ErrorCode::kIntegrity
                           : unreadable_ > 0 ? ErrorCode::kSourceUnreadable
                                             : ErrorCode::kKeptBack;
    return Error{code, fmt::format("{} changed, {} missing, {} unreadable",
                                   changed_, missing_, unreadable_)};
  }

 private:
  Console& console_;
  std::uint64_t missing_ = 0;
  std::uint64_t changed_ = 0;
  std::uint64_t unreadable_ = 0;
};

}  // namespace

Result<ExitCode> RunVerify(const Options& options, const Home& home,
                           Console& console) {
  const std::string& name = options.arguments.front();
  const udp::FileDescriptor receipt(
      open(name.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
  if (!receipt.valid()) {
    return ErrnoError(ErrorCode::kSourceUnreadable,
                      "cannot read " + Escape(name), errno);
  }
  Result<KnownKeys> known = KnownKeys::Load(home);
  if (!known.ok()) return std::move(known).error();
  const std::string what = Escape(name) + " is no good receipt";
  // Nothing that it names is looked at before all of it has turned out good.
  const Result<ReceiptFacts> facts = ReadReceipt(receipt.get(), {});
  if (!facts.ok()) return Annotate(facts.error(), what);
  if (Status checked = CheckSigner(*facts, *known, options.signer);
      !checked.ok()) {
    return checked.error().code == ErrorCode::kUsage
               ? std::move(checked).error()
               : Annotate(std::move(checked).error(), what);
  }
  const ReceiptTotals& totals = facts->totals;
  console.Line(fmt::format(
      "signed by {} at {}\n{} and {}, {}, from {}, {}{}",
      known->Describe(facts->to), facts->time,
      FormatCount(totals.files, "file"), FormatCount(totals.folders, "folder"),
      FormatSize(totals.bytes), known->Describe(facts->from),
      PathWords(facts->relayed, facts->v6),
      totals.missing == 0
          ? ""
          : fmt::format("; {} did not arrive", totals.missing)));
  if (options.arguments.size() == 1) return ExitCode::kVerified;

  const std::string& dir = options.arguments[1];
  const udp::FileDescriptor folder(
      open(dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder.valid()) {
    return ErrnoError(ErrorCode::kSourceUnreadable,
                      "cannot read " + Escape(dir), errno);
  }
  if (lseek(receipt.get(), 0, SEEK_SET) != 0) {
    return ErrnoError(ErrorCode::kSourceUnreadable,
                      "cannot read it a second time", errno);
  }
  ReceiptCheck check(folder.get());
  Report report(&console);
  const Result<ReceiptFacts> again =
      ReadReceipt(receipt.get(), [&](const ReceiptEntry& entry) {
        const Finding finding = check.Look(entry);
        report.Note(entry, finding, check.os_errno());
      });
  // Whoever changes it meanwhile has no say.
  if (!again.ok()) return Annotate(again.error(), what);
  if (again->to != facts->to || again->totals != facts->totals) {
    return Error{ErrorCode::kAuthenticationFailed,
                 Escape(name) + " changed while it was read"};
  }
  return report.Conclude();
}

}  // namespace p2pcp::cmd

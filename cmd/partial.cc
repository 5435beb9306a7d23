#include "cmd/partial.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <ctime>
#include <optional>
#include <string>

#include "cmd/boot_id.h"
#include "cmd/product.h"
#include "cmd/text.h"
#include "net/base/bytes.h"
#include "net/crypto/contact_book.h"
#include "net/crypto/public_key.h"
#include "transfer/file/partials.h"

namespace p2pcp::cmd {
namespace {

std::string NameOf(const crypto::ContactBook& book, const Bytes& peer) {
  const auto key = crypto::PublicKey::FromBytes(peer);
  const crypto::Contact* contact = key ? book.FindByKey(*key) : nullptr;
  if (contact != nullptr) return contact->name;
  return key ? key->ToString() : std::string("?");
}

std::string LineOf(const crypto::ContactBook& book,
                   const file::Partial& partial) {
  return fmt::format("{}  {}  {} of {}  begun {:%Y-%m-%d %H:%M}\n",
                     NameOf(book, partial.peer), Escape(partial.path),
                     FormatSize(partial.bytes), FormatSize(partial.size),
                     fmt::localtime(static_cast<std::time_t>(partial.begun)));
}

}  // namespace

Result<ExitCode> RunPartial(const Options& options, const Home& home,
                            Console& console) {
  Result<crypto::ContactBook> book = crypto::ContactBook::Load(home.peers);
  if (!book.ok()) return std::move(book).error();
  std::optional<crypto::PublicKey> only;
  if (!options.peer.empty() && options.peer != "any") {
    const crypto::Contact* contact = book->Find(options.peer);
    if (contact == nullptr) {
      return Error{
          ErrorCode::kUsage,
          fmt::format("the contact book has no '{}'", Escape(options.peer))};
    }
    only = contact->key;
  }
  const auto wanted = [&](const Bytes& peer) {
    return !only || ToBytes(only->bytes()) == peer;
  };
  const file::Partials partials =
      options.clean_partial
          ? file::CleanPartials(home.partial, CurrentBoot(), wanted)
          : file::ListPartials(home.partial, CurrentBoot(), wanted);
  std::string text;
  std::uint64_t bytes = 0;
  for (const file::Partial& partial : partials.files) {
    text += LineOf(*book, partial);
    bytes += partial.bytes;
  }
  if (Status written = WriteProduct(text); !written.ok()) {
    return std::move(written).error();
  }
  console.Line(
      fmt::format("{} of unfinished transfers, {}",
                  FormatCount(partials.files.size(), "file"),
                  FormatSize(bytes)) +
      (options.clean_partial && !partials.files.empty() ? ", deleted" : ""));
  if (!partials.in_use.empty()) {
    console.Line(fmt::format(
        "{} more {} under way: {} left alone", partials.in_use.size(),
        partials.in_use.size() == 1 ? "is" : "are",
        partials.in_use.size() == 1 ? "it is" : "they are"));
  }
  return ExitCode::kVerified;
}

}  // namespace p2pcp::cmd

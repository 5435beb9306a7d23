// p2pcp peers: the contact book.

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <ctime>

#include "cmd/commands.h"
#include "cmd/product.h"
#include "cmd/text.h"
#include "net/crypto/contact_book.h"
#include "net/crypto/identity.h"
#include "net/udp/event_loop.h"

namespace p2pcp::cmd {
namespace {

using crypto::Contact;
using crypto::ContactBook;

Error Usage(std::string message) {
  return Error{ErrorCode::kUsage, std::move(message)};
}

std::string Day(std::optional<UnixTime> time) {
  if (!time) return "never";
  const std::time_t seconds = time->time_since_epoch().count();
  return fmt::format("{:%Y-%m-%d}", fmt::localtime(seconds));
}

Result<ExitCode> List(const Home& home, Console& console) {
  Result<ContactBook> book = ContactBook::Load(home.peers);
  if (!book.ok()) return std::move(book).error();
  if (book->contacts().empty()) {
    console.Line(
        "The contact book is empty. Let the other side run 'p2pcp id', then:\n"
        "  p2pcp peers add NAME KEY");
    return ExitCode::kVerified;
  }
  std::size_t width = 0;
  for (const Contact& contact : book->contacts()) {
    width = std::max(width, contact.name.size());
  }
  std::string table;
  for (const Contact& contact : book->contacts()) {
    table += fmt::format("{:<{}}  {}  added {}  last seen {}\n", contact.name,
                         width, contact.key.ToString(), Day(contact.first_seen),
                         Day(contact.last_seen));
  }
  if (Status written = WriteProduct(table); !written.ok()) {
    return std::move(written).error();
  }
  return ExitCode::kVerified;
}

Result<ExitCode> Change(const Home& home,
                        const std::function<Status(ContactBook&)>& change) {
  if (Status updated = ContactBook::Update(home.peers, change); !updated.ok()) {
    return std::move(updated).error();
  }
  return ExitCode::kVerified;
}

}  // namespace

Result<ExitCode> RunPeers(const Options& options, const Home& home,
                          Console& console) {
  const std::vector<std::string>& words = options.arguments;
  const std::string action = words.empty() ? "list" : words[0];
  const auto takes = [&](std::size_t count) {
    return words.size() == count + 1;
  };
  if (action == "list") {
    if (words.size() > 1) return Usage("usage: p2pcp peers list");
    return List(home, console);
  }
  if (action == "add") {
    if (!takes(2)) return Usage("usage: p2pcp peers add NAME KEY");
    const auto key = crypto::PublicKey::Parse(words[2]);
    if (!key) {
      return Usage(fmt::format(
          "'{}' is not a key; it is what the other side's 'p2pcp id' prints",
          Escape(words[2])));
    }
    // A device that has no identity yet can't have been given its own key.
    const Result<crypto::Identity> self = crypto::Identity::Load(home.identity);
    if (self.ok() && self->public_key() == *key) {
      return Usage(
          "that is this device's own key; the other side's is what "
          "'p2pcp id' prints there");
    }
    Result<ExitCode> result = Change(home, [&](ContactBook& book) {
      return book.Add(words[1], *key, std::nullopt, udp::WallTime());
    });
    if (result.ok()) {
      console.Line(
          fmt::format("added {} ({})", words[1], crypto::Fingerprint(*key)));
    }
    return result;
  }
  if (action == "rename") {
    if (!takes(2)) return Usage("usage: p2pcp peers rename OLD NEW");
    return Change(home, [&](ContactBook& book) {
      return book.Rename(words[1], words[2]);
    });
  }
  if (action == "remove") {
    if (!takes(1)) return Usage("usage: p2pcp peers remove NAME");
    return Change(home,
                  [&](ContactBook& book) { return book.Remove(words[1]); });
  }
  std::string message =
      fmt::format("peers: there is no action '{}'", Escape(action));
  if (const auto nearest =
          Nearest(action, {"list", "add", "rename", "remove"})) {
    message += fmt::format("; did you mean '{}'?", *nearest);
  } else {
    message += "; there are list, add, rename and remove";
  }
  return Usage(message);
}

}  // namespace p2pcp::cmd

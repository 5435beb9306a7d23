// p2pcp peers: the contact book.

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <filesystem>
#include <functional>
#include <optional>
#include <system_error>
#include <utility>

#include "cmd/commands.h"
#include "cmd/options/option_tables.h"
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

// Whether there is a contact of that name; if not, which name is near.
Status MustKnow(const ContactBook& book, const std::string& name) {
  if (book.Find(name) != nullptr) return {};
  std::vector<std::string> names;
  for (const Contact& contact : book.contacts()) names.push_back(contact.name);
  std::string message = fmt::format("there is no contact '{}'", Escape(name));
  if (const auto nearest = Nearest(name, names)) {
    message += fmt::format("; did you mean '{}'?", *nearest);
  } else {
    message += "; 'p2pcp peers' lists all";
  }
  return Usage(message);
}

// The rules of a contact as words that `set` takes.
std::string RulesText(const crypto::ContactRules& rules) {
  std::string text;
  if (rules.ask) text += "  ask=yes";
  if (rules.max_size) {
    text += fmt::format("  max-size={}", FormatSize(*rules.max_size));
  }
  if (!rules.folder.empty()) text += "  out=" + Escape(rules.folder);
  if (rules.knows_old_key) text += "  (knows this device's old key)";
  return text;
}

Result<ExitCode> List(const Home& home, Console& console) {
  Result<ContactBook> book = ContactBook::Load(home.peers);
  if (!book.ok()) return std::move(book).error();
  if (book->contacts().empty()) {
    console.Line(
        "The contact book is empty. Get to know somebody by a code:\n"
        "  p2pcp pair NAME\n"
        "or let the other side run 'p2pcp id', then:\n"
        "  p2pcp peers add NAME KEY");
    return ExitCode::kVerified;
  }
  std::size_t width = 0;
  for (const Contact& contact : book->contacts()) {
    width = std::max(width, contact.name.size());
  }
  std::string table;
  for (const Contact& contact : book->contacts()) {
    table +=
        fmt::format("{:<{}}  {}  added {}  last seen {}{}{}\n", contact.name,
                    width, Fingerprint(contact.key), Day(contact.first_seen),
                    Day(contact.last_seen), contact.psk ? "" : "  (by hand)",
                    RulesText(contact.rules));
    if (console.verbose()) {
      table += fmt::format("{:<{}}  {}\n", "", width, contact.key.ToString());
    }
  }
  if (Status written = WriteProduct(table); !written.ok()) {
    return std::move(written).error();
  }
  return ExitCode::kVerified;
}

// "ask=yes", "out=DIR", "max-size=10G"; nothing after the sign: no such rule.
Status SetRule(const std::string& word, crypto::ContactRules& rules) {
  const std::size_t sign = word.find('=');
  const std::string name = word.substr(0, sign);
  const std::string value =
      sign == word.npos ? std::string() : word.substr(sign + 1);
  if (sign != word.npos && name == "ask" &&
      (value == "yes" || value == "no" || value.empty())) {
    rules.ask = value == "yes";
    return {};
  }
  if (sign != word.npos && name == "max-size") {
    const auto size = ParseSize(value);
    if (!size && !value.empty()) {
      return Usage("max-size: bytes, such as 500k, 1.5M or 10G");
    }
    rules.max_size = value.empty() ? std::nullopt : size;
    return {};
  }
  if (sign != word.npos && name == "out") {
    rules.folder.clear();
    if (value.empty()) return {};
    std::error_code error;
    const auto folder = std::filesystem::canonical(value, error);
    if (error || !std::filesystem::is_directory(folder, error)) {
      return Usage(
          fmt::format("out={}: there is no such folder", Escape(value)));
    }
    rules.folder = folder.native();
    return {};
  }
  return Usage(fmt::format(
      "'{}' is no rule; there are ask=yes|no, out=DIR and max-size=SIZE, with "
      "nothing after the sign to take one back",
      Escape(word)));
}

Result<ExitCode> Set(const std::vector<std::string>& words, const Home& home,
                     Console& console) {
  crypto::ContactRules rules;
  const Status updated =
      ContactBook::Update(home.peers, [&](ContactBook& book) -> Status {
        if (Status known = MustKnow(book, words[1]); !known.ok()) return known;
        rules = book.Find(words[1])->rules;
        for (std::size_t i = 2; i < words.size(); ++i) {
          if (Status set = SetRule(words[i], rules); !set.ok()) return set;
        }
        return book.SetRules(words[1], rules);
      });
  if (!updated.ok()) return updated.error();
  const std::string text = RulesText(rules);
  console.Line(words[1] + ":" + (text.empty() ? "  no rules" : text));
  return ExitCode::kVerified;
}

Result<ExitCode> Change(const Home& home,
                        const std::function<Status(ContactBook&)>& change) {
  if (Status updated = ContactBook::Update(home.peers, change); !updated.ok()) {
    return std::move(updated).error();
  }
  return ExitCode::kVerified;
}

Result<ExitCode> Add(const std::string& name, const std::string& typed_key,
                     const Home& home, Console& console) {
  const auto key = crypto::PublicKey::Parse(typed_key);
  if (!key) {
    return Usage(fmt::format(
        "'{}' is not a key; it is what the other side's 'p2pcp id' prints",
        Escape(typed_key)));
  }
  // A device that has no identity yet can't have been given its own key.
  const Result<crypto::Identity> self = crypto::Identity::Load(home.identity);
  if (self.ok() && self->public_key() == *key) {
    return Usage(
        "that is this device's own key; the other side's is what "
        "'p2pcp id' prints there");
  }
  Result<ExitCode> result = Change(home, [&](ContactBook& book) {
    return book.Add(name, *key, std::nullopt, udp::WallTime());
  });
  if (result.ok()) {
    console.Line(fmt::format("added {} ({})", name, crypto::Fingerprint(*key)));
    return result;
  }
  Error error = std::move(result).error();
  if (error.code == ErrorCode::kAuthenticationFailed) {
    error.message += fmt::format(
        "\nIf the key has really changed:\n  p2pcp peers remove {}\nthen add "
        "it again.",
        name);
  }
  return error;
}

Error NoSuchAction(const std::string& typed) {
  std::string message =
      fmt::format("peers: there is no action '{}'", Escape(typed));
  const std::vector<std::string> actions = WordsOf(Verb::kPeers);
  if (const auto nearest = Nearest(typed, actions)) {
    message += fmt::format("; did you mean '{}'?", *nearest);
  } else {
    message += fmt::format("; there are {}", Enumerate(actions, "and"));
  }
  return Usage(message);
}

}  // namespace

Result<ExitCode> RunPeers(const Options& options, const Home& home,
                          Console& console) {
  const std::vector<std::string>& words = options.arguments;
  const auto takes = [&](std::size_t count) {
    return words.size() == count + 1;
  };
  if (words.empty()) return List(home, console);
  const std::optional<PeersAction> action = ValueOf(kPeersWords, words[0]);
  if (!action) return NoSuchAction(words[0]);
  switch (*action) {
    case PeersAction::kList:
      if (!takes(0)) return Usage("usage: p2pcp peers list");
      return List(home, console);
    case PeersAction::kAdd:
      if (!takes(2)) return Usage("usage: p2pcp peers add NAME KEY");
      return Add(words[1], words[2], home, console);
    case PeersAction::kRename:
      if (!takes(2)) return Usage("usage: p2pcp peers rename OLD NEW");
      return Change(home, [&](ContactBook& book) {
        const Status known = MustKnow(book, words[1]);
        return known.ok() ? book.Rename(words[1], words[2]) : known;
      });
    case PeersAction::kRemove:
      if (!takes(1)) return Usage("usage: p2pcp peers remove NAME");
      return Change(home, [&](ContactBook& book) {
        const Status known = MustKnow(book, words[1]);
        return known.ok() ? book.Remove(words[1]) : known;
      });
    case PeersAction::kSet:
      break;
  }
  if (words.size() < 3) {
    return Usage(
        "usage: p2pcp peers set NAME [ask=yes|no] [out=DIR] [max-size=SIZE]");
  }
  return Set(words, home, console);
}

}  // namespace p2pcp::cmd

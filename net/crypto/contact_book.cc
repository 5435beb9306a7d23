#include "net/crypto/contact_book.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <utility>

#include "net/base/bytes.h"
#include "net/crypto/private_file.h"

namespace p2pcp::crypto {
namespace {

constexpr std::size_t kMaxNameSize = 64;
constexpr std::string_view kVersion = "v1";
constexpr std::string_view kNone = "-";
// Without its flags the longest line is 64 + 2 + 56 + 64 + 2 * 20 characters
// and 7 blanks.
constexpr std::size_t kMaxLine = 240 + ContactRules::kMaxText;
constexpr std::size_t kMaxFileSize = ContactBook::kMaxContacts * kMaxLine;

// ASCII whatever the locale.
bool IsAlphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         (c >= '0' && c <= '9');
}

std::optional<std::int64_t> ParseSeconds(std::string_view text) {
  std::int64_t seconds = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, seconds);
  if (error != std::errc() || stop != end || seconds < 0) return std::nullopt;
  return seconds;
}

UnixTime FromSeconds(std::int64_t seconds) {
  return UnixTime(UnixTime::duration(seconds));
}

// A clock that stands before 1970 must not make a line that is refused later.
std::string Seconds(UnixTime time) {
  const std::int64_t seconds = time.time_since_epoch().count();
  return std::to_string(std::max(seconds, std::int64_t{0}));
}

// One line without its end; nullopt unless it is exactly what Serialize makes.
std::optional<Contact> ParseLine(std::string_view line) {
  std::array<std::string_view, 7> fields;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    const std::size_t blank = line.find(' ');
    const bool last = i + 1 == fields.size();
    if ((blank == std::string_view::npos) != last) return std::nullopt;
    fields[i] = line.substr(0, blank);
    if (fields[i].empty()) return std::nullopt;
    if (!last) line.remove_prefix(blank + 1);
  }
  const auto& [name, version, key_text, psk_text, first, last, flags] = fields;
  if (!ContactBook::IsValidName(name) || version != kVersion ||
      flags.size() > ContactRules::kMaxText) {
    return std::nullopt;
  }
  for (const char c : flags) {
    if (c <= ' ' || c > '~') return std::nullopt;
  }
  const std::optional<PublicKey> key = PublicKey::Parse(key_text);
  const std::optional<std::int64_t> first_seen = ParseSeconds(first);
  if (!key || !first_seen) return std::nullopt;
  Contact contact{.name = std::string(name),
                  .key = *key,
                  .psk = std::nullopt,
                  .first_seen = FromSeconds(*first_seen),
                  .last_seen = std::nullopt,
                  .rules = {}};
  if (psk_text != kNone) {
    Bytes bytes = Unhex(psk_text);
    if (bytes.size() != Key::kSize) return std::nullopt;
    contact.psk = Psk{Key(bytes)};
    Wipe(bytes);
  }
  if (last != kNone) {
    const std::optional<std::int64_t> last_seen = ParseSeconds(last);
    if (!last_seen) return std::nullopt;
    contact.last_seen = FromSeconds(*last_seen);
  }
  if (flags != kNone) {
    std::optional<ContactRules> rules = ContactRules::Parse(flags);
    if (!rules) return std::nullopt;
    contact.rules = *std::move(rules);
  }
  return contact;
}

Error UnknownName(std::string_view name) {
  return Error{ErrorCode::kUsage,
               "there is no contact '" + std::string(name) + "'"};
}

Status CheckName(std::string_view name) {
  if (ContactBook::IsValidName(name)) return {};
  return Error{ErrorCode::kUsage,
               "a name has 1 to 64 of the characters A-Z a-z 0-9 . _ -, does "
               "not start with . or -, and is not 'any'"};
}

Error NameTaken(const Contact& contact) {
  return Error{ErrorCode::kUsage, "the name '" + contact.name +
                                      "' is taken, by the key " +
                                      Fingerprint(contact.key)};
}

}  // namespace

bool ContactBook::IsValidName(std::string_view name) {
  if (name.empty() || name.size() > kMaxNameSize || name == "any") return false;
  if (name.front() == '-' || name.front() == '.') return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return IsAlphanumeric(c) || c == '.' || c == '_' || c == '-';
  });
}

Result<ContactBook> ContactBook::Parse(std::string_view text,
                                       std::string_view file) {
  ContactBook book;
  for (int number = 1; !text.empty(); ++number) {
    const std::size_t end = text.find('\n');
    std::optional<Contact> contact;
    if (end != std::string_view::npos) {
      contact = ParseLine(text.substr(0, end));
      text.remove_prefix(end + 1);
    }
    const auto refuse = [&](std::string_view why) {
      return Error{ErrorCode::kMalformed, std::string(file) + ", line " +
                                              std::to_string(number) + ": " +
                                              std::string(why)};
    };
    if (!contact) return refuse("not a contact of a version that is known");
    if (book.Find(contact->name) != nullptr) return refuse("name seen before");
    if (book.FindByKey(contact->key) != nullptr) {
      return refuse("key seen before");
    }
    if (book.contacts_.size() == kMaxContacts) return refuse("too many");
    book.contacts_.push_back(*std::move(contact));
  }
  return book;
}

std::string ContactBook::Serialize() const {
  std::string text;
  // No growth on the way, which would leave copies of secrets behind.
  text.reserve(contacts_.size() * kMaxLine);
  for (const Contact& contact : contacts_) {
    text.append(contact.name).append(" ").append(kVersion).append(" ");
    text.append(contact.key.ToString()).append(" ");
    if (contact.psk) {
      std::string psk = Hex(contact.psk->key);
      text.append(psk);
      Wipe(std::as_writable_bytes(std::span(psk)));
    } else {
      text.append(kNone);
    }
    text.append(" ").append(Seconds(contact.first_seen)).append(" ");
    text.append(contact.last_seen ? Seconds(*contact.last_seen) : kNone);
    text.append(" ");
    const std::string flags = contact.rules.ToString();
    text.append(flags.empty() ? kNone : flags).append("\n");
  }
  return text;
}

Result<ContactBook> ContactBook::Load(const std::filesystem::path& file) {
  Result<Bytes> content = ReadPrivateFile(file, kMaxFileSize);
  if (!content) {
    if (content.error().os_errno == ENOENT) return ContactBook();
    return Annotate(std::move(content).error(), "contact book");
  }
  Result<ContactBook> book = Parse(AsText(*content), file.native());
  Wipe(*content);
  if (!book) return Annotate(std::move(book).error(), "contact book");
  return book;
}

Status ContactBook::Update(const std::filesystem::path& file,
                           const std::function<Status(ContactBook&)>& change) {
  Result<FileLock> lock = FileLock::Acquire(file);
  if (!lock) return Annotate(std::move(lock).error(), "contact book");
  Result<ContactBook> book = Load(file);
  if (!book) return std::move(book).error();
  if (Status changed = change(*book); !changed) return changed;
  std::string text = book->Serialize();
  Status written = WritePrivateFile(file, AsBytes(text), IfExists::kReplace);
  Wipe(std::as_writable_bytes(std::span(text)));
  if (!written) return Annotate(std::move(written).error(), "contact book");
  return {};
}

const Contact* ContactBook::Find(std::string_view name) const {
  const auto found = std::find_if(
      contacts_.begin(), contacts_.end(),
      [&](const Contact& contact) { return contact.name == name; });
  return found == contacts_.end() ? nullptr : &*found;
}

const Contact* ContactBook::FindByKey(const PublicKey& key) const {
  const auto found =
      std::find_if(contacts_.begin(), contacts_.end(),
                   [&](const Contact& contact) { return contact.key == key; });
  return found == contacts_.end() ? nullptr : &*found;
}

std::vector<Contact>::iterator ContactBook::Locate(std::string_view name) {
  const Contact* const found = Find(name);
  return found == nullptr ? contacts_.end()
                          : contacts_.begin() + (found - contacts_.data());
}

Status ContactBook::Add(std::string_view name, const PublicKey& key,
                        const std::optional<Psk>& psk, UnixTime now) {
  if (Status valid = CheckName(name); !valid) return valid;
  if (const auto known = Locate(name); known != contacts_.end()) {
    if (known->key != key) {
      return Error{ErrorCode::kAuthenticationFailed,
                   "'" + known->name + "' is known by another key: known " +
                       Fingerprint(known->key) + ", offered " +
                       Fingerprint(key) +
                       "; somebody may be pretending to be " + known->name};
    }
    if (psk) known->psk = psk;
    return {};
  }
  if (const Contact* const same = FindByKey(key)) {
    return Error{ErrorCode::kUsage, "this key is already known as '" +
                                        same->name +
                                        "'; to rename: p2pcp peers rename " +
                                        same->name + " " + std::string(name)};
  }
  if (contacts_.size() >= kMaxContacts) {
    return Error{ErrorCode::kUsage, "the contact book is full (" +
                                        std::to_string(kMaxContacts) +
                                        " contacts)"};
  }
  contacts_.push_back(Contact{.name = std::string(name),
                              .key = key,
                              .psk = psk,
                              .first_seen = now,
                              .last_seen = std::nullopt,
                              .rules = {}});
  return {};
}

Status ContactBook::Rename(std::string_view from, std::string_view to) {
  if (Status valid = CheckName(to); !valid) return valid;
  const auto contact = Locate(from);
  if (contact == contacts_.end()) return UnknownName(from);
  if (from == to) return {};
  if (const Contact* const taken = Find(to)) return NameTaken(*taken);
  contact->name = std::string(to);
  return {};
}

Status ContactBook::Remove(std::string_view name) {
  const auto contact = Locate(name);
  if (contact == contacts_.end()) return UnknownName(name);
  contacts_.erase(contact);
  return {};
}

Status ContactBook::SetRules(std::string_view name, ContactRules rules) {
  const auto contact = Locate(name);
  if (contact == contacts_.end()) return UnknownName(name);
  if (rules.ToString().size() > ContactRules::kMaxText) {
    return Error{ErrorCode::kUsage, "the name of the folder is too long"};
  }
  contact->rules = std::move(rules);
  return {};
}

Status ContactBook::ReplaceKey(const PublicKey& from, const PublicKey& to) {
  const Contact* const known = FindByKey(from);
  if (known == nullptr) {
    return Error{ErrorCode::kUsage,
                 "there is no contact with the key " + Fingerprint(from)};
  }
  if (const Contact* const taken = FindByKey(to)) {
    return Error{ErrorCode::kUsage, "the key " + Fingerprint(to) +
                                        " is already known as '" + taken->name +
                                        "'"};
  }
  Locate(known->name)->key = to;
  return {};
}

void ContactBook::Touch(const PublicKey& key, UnixTime now) {
  for (Contact& contact : contacts_) {
    if (contact.key == key) contact.last_seen = now;
  }
}

}  // namespace p2pcp::crypto

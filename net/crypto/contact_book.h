// The contact book: names that the user gave to keys, like ssh's known_hosts.
//
// One line a peer, fields separated by one blank:
//   name v1 key psk|- first_seen last_seen|- flags|-
// key as PublicKey::ToString(), psk as 64 hexadecimal digits, times in seconds
// since 1970, flags as ContactRules::ToString(). Names are local: they never go
// on the wire.

#ifndef P2PCP_NET_CRYPTO_CONTACT_BOOK_H_
#define P2PCP_NET_CRYPTO_CONTACT_BOOK_H_

#include <cstddef>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "net/base/result.h"
#include "net/base/time.h"
#include "net/crypto/contact_rules.h"
#include "net/crypto/key.h"
#include "net/crypto/public_key.h"

namespace p2pcp::crypto {

struct Contact {
  std::string name;
  PublicKey key;
  std::optional<Psk> psk;  // Absent where the key was carried by hand.
  UnixTime first_seen;
  std::optional<UnixTime> last_seen;  // Absent until the first session.
  ContactRules rules;
};

class ContactBook {
 public:
  // More than anybody has; bounds the file at about 1 MiB.
  static constexpr std::size_t kMaxContacts = 4096;

  // 1 to 64 of [A-Za-z0-9._-], the first neither '-' (an option) nor '.', and
  // not "any", which is no name but stands for every peer.
  static bool IsValidName(std::string_view name);

  // An empty book.
  ContactBook() = default;

  // What the file holds; an absent file is an empty book. Fails where the file
  // or its folder has a mode, owner or kind that it must not have (the message
  // holds the command that mends it) and on any line that is not understood:
  // no contact is ever dropped silently.
  static Result<ContactBook> Load(const std::filesystem::path& file);

  // The one way to change the file: loads it, calls change, and replaces it
  // atomically if change succeeds, all under a lock, so that processes don't
  // undo each other's changes. Whatever fails, the file is as it was.
  static Status Update(const std::filesystem::path& file,
                       const std::function<Status(ContactBook&)>& change);

  // What a file of that content holds; file is its name, for messages.
  static Result<ContactBook> Parse(std::string_view text,
                                   std::string_view file);
  // The content of the file, pairing secrets and all: to be wiped after use.
  std::string Serialize() const;

  // In the order in which they were added. Pointers hold until the next change.
  const std::vector<Contact>& contacts() const { return contacts_; }
  const Contact* Find(std::string_view name) const;
  const Contact* FindByKey(const PublicKey& key) const;

  // A known name with the same key stays one contact, and takes psk if given.
  // Refused: a known name with another key (kAuthenticationFailed, both
  // fingerprints), a known key under another name, a bad name (kUsage).
  Status Add(std::string_view name, const PublicKey& key,
             const std::optional<Psk>& psk, UnixTime now);
  Status Rename(std::string_view from, std::string_view to);
  Status Remove(std::string_view name);
  // kUsage if there is no such name, or the rules are too long for a line.
  Status SetRules(std::string_view name, ContactRules rules);
  // The peer has another key from now on; all else stays. Refused, kUsage: no
  // contact has the key `from`, or another one has `to` already.
  Status ReplaceKey(const PublicKey& from, const PublicKey& to);
  // Notes that a session with this key came about; nothing if it is unknown.
  void Touch(const PublicKey& key, UnixTime now);

 private:
  std::vector<Contact>::iterator Locate(std::string_view name);

  std::vector<Contact> contacts_;
};

}  // namespace p2pcp::crypto

#endif  // P2PCP_NET_CRYPTO_CONTACT_BOOK_H_

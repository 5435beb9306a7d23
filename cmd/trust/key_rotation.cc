#include "cmd/trust/key_rotation.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>

#include "net/base/random.h"
#include "net/crypto/contact_rules.h"
#include "net/crypto/private_file.h"
#include "net/crypto/public_key.h"
#include "net/udp/event_loop.h"

namespace p2pcp::cmd {
namespace {

using crypto::Contact;
using crypto::ContactBook;
using crypto::Identity;

// Whoever has not been met for so long is paired with anew.
constexpr std::chrono::days kOldKeyLife{90};

bool IsAbsent(const Error& error) { return error.os_errno == ENOENT; }

// Since the rotation: the old key's file was written then.
bool HasExpired(const Home& home) {
  struct stat status {};
  if (stat(home.old_identity.c_str(), &status) != 0) return false;
  const UnixTime since{std::chrono::seconds(status.st_mtime)};
  return udp::WallTime() - since > kOldKeyLife;
}

// The names of those who know the old key only, "bob, carol".
std::string Waiting(const ContactBook& book) {
  std::string names;
  for (const Contact& contact : book.contacts()) {
    if (!contact.rules.knows_old_key) continue;
    if (!names.empty()) names += ", ";
    names += contact.name;
  }
  return names;
}

Status SetMark(ContactBook& book, const std::string& name, bool mark) {
  const Contact* const contact = book.Find(name);
  if (contact == nullptr) return {};
  crypto::ContactRules rules = contact->rules;
  rules.knows_old_key = mark;
  return book.SetRules(name, std::move(rules));
}

Status MarkAll(const Home& home, bool mark) {
  return ContactBook::Update(home.peers, [&](ContactBook& book) -> Status {
    std::vector<std::string> names;
    for (const Contact& contact : book.contacts()) {
      names.push_back(contact.name);
    }
    for (const std::string& name : names) {
      if (Status set = SetMark(book, name, mark); !set.ok()) return set;
    }
    return {};
  });
}

Status RemoveOldKey(const Home& home) {
  if (unlink(home.old_identity.c_str()) == 0 || errno == ENOENT) return {};
  return ErrnoError(ErrorCode::kCannotWrite, home.old_identity.native(), errno);
}

}  // namespace

Result<Identity> RotateKey(const Home& home, Console& console) {
  Result<crypto::FileLock> lock = crypto::FileLock::Acquire(home.identity);
  if (!lock.ok()) return std::move(lock).error();
  const Result<Identity> current = Identity::Load(home.identity);
  if (!current.ok()) {
    if (!IsAbsent(current.error())) return current.error();
    return Error{ErrorCode::kUsage,
                 "this device has no key yet; 'p2pcp id' makes one"};
  }
  const Result<ContactBook> book = ContactBook::Load(home.peers);
  if (!book.ok()) return book.error();
  const Result<Identity> old = Identity::Load(home.old_identity);
  if (!old.ok() && !IsAbsent(old.error())) return old.error();
  // A copy of the current key is what a rotation that was killed has left.
  if (old.ok() && old->public_key() != current->public_key()) {
    const std::string waiting = Waiting(*book);
    if (!waiting.empty() && !HasExpired(home)) {
      return Error{ErrorCode::kUsage,
                   fmt::format("known by the key of before the last rotation "
                               "still: {}. A transfer with each tells them; or "
                               "give them up: p2pcp id --forget-old",
                               waiting)};
    }
    if (Status removed = RemoveOldKey(home); !removed.ok()) {
      return std::move(removed).error();
    }
  }
  if (!old.ok() || old->public_key() != current->public_key()) {
    if (Status saved = current->Save(home.old_identity); !saved.ok()) {
      return std::move(saved).error();
    }
  }
  if (Status marked = MarkAll(home, true); !marked.ok()) {
    return std::move(marked).error();
  }
  SystemRandom random;
  Identity next = Identity::Generate(random);
  if (Status saved = next.Replace(home.identity); !saved.ok()) {
    return std::move(saved).error();
  }
  if (book->contacts().empty()) {
    (void)RemoveOldKey(home);
    return next;
  }
  std::string names;
  for (const Contact& contact : book->contacts()) {
    names += "\n  " + contact.name;
  }
  console.Line(fmt::format(
      "This device has a new key. Who has the old one gets the new one at the "
      "next transfer, signed by both, within {} days:{}",
      kOldKeyLife.count(), names));
  return next;
}

Status ForgetOldKey(const Home& home, Console& console) {
  const Result<ContactBook> book = ContactBook::Load(home.peers);
  if (!book.ok()) return book.error();
  const std::string waiting = Waiting(*book);
  if (Status removed = RemoveOldKey(home); !removed.ok()) return removed;
  if (waiting.empty()) return {};
  console.Line(fmt::format("forgotten; to be paired with anew: {}", waiting));
  return MarkAll(home, false);
}

Result<std::optional<Identity>> LoadOldKey(const Home& home,
                                           const Contact& contact) {
  if (!contact.rules.knows_old_key) return std::optional<Identity>();
  if (HasExpired(home)) {
    (void)RemoveOldKey(home);
    (void)MarkAll(home, false);
    return std::optional<Identity>();
  }
  Result<Identity> old = Identity::Load(home.old_identity);
  if (!old.ok()) {
    if (IsAbsent(old.error())) return std::optional<Identity>();
    return std::move(old).error();
  }
  // A rotation that was killed before it had a new key.
  const Result<Identity> current = Identity::Load(home.identity);
  if (current.ok() && current->public_key() == old->public_key()) {
    return std::optional<Identity>();
  }
  return std::optional<Identity>(*std::move(old));
}

void NoteKeys(const Home& home, const Contact& contact,
              const connect::HandshakeDone& done, Console& console) {
  const bool knows_us = !done.by_former && contact.rules.knows_old_key;
  if (!knows_us && !done.hand_over) return;
  bool all_know_us = false;
  const Status updated =
      ContactBook::Update(home.peers, [&](ContactBook& book) -> Status {
        if (knows_us) {
          if (const Contact* known = book.FindByKey(contact.key)) {
            if (Status set = SetMark(book, known->name, false); !set.ok()) {
              return set;
            }
          }
        }
        all_know_us = Waiting(book).empty();
        if (!done.hand_over) return {};
        Status replaced = book.ReplaceKey(contact.key, done.hand_over->to);
        book.Touch(done.hand_over->to, udp::WallTime());
        return replaced;
      });
  if (!updated.ok() && done.hand_over) {
    console.Error(fmt::format("{} has a new key that can't be kept: {}",
                              contact.name, updated.error().message));
  }
  if (!updated.ok()) return;
  if (done.hand_over) {
    console.Line(fmt::format(
        "{} has a new key, which the old one has signed; the contact book has "
        "it now:\n  old {}\n  new {}",
        contact.name, crypto::Fingerprint(contact.key),
        crypto::Fingerprint(done.hand_over->to)));
  }
  if (knows_us && all_know_us) (void)RemoveOldKey(home);
}

}  // namespace p2pcp::cmd

#include "cmd/self_and_peer.h"

#include <fmt/format.h>

#include "cmd/text.h"
#include "cmd/trust/key_rotation.h"
#include "net/base/random.h"
#include "net/udp/event_loop.h"

namespace p2pcp::cmd {

Result<SelfAndPeer> LoadSelfAndPeer(const Home& home, const std::string& name) {
  Result<crypto::ContactBook> book = crypto::ContactBook::Load(home.peers);
  if (!book.ok()) return std::move(book).error();
  const crypto::Contact* contact = book->Find(name);
  if (contact == nullptr) {
    std::vector<std::string> names;
    for (const crypto::Contact& known : book->contacts()) {
      names.push_back(known.name);
    }
    std::string message =
        fmt::format("the contact book has no '{}'", Escape(name));
    if (const auto nearest = Nearest(name, names)) {
      message += fmt::format("; did you mean '{}'?", *nearest);
    } else {
      message += fmt::format(
          "; get to know each other by a code:\n"
          "  p2pcp pair {0}\n"
          "or ask for the key that 'p2pcp id' prints there, then:\n"
          "  p2pcp peers add {0} KEY",
          crypto::ContactBook::IsValidName(name) ? name : "NAME");
    }
    return Error{ErrorCode::kUsage, message};
  }
  SystemRandom random;
  Result<crypto::Identity> self =
      crypto::Identity::LoadOrGenerate(home.identity, random);
  if (!self.ok()) return std::move(self).error();
  if (self->public_key() == contact->key) {
    return Error{ErrorCode::kUsage,
                 fmt::format("'{}' has this device's own key", name)};
  }
  Result<std::optional<crypto::Identity>> former = LoadOldKey(home, *contact);
  if (!former.ok()) return std::move(former).error();
  return SelfAndPeer{*std::move(self), *contact, *std::move(former)};
}

Result<crypto::ContactRules> RulesFor(const Home& home,
                                      const std::string& name) {
  Result<crypto::ContactBook> book = crypto::ContactBook::Load(home.peers);
  if (!book.ok()) return std::move(book).error();
  const crypto::Contact* const contact = book->Find(name);
  return contact == nullptr ? crypto::ContactRules() : contact->rules;
}

void NotePeerSeen(const Home& home, const crypto::PublicKey& key) {
  (void)crypto::ContactBook::Update(home.peers,
                                    [&](crypto::ContactBook& book) -> Status {
                                      book.Touch(key, udp::WallTime());
                                      return {};
                                    });
}

}  // namespace p2pcp::cmd

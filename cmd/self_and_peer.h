// Who we are and whom the user named: what send and recv begin with.

#ifndef P2PCP_CMD_SELF_AND_PEER_H_
#define P2PCP_CMD_SELF_AND_PEER_H_

#include <optional>
#include <string>

#include "cmd/home.h"
#include "net/base/result.h"
#include "net/crypto/contact_book.h"
#include "net/crypto/contact_rules.h"
#include "net/crypto/identity.h"
#include "net/crypto/public_key.h"

namespace p2pcp::cmd {

struct SelfAndPeer {
  crypto::Identity self;
  crypto::Contact peer;
  // Of before a rotation, where the peer may know us by no other.
  std::optional<crypto::Identity> former;
};

// kUsage with what to type instead if the contact book has no such name.
Result<SelfAndPeer> LoadSelfAndPeer(const Home& home, const std::string& name);

// What the user has laid down for that peer; nothing for a name that is new.
Result<crypto::ContactRules> RulesFor(const Home& home,
                                      const std::string& name);

// Notes in the contact book that the peer was met today. Failing to is no
// reason to fail: the book may be read-only.
void NotePeerSeen(const Home& home, const crypto::PublicKey& key);

}  // namespace p2pcp::cmd

#endif  // P2PCP_CMD_SELF_AND_PEER_H_

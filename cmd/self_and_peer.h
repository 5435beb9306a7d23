// Who we are and whom the user named: what send and recv begin with.

#ifndef P2PCP_CMD_SELF_AND_PEER_H_
#define P2PCP_CMD_SELF_AND_PEER_H_

#include <string>

#include "cmd/home.h"
#include "net/base/result.h"
#include "net/crypto/contact_book.h"
#include "net/crypto/identity.h"

namespace p2pcp::cmd {

struct SelfAndPeer {
  crypto::Identity self;
  crypto::Contact peer;
};

// kUsage with what to type instead if the contact book has no such name.
Result<SelfAndPeer> LoadSelfAndPeer(const Home& home, const std::string& name);

}  // namespace p2pcp::cmd

#endif  // P2PCP_CMD_SELF_AND_PEER_H_

#include "net/crypto/signaling_keys.h"

#include <algorithm>
#include <string_view>

#include "net/base/bytes.h"
#include "net/base/check.h"
#include "net/crypto/hash.h"

namespace p2pcp::crypto {
namespace {

constexpr std::string_view kTopicLabel = "p2pcp/1 topic";
constexpr std::string_view kMessageLabel = "p2pcp/1 signaling";

// The Ed25519 keys are named in the context, so that the keys belong to these
// two identities and not only to their X25519 points.
Key DeriveFor(const Key& shared, std::string_view label, const PublicKey& first,
              const PublicKey& second) {
  Bytes context = ToBytes(first.bytes());
  context.insert(context.end(), second.bytes().begin(), second.bytes().end());
  return DeriveKey(shared, label, context);
}

}  // namespace

SignalingKeys DeriveSignalingKeys(const Identity& self, const PublicKey& peer) {
  Key shared;
  // A PublicKey is never of small order.
  P2PCP_CHECK(X25519(self.x25519().secret, peer.x25519(), shared));
  const PublicKey& own = self.public_key();
  return SignalingKeys{
      .topic = DeriveFor(shared, kTopicLabel, std::min(own, peer),
                         std::max(own, peer)),
      .send = DeriveFor(shared, kMessageLabel, own, peer),
      .receive = DeriveFor(shared, kMessageLabel, peer, own),
  };
}

}  // namespace p2pcp::crypto

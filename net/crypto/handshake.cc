#include "net/crypto/handshake.h"

#include "net/base/check.h"

namespace p2pcp::crypto {
namespace {

static_assert(Handshake::kOverhead == sizeof(X25519Point) + kNoiseTagSize);

NoiseKk MakeNoise(NoiseKk::Role role, const Identity& self,
                  const PublicKey& peer, const std::optional<Psk>& psk,
                  ByteSpan prologue, Random& random) {
  Key ephemeral;
  random.Fill(ephemeral.bytes);
  return NoiseKk(role, self.x25519(), X25519KeyPair::FromSecret(ephemeral),
                 peer.x25519(), psk, prologue);
}

}  // namespace

Handshake Handshake::Initiator(const Identity& self, const PublicKey& peer,
                               const std::optional<Psk>& psk, ByteSpan prologue,
                               Random& random) {
  return Handshake(
      MakeNoise(NoiseKk::Role::kInitiator, self, peer, psk, prologue, random));
}

Handshake Handshake::Responder(const Identity& self, const PublicKey& peer,
                               const std::optional<Psk>& psk, ByteSpan prologue,
                               Random& random) {
  return Handshake(
      MakeNoise(NoiseKk::Role::kResponder, self, peer, psk, prologue, random));
}

Bytes Handshake::WriteMessage(ByteSpan payload) {
  P2PCP_CHECK(payload.size() <= kMaxMessage - kOverhead);
  return noise_.WriteMessage(payload);
}

Result<Bytes> Handshake::ReadMessage(ByteSpan message) {
  std::optional<Bytes> payload;
  if (noise_.OurTurnToRead() && message.size() <= kMaxMessage) {
    payload = noise_.ReadMessage(message);
  }
  if (!payload) {
    return Error{ErrorCode::kAuthenticationFailed,
                 "the peer's handshake does not match its key and our pairing "
                 "with it"};
  }
  return *std::move(payload);
}

SessionKeys Handshake::Split() const {
  P2PCP_CHECK(complete());
  SessionKeys keys;
  const bool initiator = noise_.role() == NoiseKk::Role::kInitiator;
  noise_.symmetric_state().Split(initiator ? keys.send : keys.receive,
                                 initiator ? keys.receive : keys.send);
  keys.handshake_hash = noise_.symmetric_state().handshake_hash();
  return keys;
}

}  // namespace p2pcp::crypto

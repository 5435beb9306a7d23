#include "net/signaling/pairing_keys.h"

#include <array>
#include <initializer_list>
#include <span>
#include <string_view>

#include "net/base/check.h"
#include "net/crypto/envelope.h"
#include "net/crypto/hash.h"

namespace p2pcp::signaling {
namespace {

constexpr std::string_view kProtocol = "p2pcp/1 pair";

// Who speaks, as it stands in the channel identifier and in labels.
constexpr std::string_view NameOf(PairingRole role) {
  return role == PairingRole::kDisplayer ? "displayer" : "enterer";
}

// Some strings in one.
Bytes Concat(std::initializer_list<ByteSpan> parts) {
  std::size_t size = 0;
  for (const ByteSpan part : parts) size += part.size();
  Bytes all(size);
  ByteWriter writer(all);
  for (const ByteSpan part : parts) writer.WriteBytes(part);
  return all;
}

crypto::Key IdentityKey(const crypto::CpaceSecret& secret, PairingRole role) {
  return crypto::DeriveKey(secret.isk(), "p2pcp/1 pair identity",
                           AsBytes(NameOf(role)));
}

// What role signs: the run, which nobody else can know, and its role.
Bytes SignedText(const crypto::CpaceSecret& secret, PairingRole role) {
  std::array<std::byte, 32> run;
  crypto::DeriveBytes(secret.isk(), "p2pcp/1 pair signature",
                      AsBytes(NameOf(role)), run);
  return Concat({AsBytes(kProtocol), run});
}

}  // namespace

Bytes EntererData(const VersionRange& enterer,
                  const std::vector<std::uint8_t>& suites) {
  Bytes data(3 + suites.size());
  ByteWriter writer(data);
  writer.WriteU8(enterer.min);
  writer.WriteU8(enterer.max);
  writer.WriteU8(static_cast<std::uint8_t>(suites.size()));
  for (const std::uint8_t suite : suites) writer.WriteU8(suite);
  P2PCP_CHECK(writer.ok());
  return data;
}

Bytes DisplayerData(const VersionRange& displayer, std::uint8_t version,
                    std::uint8_t suite, ByteSpan enterer_data) {
  Bytes data(4 + enterer_data.size());
  ByteWriter writer(data);
  writer.WriteU8(displayer.min);
  writer.WriteU8(displayer.max);
  writer.WriteU8(version);
  writer.WriteU8(suite);
  writer.WriteBytes(enterer_data);
  P2PCP_CHECK(writer.ok());
  return data;
}

crypto::Cpace StartCpace(PairingRole role, const crypto::PairingCode& code,
                         const Nonce& displayer, const Nonce& enterer,
                         ByteSpan associated_data, Random& random) {
  // The draft's lv_cat. The writer's length is LEB128's too: all parts are
  // shorter than 64 bytes.
  std::array<std::byte, 64> buffer;
  ByteWriter channel(buffer);
  channel.WriteLengthPrefixed(AsBytes(kProtocol));
  channel.WriteLengthPrefixed(AsBytes(NameOf(PairingRole::kDisplayer)));
  channel.WriteLengthPrefixed(AsBytes(NameOf(PairingRole::kEnterer)));
  channel.WriteLengthPrefixed(AsBytes(code.nameplate()));
  P2PCP_CHECK(channel.ok());
  const Bytes session = Concat({displayer, enterer});
  std::string secret = code.Secret();
  const crypto::CpaceInputs inputs{AsBytes(secret), channel.written(), session};
  crypto::Cpace run(role == PairingRole::kDisplayer
                        ? crypto::Cpace::Role::kInitiator
                        : crypto::Cpace::Role::kResponder,
                    inputs, associated_data, random);
  crypto::Wipe(std::as_writable_bytes(std::span(secret)));
  return run;
}

PairingMessage::SealedIdentity SealIdentity(const crypto::CpaceSecret& secret,
                                            PairingRole role,
                                            const crypto::Identity& self,
                                            Random& random) {
  std::array<std::byte, PairingMessage::kIdentitySize> identity;
  ByteWriter writer(identity);
  writer.WriteBytes(self.public_key().bytes());
  writer.WriteBytes(self.Sign(SignedText(secret, role)));
  P2PCP_CHECK(writer.ok() && writer.remaining() == 0);
  PairingMessage::SealedIdentity sealed;
  CopyBytes(crypto::SealEnvelope(IdentityKey(secret, role), AsBytes(kProtocol),
                                 identity, random),
            sealed);
  return sealed;
}

std::optional<crypto::PublicKey> OpenIdentity(
    const crypto::CpaceSecret& secret, PairingRole role,
    const PairingMessage::SealedIdentity& sealed) {
  const auto identity = crypto::OpenEnvelope(IdentityKey(secret, role),
                                             AsBytes(kProtocol), sealed);
  if (!identity) return std::nullopt;
  ByteReader reader(*identity);
  const auto key =
      crypto::PublicKey::FromBytes(reader.ReadBytes(crypto::PublicKey::kSize));
  crypto::Signature signature;
  CopyBytes(reader.ReadBytes(signature.size()), signature);
  P2PCP_CHECK(reader.AtEnd());
  if (!key || !crypto::Verify(*key, SignedText(secret, role), signature)) {
    return std::nullopt;
  }
  return key;
}

crypto::Psk DerivePsk(const crypto::CpaceSecret& secret,
                      const crypto::PublicKey& displayer,
                      const crypto::PublicKey& enterer) {
  const Bytes context = Concat({displayer.bytes(), enterer.bytes()});
  return {crypto::DeriveKey(secret.isk(), "p2pcp/1 pair psk", context)};
}

PairingMessage::DoneTag MakeDoneTag(const crypto::CpaceSecret& secret,
                                    bool kept) {
  PairingMessage::DoneTag tag;
  crypto::DeriveBytes(secret.isk(), "p2pcp/1 pair done",
                      AsBytes(kept ? "kept" : "refused"), tag);
  return tag;
}

}  // namespace p2pcp::signaling

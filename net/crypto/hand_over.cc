#include "net/crypto/hand_over.h"

#include <string_view>

#include "net/base/check.h"

namespace p2pcp::crypto {
namespace {

// No text that a p2pcp key signs for another purpose begins like this.
constexpr std::string_view kLabel = "p2pcp/1 hand-over";

Bytes SignedText(const PublicKey& from, const PublicKey& to) {
  Bytes text = ToBytes(AsBytes(kLabel));
  text.insert(text.end(), from.bytes().begin(), from.bytes().end());
  text.insert(text.end(), to.bytes().begin(), to.bytes().end());
  return text;
}

}  // namespace

HandOver HandOver::Make(const Identity& from, const Identity& to) {
  P2PCP_CHECK(from.public_key() != to.public_key());
  const Bytes text = SignedText(from.public_key(), to.public_key());
  return HandOver{to.public_key(), from.Sign(text), to.Sign(text)};
}

std::optional<HandOver> HandOver::Open(const PublicKey& from, ByteSpan bytes) {
  if (bytes.size() != kSize) return std::nullopt;
  ByteReader reader(bytes);
  const auto to = PublicKey::FromBytes(reader.ReadBytes(PublicKey::kSize));
  if (!to || *to == from) return std::nullopt;
  HandOver hand_over{*to, {}, {}};
  CopyBytes(reader.ReadBytes(sizeof(Signature)), hand_over.by_old);
  CopyBytes(reader.ReadBytes(sizeof(Signature)), hand_over.by_new);
  const Bytes text = SignedText(from, *to);
  if (!Verify(from, text, hand_over.by_old) ||
      !Verify(*to, text, hand_over.by_new)) {
    return std::nullopt;
  }
  return hand_over;
}

Bytes HandOver::Encode() const {
  Bytes bytes(kSize);
  ByteWriter writer(bytes);
  writer.WriteBytes(to.bytes());
  writer.WriteBytes(by_old);
  writer.WriteBytes(by_new);
  P2PCP_CHECK(writer.ok() && writer.remaining() == 0);
  return bytes;
}

}  // namespace p2pcp::crypto

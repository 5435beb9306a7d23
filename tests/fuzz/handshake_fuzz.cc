// A handshake whose messages anybody may change: only what the peer wrote for
// this prologue opens, and both sides end with the same keys or with none.

#include <cstddef>
#include <cstdint>

#include "net/base/bytes.h"
#include "net/base/check.h"
#include "net/base/random.h"
#include "net/base/result.h"
#include "net/crypto/handshake.h"
#include "net/crypto/identity.h"
#include "tests/fuzz/fuzz_input.h"

namespace p2pcp::crypto {
namespace {

const Identity& Alice() {
  static SeededRandom random(1);
  static const Identity identity = Identity::Generate(random);
  return identity;
}
const Identity& Bob() {
  static SeededRandom random(2);
  static const Identity identity = Identity::Generate(random);
  return identity;
}

// Changes nothing if the input has no more to say.
bool Change(fuzz::FuzzInput& input, Bytes& message) {
  const Bytes before = message;
  for (int i = input.TakeU8() % 4; i > 0; --i) {
    message[input.TakeU16() % message.size()] ^=
        static_cast<std::byte>(input.TakeU8());
  }
  const std::size_t cut = input.TakeU8();
  if (cut > 250) message.resize(input.TakeU16() % (message.size() + 1));
  if (cut == 250) {
    const ByteSpan other = input.rest();
    message.assign(other.begin(), other.end());
  }
  return message != before;
}

void Run(fuzz::FuzzInput input) {
  SeededRandom random(input.TakeU8());
  const std::uint8_t flags = input.TakeU8();
  std::optional<Psk> psk;
  if ((flags & 1) != 0) psk.emplace();
  const ByteSpan prologue = AsBytes("prologue");
  const bool same = (flags & 2) == 0;
  Handshake a =
      Handshake::Initiator(Alice(), Bob().public_key(), psk, prologue, random);
  Handshake b = Handshake::Responder(
      Bob(), Alice().public_key(), psk,
      same ? prologue : ByteSpan(AsBytes("prologUe")), random);
  Bytes first = a.WriteMessage(AsBytes("candidates"));
  const Bytes true_first = first;
  const bool changed = Change(input, first);
  const Result<Bytes> opened = b.ReadMessage(first);
  P2PCP_CHECK(opened.ok() == (same && !changed));
  if (!opened.ok()) {
    P2PCP_CHECK(b.ReadMessage(true_first).ok() == same);
    if (!same) return;
  }
  Bytes second = b.WriteMessage(AsBytes("more candidates"));
  const Bytes true_second = second;
  if (Change(input, second)) P2PCP_CHECK(!a.ReadMessage(second).ok());
  if (!a.complete()) P2PCP_CHECK(a.ReadMessage(true_second).ok());
  const SessionKeys of_a = a.Split();
  const SessionKeys of_b = b.Split();
  P2PCP_CHECK(of_a.send == of_b.receive && of_a.receive == of_b.send);
  P2PCP_CHECK(of_a.handshake_hash == of_b.handshake_hash);
}

}  // namespace
}  // namespace p2pcp::crypto

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  p2pcp::crypto::Run(
      p2pcp::fuzz::FuzzInput(p2pcp::fuzz::InputBytes(data, size)));
  return 0;
}

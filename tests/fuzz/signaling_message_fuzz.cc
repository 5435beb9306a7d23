// What a signalling envelope holds, once it is opened: an input is a message
// without its padding. Its Noise message is taken for a list of candidates and
// a NAT too, and for what a handshake carries.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/check.h"
#include "net/ice/candidate.h"
#include "net/ice/nat.h"
#include "net/signaling/handshake_payload.h"
#include "net/signaling/message.h"
#include "tests/fuzz/fuzz_input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  using p2pcp::signaling::Message;
  const p2pcp::signaling::VersionRange ours = {1, 2};
  const p2pcp::ByteSpan input = p2pcp::fuzz::InputBytes(data, size);
  p2pcp::Bytes padded(Message::kSize);
  const std::size_t used = std::min(input.size(), padded.size());
  p2pcp::CopyBytes(input.first(used), padded);
  const std::optional<Message> message = Message::Decode(padded, ours);
  if (!message) return 0;
  P2PCP_CHECK(message->suites.size() <= 16);
  P2PCP_CHECK(message->versions.min <= message->versions.max);
  const p2pcp::Bytes written = message->Encode();
  P2PCP_CHECK(Message::Decode(written, ours) == message);

  p2pcp::ByteReader reader(message->handshake);
  const std::vector<p2pcp::ice::Candidate> candidates =
      p2pcp::signaling::DecodeCandidates(reader);
  P2PCP_CHECK(candidates.size() <= p2pcp::ice::kMaxCandidates);
  if (!reader.ok()) P2PCP_CHECK(candidates.empty());
  const p2pcp::Bytes list = p2pcp::signaling::EncodeCandidates(candidates);
  p2pcp::ByteReader again(list);
  P2PCP_CHECK(p2pcp::signaling::DecodeCandidates(again) == candidates);
  P2PCP_CHECK(again.AtEnd());

  // What is left is taken for a NAT, as in offer and answer.
  const p2pcp::ice::Nat nat = p2pcp::signaling::DecodeNat(reader);
  P2PCP_CHECK(nat.external.size() <= p2pcp::ice::Nat::kMaxExternal);
  const p2pcp::Bytes told = p2pcp::signaling::EncodeNat(nat);
  p2pcp::ByteReader told_reader(told);
  P2PCP_CHECK(p2pcp::signaling::DecodeNat(told_reader) == nat);
  P2PCP_CHECK(told_reader.AtEnd());

  p2pcp::ByteReader whole(message->handshake);
  const auto payload = p2pcp::signaling::HandshakePayload::Decode(whole);
  if (!whole.ok()) return 0;
  const p2pcp::Bytes encoded = payload.Encode();
  p2pcp::ByteReader once_more(encoded);
  const auto same = p2pcp::signaling::HandshakePayload::Decode(once_more);
  P2PCP_CHECK(once_more.AtEnd());
  P2PCP_CHECK(same.candidates == payload.candidates);
  P2PCP_CHECK(same.hand_over == payload.hand_over);
  P2PCP_CHECK(same.nat == payload.nat);
  return 0;
}

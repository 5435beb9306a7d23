// STUN datagrams, to the codec, to the responder and to a transaction that
// awaits an answer.

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "net/base/bytes.h"
#include "net/base/check.h"
#include "net/base/random.h"
#include "net/base/socket_address.h"
#include "net/base/time.h"
#include "net/stun/binding_responder.h"
#include "net/stun/binding_transaction.h"
#include "net/stun/message.h"
#include "tests/fuzz/fuzz_input.h"

namespace p2pcp::stun {
namespace {

// RFC 8489 sections 14.8 and 14.14: of a reason phrase and of SOFTWARE.
constexpr std::size_t kMaxText = 763;

const SocketAddress kServer{.ip = IpAddress::V4({192, 0, 2, 1}), .port = 3478};

void CheckCodec(ByteSpan datagram) {
  std::optional<Message> message = Parse(datagram);
  if (!message) return;
  P2PCP_CHECK(IsStunMessage(datagram));
  P2PCP_CHECK(message->method < 0x100);
  if (message->error) {
    P2PCP_CHECK(message->error->code >= 300 && message->error->code <= 699);
  }
  if ((message->error && message->error->reason.size() > kMaxText) ||
      message->software.size() > kMaxText) {
    return;
  }
  std::array<std::byte, 2 * kMaxMessageSize> out;
  const std::size_t size = Encode(*message, out);
  P2PCP_CHECK(size > 0);
  const std::optional<Message> again = Parse(ByteSpan(out).first(size));
  message->not_understood = {};
  P2PCP_CHECK(again && *again == *message);
}

void CheckResponder(ByteSpan datagram) {
  BindingResponder responder;
  std::array<std::byte, BindingResponder::kMaxResponseSize> out;
  const std::size_t size = responder.HandleDatagram(kServer, datagram, out);
  if (size == 0) return;
  const std::optional<Message> request = Parse(datagram);
  const std::optional<Message> response = Parse(ByteSpan(out).first(size));
  P2PCP_CHECK(request && request->message_class == MessageClass::kRequest);
  P2PCP_CHECK(response && response->transaction_id == request->transaction_id);
  P2PCP_CHECK(response->message_class == MessageClass::kSuccessResponse ||
              response->message_class == MessageClass::kErrorResponse);
}

// The input as an answer: once as it is, which a stranger could have sent, and
// once with the right transaction ID.
void CheckTransaction(ByteSpan datagram) {
  SeededRandom random(1);
  const TimePoint now(1s);
  BindingTransaction transaction(now, kServer, random);
  std::array<std::byte, 64> request;
  P2PCP_CHECK(transaction.PollTransmit(now, request).has_value());
  P2PCP_CHECK(!transaction.HandleDatagram(now, kServer, datagram));
  P2PCP_CHECK(transaction.state() == BindingTransaction::State::kPending);
  if (datagram.size() < kHeaderSize) return;
  Bytes answer = ToBytes(datagram);
  CopyBytes(transaction.transaction_id(), MutableByteSpan(answer).subspan(8));
  const bool taken = transaction.HandleDatagram(now, kServer, answer);
  P2PCP_CHECK(taken ||
              transaction.state() == BindingTransaction::State::kPending);
  if (transaction.state() == BindingTransaction::State::kSucceeded) {
    P2PCP_CHECK(transaction.mapped_address() != SocketAddress());
  }
}

}  // namespace
}  // namespace p2pcp::stun

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  const p2pcp::ByteSpan datagram = p2pcp::fuzz::InputBytes(data, size);
  p2pcp::stun::CheckCodec(datagram);
  p2pcp::stun::CheckResponder(datagram);
  p2pcp::stun::CheckTransaction(datagram);
  return 0;
}

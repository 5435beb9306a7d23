#include "net/stun/binding_responder.h"

#include <optional>

#include "net/base/check.h"
#include "net/stun/message.h"

namespace p2pcp::stun {

std::size_t BindingResponder::HandleDatagram(const SocketAddress& from,
                                             ByteSpan datagram,
                                             MutableByteSpan out) {
  P2PCP_CHECK(out.size() >= kMaxResponseSize);
  const std::optional<Message> request = Parse(datagram);
  // Nobody sends from port 0 or a group: such a source is forged.
  if (!request || request->message_class != MessageClass::kRequest ||
      request->method != kBinding || from.port == 0 || from.ip.IsMulticast() ||
      from.ip.IsBroadcast() || from.ip.IsUnspecified()) {
    ++stats_.ignored;
    return 0;
  }
  Message response;
  response.transaction_id = request->transaction_id;
  response.fingerprint = request->fingerprint;
  AttributeTypes refused = request->not_understood;
  if (request->change_request) refused.Add(kChangeRequest);
  if (refused.empty()) {
    response.message_class = MessageClass::kSuccessResponse;
    response.xor_mapped_address = from;
    ++stats_.answered;
  } else {
    response.message_class = MessageClass::kErrorResponse;
    // Without a reason phrase, which nobody reads and which would amplify.
    response.error = ErrorCode{kUnknownAttribute, {}};
    response.unknown_attributes = refused;
    ++stats_.refused;
  }
  const std::size_t size = Encode(response, out);
  P2PCP_CHECK(size > 0);
  return size;
}

}  // namespace p2pcp::stun

#include "net/stun/binding_transaction.h"

#include <tuple>

#include "net/base/check.h"

namespace p2pcp::stun {
namespace {

// An address that someone could send to.
bool IsPlausible(const SocketAddress& address) {
  return address.port != 0 && !address.ip.IsUnspecified() &&
         !address.ip.IsMulticast() && !address.ip.IsBroadcast();
}

}  // namespace

BindingTransaction::BindingTransaction(TimePoint now,
                                       const SocketAddress& server,
                                       Random& random)
    : server_(server),
      source_(server),
      transaction_id_(random.Array<std::tuple_size_v<TransactionId>>()),
      deadline_(now) {}

BindingTransaction::BindingTransaction(TimePoint now,
                                       const SocketAddress& server,
                                       const ChangeRequest& change,
                                       const SocketAddress& source,
                                       Random& random)
    : BindingTransaction(now, server, random) {
  P2PCP_CHECK(source != server);
  change_ = change;
  source_ = source;
}

std::optional<std::size_t> BindingTransaction::PollTransmit(
    TimePoint now, MutableByteSpan out) {
  if (state_ != State::kPending || !transmit_due_) return std::nullopt;
  Message request;
  request.transaction_id = transaction_id_;
  request.fingerprint = true;
  request.change_request = change_;
  const std::size_t size = Encode(request, out);
  P2PCP_CHECK(size > 0);
  transmit_due_ = false;
  last_sent_ = now;
  ++requests_sent_;
  if (requests_sent_ == kMaxRequests) {
    deadline_ = now + kLastWaitRtos * kInitialRto;
  } else {
    deadline_ = now + rto_;
    rto_ *= 2;
  }
  return size;
}

void BindingTransaction::HandleTimeout(TimePoint now) {
  if (state_ != State::kPending || transmit_due_ || now < deadline_) return;
  if (requests_sent_ == kMaxRequests) {
    state_ = State::kTimedOut;
  } else {
    transmit_due_ = true;
  }
}

std::optional<TimePoint> BindingTransaction::PollTimeout() const {
  if (state_ != State::kPending) return std::nullopt;
  return deadline_;
}

bool BindingTransaction::HandleDatagram(TimePoint now,
                                        const SocketAddress& from,
                                        ByteSpan datagram) {
  // The server itself may refuse what it was asked for.
  if (from != server_ && from != source_) return false;
  const std::optional<Message> response = Parse(datagram);
  if (!response || response->method != kBinding ||
      response->transaction_id != transaction_id_) {
    return false;
  }
  const bool success =
      response->message_class == MessageClass::kSuccessResponse;
  if (!success && response->message_class != MessageClass::kErrorResponse) {
    return false;
  }
  if (state_ != State::kPending) return true;
  if (!success || from != source_ || !response->not_understood.empty()) {
    state_ = State::kRejected;
    if (response->error) error_code_ = response->error->code;
    return true;
  }
  // MAPPED-ADDRESS only where the better is missing: some NATs rewrite it.
  const std::optional<SocketAddress>& address =
      response->xor_mapped_address ? response->xor_mapped_address
                                   : response->mapped_address;
  // A response without a usable address is as good as none; the next request
  // may fare better.
  if (!address || !IsPlausible(*address)) return true;
  mapped_address_ = *address;
  other_address_ = response->other_address;
  state_ = State::kSucceeded;
  if (requests_sent_ == 1) rtt_ = now - last_sent_;
  return true;
}

const SocketAddress& BindingTransaction::mapped_address() const {
  P2PCP_CHECK(state_ == State::kSucceeded);
  return *mapped_address_;
}

}  // namespace p2pcp::stun

#include "net/turn/turn_client.h"

#include <algorithm>
#include <utility>

namespace p2pcp::turn {
namespace {

constexpr int kUnauthorized = 401;
constexpr int kStaleNonce = 438;
// Section 7.2: servers grant 10 minutes unless told otherwise.
constexpr std::uint32_t kDefaultLifetime = 600;
constexpr std::uint32_t kMinLifetime = 60;
constexpr std::uint32_t kMaxLifetime = 3600;
// A server's own words, shown to people.
constexpr std::size_t kMaxReason = 100;

}  // namespace

TurnClient::TurnClient(TimePoint now, Config config, Random& random)
    : config_(std::move(config)), random_(random) {
  Begin(now, Method::kAllocate);
}

void TurnClient::Begin(TimePoint now, Method method,
                       std::optional<std::size_t> peer) {
  Transaction transaction;
  transaction.method = method;
  transaction.id = random_.Array<std::tuple_size_v<TransactionId>>();
  transaction.peer = peer;
  transaction.deadline = now;
  transactions_.push_back(transaction);
}

void TurnClient::Fail(std::string reason) {
  failed_ = true;
  reason_ = std::move(reason);
  relayed_.reset();
  transactions_.clear();
}

std::optional<TurnClient::Received> TurnClient::HandleMessage(
    TimePoint now, ByteSpan message) {
  if (failed_ || released_) return std::nullopt;
  if (const auto data = ReadChannelData(message)) {
    const std::size_t peer = data->channel - kMinChannel;
    if (peer >= peers_.size()) return std::nullopt;
    return Received{peers_[peer].address, data->data};
  }
  const auto response = ReadMessage(message);
  if (!response) return std::nullopt;
  if (response->message_class == Class::kIndication) {
    if (response->method != Method::kData || !response->peer) {
      return std::nullopt;
    }
    return Received{*response->peer, response->data};
  }
  HandleResponse(now, *response);
  return std::nullopt;
}

void TurnClient::HandleResponse(TimePoint now, const Response& response) {
  const auto found =
      std::ranges::find(transactions_, response.id, &Transaction::id);
  if (found == transactions_.end() || found->method != response.method ||
      response.message_class == Class::kRequest) {
    return;
  }
  const Transaction transaction = *found;
  transactions_.erase(found);
  if (response.message_class == Class::kError) {
    const bool challenge = (response.error == kUnauthorized && !key_) ||
                           response.error == kStaleNonce;
    if (challenge && !transaction.asked_again && !response.nonce.empty()) {
      nonce_ = response.nonce;
      if (!response.realm.empty()) realm_ = response.realm;
      key_ = crypto::MakeTurnKey(config_.user, realm_, config_.password);
      Begin(now, transaction.method, transaction.peer);
      // One that asks for ever gets no third answer. The first challenge to the
      // first request is what every server begins with.
      transactions_.back().asked_again = response.error == kStaleNonce;
      return;
    }
    if (transaction.method == Method::kChannelBind) {
      peers_[*transaction.peer].refused = true;
      return;
    }
    Fail(response.error == kUnauthorized
             ? "it does not accept the user's name and password"
             : "it answers " + std::to_string(response.error) + " " +
                   std::string(response.reason.substr(0, kMaxReason)));
    return;
  }
  switch (transaction.method) {
    case Method::kAllocate:
      if (!response.relayed) return Fail("it gives no address");
      relayed_ = response.relayed;
      [[fallthrough]];
    case Method::kRefresh: {
      const std::uint32_t lifetime =
          std::clamp(response.lifetime.value_or(kDefaultLifetime), kMinLifetime,
                     kMaxLifetime);
      refresh_at_ = now + std::chrono::seconds(lifetime / 2);
      return;
    }
    case Method::kChannelBind:
      peers_[*transaction.peer].bound = true;
      peers_[*transaction.peer].again = now + kBindAgain;
      return;
    case Method::kSend:
    case Method::kData:
      return;
  }
}

void TurnClient::HandleTimeout(TimePoint now) {
  if (failed_ || released_) return;
  for (std::size_t i = 0; i < transactions_.size();) {
    Transaction& transaction = transactions_[i];
    if (transaction.due || now < transaction.deadline) {
      ++i;
      continue;
    }
    if (!config_.stream && transaction.sends < kMaxSends) {
      transaction.due = true;
      ++i;
      continue;
    }
    if (transaction.method != Method::kChannelBind) {
      return Fail("it does not answer");
    }
    peers_[*transaction.peer].bound = false;
    peers_[*transaction.peer].again = now + kLastWait;
    transactions_.erase(transactions_.begin() + static_cast<std::ptrdiff_t>(i));
  }
  if (!relayed_) return;
  if (now >= refresh_at_) {
    refresh_at_ = now + kLastWait * kMaxSends;
    Begin(now, Method::kRefresh);
  }
  for (std::size_t i = 0; i < peers_.size(); ++i) {
    if (peers_[i].refused || now < peers_[i].again) continue;
    peers_[i].again = now + kLastWait * kMaxSends;
    Begin(now, Method::kChannelBind, i);
  }
}

std::optional<TimePoint> TurnClient::PollTimeout() const {
  if (failed_ || released_) return std::nullopt;
  std::optional<TimePoint> next;
  const auto consider = [&next](TimePoint time) {
    next = next ? std::min(*next, time) : time;
  };
  for (const Transaction& transaction : transactions_) {
    consider(transaction.due ? TimePoint() : transaction.deadline);
  }
  if (!relayed_) return next;
  consider(refresh_at_);
  for (const Peer& peer : peers_) {
    if (!peer.refused) consider(peer.again);
  }
  return next;
}

std::optional<std::size_t> TurnClient::PollTransmit(TimePoint now,
                                                    MutableByteSpan out) {
  for (Transaction& transaction : transactions_) {
    if (!transaction.due) continue;
    transaction.due = false;
    ++transaction.sends;
    transaction.deadline =
        now + (config_.stream || transaction.sends == kMaxSends
                   ? kLastWait
                   : kRto * (1 << (transaction.sends - 1)));
    Request request;
    request.method = transaction.method;
    request.id = transaction.id;
    if (transaction.method == Method::kRefresh && released_) {
      request.lifetime = 0;
    }
    if (transaction.peer) {
      request.channel =
          static_cast<std::uint16_t>(kMinChannel + *transaction.peer);
      request.peer = peers_[*transaction.peer].address;
    }
    if (key_) {
      request.user = config_.user;
      request.realm = realm_;
      request.nonce = nonce_;
      request.key = key_;
    }
    return WriteRequest(request, out);
  }
  return std::nullopt;
}

std::optional<std::size_t> TurnClient::FindPeer(
    const SocketAddress& address) const {
  const auto found = std::ranges::find(peers_, address, &Peer::address);
  if (found == peers_.end()) return std::nullopt;
  return static_cast<std::size_t>(found - peers_.begin());
}

void TurnClient::Permit(TimePoint now, const SocketAddress& peer) {
  if (!relayed_ || peers_.size() == kMaxPeers || FindPeer(peer)) return;
  Peer entry;
  entry.address = peer;
  entry.again = now + kLastWait * kMaxSends;
  peers_.push_back(entry);
  Begin(now, Method::kChannelBind, peers_.size() - 1);
}

std::size_t TurnClient::Wrap(TimePoint now, const SocketAddress& peer,
                             ByteSpan data, MutableByteSpan out) {
  if (!relayed_ || peer.ip.is_v6() != relayed_->ip.is_v6()) return 0;
  Permit(now, peer);
  const auto known = FindPeer(peer);
  if (known && peers_[*known].bound) {
    return WriteChannelData(static_cast<std::uint16_t>(kMinChannel + *known),
                            data, config_.stream, out);
  }
  return WriteSendIndication(random_.Array<std::tuple_size_v<TransactionId>>(),
                             peer, data, out);
}

void TurnClient::Release(TimePoint now) {
  if (failed_ || released_ || !relayed_) return;
  released_ = true;
  relayed_.reset();
  transactions_.clear();
  Begin(now, Method::kRefresh);
}

}  // namespace p2pcp::turn

#include "net/signaling/mqtt_relay.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <variant>

#include "net/signaling/mqtt_wire.h"

namespace p2pcp::signaling {
namespace {

// Taken at one go, so that others get their turn; and kept for Poll().
constexpr int kMaxFramesPerRead = 64;
constexpr std::size_t kMaxPublishes = 64;

}  // namespace

Result<std::pair<std::unique_ptr<MqttRelay>, int>> MqttRelay::Create() {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    return ErrnoError(ErrorCode::kOther, "socketpair", errno);
  }
  return std::pair<std::unique_ptr<MqttRelay>, int>(
      std::unique_ptr<MqttRelay>(new MqttRelay(ends[0])), ends[1]);
}

MqttRelay::MqttRelay(int socket) : socket_(socket), buffer_(kMaxMqttFrame) {}

MqttRelay::~MqttRelay() { close(socket_); }

bool MqttRelay::HandleReadable() {
  bool news = false;
  for (int i = 0; i < kMaxFramesPerRead && !closed_; ++i) {
    const ssize_t size =
        recv(socket_, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) break;
    if (size <= 0) {
      closed_ = true;
      break;
    }
    const auto frame = MqttFrame::Decode(
        ByteSpan(buffer_).first(static_cast<std::size_t>(size)));
    if (!frame.has_value()) continue;
    if (const auto* topics = std::get_if<MqttFrame::Topics>(&*frame)) {
      topics_ = topics->topics;
      version_ = topics->version;
      news = true;
    } else if (const auto* publish = std::get_if<MqttFrame::Publish>(&*frame)) {
      if (publishes_.size() >= kMaxPublishes) publishes_.pop_front();
      publishes_.push_back(
          {std::string(publish->topic), ToBytes(publish->payload)});
    }
  }
  return news;
}

std::optional<MqttRelay::Publish> MqttRelay::Poll() {
  if (publishes_.empty()) return std::nullopt;
  Publish publish = std::move(publishes_.front());
  publishes_.pop_front();
  return publish;
}

void MqttRelay::SendUp(std::size_t broker) {
  Send(MqttFrame::Encode(
      MqttFrame::Up{static_cast<std::uint8_t>(broker), version_}));
}

void MqttRelay::SendDown(std::size_t broker, std::string reason) {
  Send(MqttFrame::Encode(
      MqttFrame::Down{static_cast<std::uint8_t>(broker), std::move(reason)}));
}

void MqttRelay::SendMessage(std::string_view topic, ByteSpan payload) {
  if (std::find(topics_.begin(), topics_.end(), topic) == topics_.end()) return;
  Send(MqttFrame::Encode(MqttFrame::Message{topic, payload}));
}

void MqttRelay::Send(ByteSpan frame) {
  (void)send(socket_, frame.data(), frame.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
}

}  // namespace p2pcp::signaling

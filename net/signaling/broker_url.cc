#include "net/signaling/broker_url.h"

#include <charconv>
#include <optional>
#include <utility>

namespace p2pcp::signaling {
namespace {

constexpr std::uint16_t kPlainPort = 1883;
constexpr std::uint16_t kTlsPort = 8883;
// RFC 1035 section 2.3.4.
constexpr std::size_t kMaxHost = 253;
// What MQTT 3.1.1 asks servers to accept at least of a client's name is 23;
// this is generous and keeps the messages to the child short.
constexpr std::size_t kMaxUser = 256;

Error Bad(std::string_view url, std::string_view why) {
  return Error{ErrorCode::kUsage,
               "broker '" + std::string(url) + "': " + std::string(why) +
                   "; it is written mqtt[s]://[USER@]HOST[:PORT]",
               0};
}

bool IsHost(std::string_view host) {
  if (host.empty() || host.size() > kMaxHost) return false;
  for (const char c : host) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                       (c >= '0' && c <= '9') || c == '-' || c == '.' ||
                       c == '_' || c == ':' || c == '%';
    if (!plain) return false;
  }
  return true;
}

bool IsPrintable(std::string_view text) {
  for (const char c : text) {
    if (c <= ' ' || c == 0x7f) return false;
  }
  return true;
}

std::optional<std::uint16_t> ParsePort(std::string_view text) {
  unsigned value = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value == 0 ||
      value > 65535) {
    return std::nullopt;
  }
  return static_cast<std::uint16_t>(value);
}

}  // namespace

std::string Broker::ToString() const {
  const bool brackets = host.find(':') != std::string::npos;
  std::string text = tls ? "mqtts://" : "mqtt://";
  text += brackets ? "[" + host + "]" : host;
  return text + ":" + std::to_string(port);
}

Result<Broker> ParseBroker(std::string_view url) {
  Broker broker;
  std::string_view rest = url;
  if (rest.starts_with("mqtt://")) {
    rest.remove_prefix(7);
  } else if (rest.starts_with("mqtts://")) {
    rest.remove_prefix(8);
    broker.tls = true;
  } else {
    return Bad(url, "it does not begin with mqtt:// or mqtts://");
  }

  if (const std::size_t at = rest.rfind('@'); at != rest.npos) {
    const std::string_view user = rest.substr(0, at);
    // The message must not show the password either.
    if (user.find(':') != user.npos) {
      return Bad(broker.tls ? "mqtts://..." : "mqtt://...",
                 "a password in it would be seen by everybody on this machine");
    }
    if (user.empty() || user.size() > kMaxUser || !IsPrintable(user)) {
      return Bad(url, "that is no user name");
    }
    broker.user = user;
    rest.remove_prefix(at + 1);
  }

  std::string_view port;
  bool has_port = false;
  if (rest.starts_with('[')) {
    const std::size_t end = rest.find(']');
    if (end == rest.npos) return Bad(url, "a ']' is missing");
    broker.host = rest.substr(1, end - 1);
    if (broker.host.find(':') == std::string::npos) {
      return Bad(url, "brackets are for IPv6 addresses");
    }
    rest.remove_prefix(end + 1);
    if (!rest.empty()) {
      if (rest.front() != ':') return Bad(url, "after ']' comes ':PORT'");
      port = rest.substr(1);
      has_port = true;
    }
  } else {
    const std::size_t colon = rest.find(':');
    broker.host = rest.substr(0, colon);
    if (colon != rest.npos) {
      port = rest.substr(colon + 1);
      has_port = true;
    }
    if (port.find(':') != port.npos) {
      return Bad(url, "an IPv6 address stands in brackets");
    }
  }
  if (!IsHost(broker.host)) return Bad(url, "that is no host name");

  broker.port = broker.tls ? kTlsPort : kPlainPort;
  if (has_port) {
    const auto value = ParsePort(port);
    if (!value.has_value()) return Bad(url, "the port is not 1 to 65535");
    broker.port = *value;
  }
  return broker;
}

}  // namespace p2pcp::signaling

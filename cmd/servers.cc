#include "cmd/servers.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <fstream>
#include <optional>

#include "cmd/brokers/broker_passwords.h"
#include "cmd/text.h"
#include "net/base/socket_address.h"
#include "net/signaling/mqtt_client.h"

namespace p2pcp::cmd {
namespace {

// Raced: whichever answers first carries the rendezvous. Three operators, and
// one of them without TLS too, for networks that let only 1883 out.
constexpr std::array<const char*, 4> kDefaultBrokers = {
    "mqtts://broker.emqx.io", "mqtt://broker.emqx.io",
    "mqtts://broker.hivemq.com", "mqtts://test.mosquitto.org:8886"};
// Two operators, so that one that lies or is down does no harm.
constexpr std::array<const char*, 2> kDefaultStunServers = {
    "stun.l.google.com:19302", "stun.cloudflare.com:3478"};
constexpr std::uint16_t kStunPort = 3478;  // RFC 8489 section 18.6.

// "host:port", "[v6]:port", "host" or a bare address.
std::optional<StunServer> ParseStunServer(const std::string& text) {
  if (const auto address = SocketAddress::Parse(text)) {
    if (address->port == 0) return std::nullopt;
    return StunServer{address->ip.ToString(), address->port};
  }
  if (IpAddress::Parse(text)) return StunServer{text, kStunPort};
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos) {
    if (text.empty()) return std::nullopt;
    return StunServer{text, kStunPort};
  }
  std::uint16_t port = 0;
  const char* end = text.data() + text.size();
  const auto [parsed, ec] = std::from_chars(text.data() + colon + 1, end, port);
  if (ec != std::errc() || parsed != end || port == 0 || colon == 0 ||
      text.find(':') != colon) {
    return std::nullopt;
  }
  return StunServer{text.substr(0, colon), port};
}

bool IsLoopbackName(const std::string& host) {
  if (host == "localhost") return true;
  const auto ip = IpAddress::Parse(host);
  return ip && ip->IsLoopback();
}

template <std::size_t N>
std::vector<std::string> OrDefaults(
    const std::vector<std::string>& given,
    const std::array<const char*, N>& defaults) {
  if (!given.empty()) return given;
  return {defaults.begin(), defaults.end()};
}

// A file of authorities that can't be read would be told broker by broker, and
// late.
Status CheckAuthorities(const std::string& file) {
  std::ifstream stream(file);
  for (std::string line; std::getline(stream, line);) {
    if (line.starts_with("-----BEGIN CERTIFICATE-----") ||
        line.starts_with("-----BEGIN TRUSTED CERTIFICATE-----")) {
      return {};
    }
  }
  return Error{ErrorCode::kUsage,
               fmt::format("--broker-ca {}: no certificate (PEM) in it, or it "
                           "can't be read",
                           Escape(file))};
}

}  // namespace

Result<Servers> ChooseServers(const Options& options) {
  Servers servers;
  for (const std::string& url : OrDefaults(options.brokers, kDefaultBrokers)) {
    Result<signaling::Broker> broker = signaling::ParseBroker(url);
    if (!broker.ok()) return std::move(broker).error();
    servers.loopback = servers.loopback || IsLoopbackName(broker->host);
    servers.brokers.push_back(*std::move(broker));
  }
  if (servers.brokers.size() > signaling::MqttClient::kMaxBrokers) {
    return Error{ErrorCode::kUsage,
                 fmt::format("--broker: {} at most",
                             signaling::MqttClient::kMaxBrokers)};
  }
  if (!options.broker_ca.empty()) {
    if (Status fit = CheckAuthorities(options.broker_ca); !fit.ok()) {
      return std::move(fit).error();
    }
    for (signaling::Broker& broker : servers.brokers) {
      if (broker.tls) broker.ca_file = options.broker_ca;
    }
  }
  if (!options.broker_password_file.empty()) {
    if (Status read =
            ReadBrokerPasswords(options.broker_password_file, &servers.brokers);
        !read.ok()) {
      return std::move(read).error();
    }
    for (const signaling::Broker& broker : servers.brokers) {
      if (broker.tls || broker.password.empty()) continue;
      if (IsLoopbackName(broker.host)) continue;
      servers.warnings.push_back(
          fmt::format("the password for {} goes there readable for the "
                      "network; with TLS it is mqtts://",
                      Escape(broker.ToString())));
    }
  }
  for (const std::string& text :
       OrDefaults(options.stun_servers, kDefaultStunServers)) {
    const auto server = ParseStunServer(text);
    if (!server) {
      return Error{ErrorCode::kUsage,
                   fmt::format("--stun {}: not HOST[:PORT]", Escape(text))};
    }
    servers.loopback = servers.loopback || IsLoopbackName(server->host);
    servers.stun_servers.push_back(*server);
  }
  return servers;
}

}  // namespace p2pcp::cmd

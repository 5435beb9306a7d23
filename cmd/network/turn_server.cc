#include "cmd/network/turn_server.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <string_view>
#include <system_error>
#include <utility>

#include "cmd/text.h"
#include "net/base/bytes.h"
#include "net/crypto/private_file.h"
#include "net/turn/turn_message.h"

namespace p2pcp::cmd {
namespace {

// RFC 8656 section 2.1.
constexpr std::uint16_t kTurnPort = 3478;
constexpr std::uint16_t kTurnsPort = 5349;
constexpr std::size_t kMaxPassword = 1024;

Error Usage(const std::string& url) {
  return Error{
      ErrorCode::kUsage,
      fmt::format("--turn {}: not turn[s]://USER@HOST[:PORT]", Escape(url))};
}

}  // namespace

Result<TurnServer> ParseTurnServer(const std::string& url) {
  TurnServer server;
  std::string_view rest = url;
  if (rest.starts_with("turns://")) {
    server.tls = true;
    rest.remove_prefix(8);
  } else if (rest.starts_with("turn://")) {
    rest.remove_prefix(7);
  } else {
    return Usage(url);
  }
  const std::size_t at = rest.find('@');
  if (at == std::string_view::npos || at == 0 || at > turn::kMaxRealm) {
    return Usage(url);
  }
  server.user = rest.substr(0, at);
  rest.remove_prefix(at + 1);
  server.port = server.tls ? kTurnsPort : kTurnPort;
  std::string_view port;
  if (rest.starts_with('[')) {
    const std::size_t end = rest.find(']');
    if (end == std::string_view::npos) return Usage(url);
    server.host = rest.substr(1, end - 1);
    port = rest.substr(end + 1);
  } else {
    const std::size_t colon = std::min(rest.find(':'), rest.size());
    server.host = rest.substr(0, colon);
    port = rest.substr(colon);
  }
  if (server.host.empty() || server.user.find(':') != std::string::npos) {
    return Usage(url);
  }
  if (!port.empty()) {
    port.remove_prefix(1);
    const auto [end, error] =
        std::from_chars(port.data(), port.data() + port.size(), server.port);
    if (error != std::errc() || end != port.data() + port.size() ||
        server.port == 0) {
      return Usage(url);
    }
  }
  return server;
}

Result<TurnServer> ReadTurnServer(const std::string& url,
                                  const std::string& password_file) {
  Result<TurnServer> server = ParseTurnServer(url);
  if (!server.ok()) return server;
  Result<Bytes> password = crypto::ReadPrivateFile(password_file, kMaxPassword);
  if (!password.ok()) return std::move(password).error();
  server->password = AsText(*password);
  server->password.resize(
      std::min(server->password.find('\n'), server->password.size()));
  return server;
}

}  // namespace p2pcp::cmd

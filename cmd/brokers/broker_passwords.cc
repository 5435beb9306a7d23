#include "cmd/brokers/broker_passwords.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "cmd/text.h"
#include "net/base/bytes.h"
#include "net/crypto/key.h"
#include "net/crypto/private_file.h"

namespace p2pcp::cmd {
namespace {

// Dozens of brokers, with room for long passwords.
constexpr std::size_t kMaxFileSize = 64 * 1024;

using signaling::Broker;

bool IsUrl(std::string_view line) {
  return line.starts_with("mqtt://") || line.starts_with("mqtts://");
}

bool SamePlace(const Broker& a, const Broker& b) {
  return a.tls == b.tls && a.host == b.host && a.port == b.port &&
         a.user == b.user;
}

Error Bad(const std::filesystem::path& file, const std::string& why) {
  return Error{ErrorCode::kUsage, fmt::format("--broker-password-file {}: {}",
                                              Escape(file.native()), why)};
}

// The first line, whatever it is; it is taken off the front of text.
std::string_view TakeLine(std::string_view& text) {
  const std::size_t end = std::min(text.find('\n'), text.size());
  std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

Status Apply(const std::filesystem::path& file, std::string_view text,
             std::vector<Broker>& brokers) {
  std::string_view rest = text;
  const std::string_view alone = TakeLine(rest);
  if (!IsUrl(alone) && rest.empty()) {
    const Broker* first = nullptr;
    for (Broker& broker : brokers) {
      if (broker.user.empty()) continue;
      // The password of one operator is none of another's business.
      if (first != nullptr &&
          (broker.user != first->user || broker.host != first->host)) {
        return Bad(file,
                   "one password, but several brokers with a user; write a "
                   "line for each: URL, blank, password");
      }
      first = &broker;
      broker.password = alone;
    }
  }
  for (int number = 1; !text.empty() && IsUrl(alone); ++number) {
    const std::string_view line = TakeLine(text);
    if (line.empty()) continue;
    const std::size_t blank = line.find(' ');
    // What is wrong with a line is told without the line, which is secret.
    if (!IsUrl(line) || blank == line.npos) {
      return Bad(file,
                 fmt::format("line {} is not URL, blank, password", number));
    }
    const auto named = signaling::ParseBroker(line.substr(0, blank));
    if (!named.ok() || named->user.empty()) {
      return Bad(file, fmt::format("line {} does not begin with "
                                   "mqtt[s]://USER@HOST[:PORT]",
                                   number));
    }
    for (Broker& broker : brokers) {
      if (SamePlace(broker, *named)) broker.password = line.substr(blank + 1);
    }
  }
  for (const Broker& broker : brokers) {
    if (!broker.user.empty() && broker.password.empty()) {
      return Bad(file,
                 fmt::format("it has no password for {} at {}",
                             Escape(broker.user), Escape(broker.ToString())));
    }
  }
  return {};
}

}  // namespace

Status ReadBrokerPasswords(const std::filesystem::path& file,
                           std::vector<Broker>* brokers) {
  Result<Bytes> content =
      crypto::ReadPrivateFile(file, kMaxFileSize, crypto::FolderRule::kAny);
  if (!content.ok()) {
    Error error =
        Annotate(std::move(content).error(), "--broker-password-file");
    error.code = ErrorCode::kUsage;
    return error;
  }
  Status applied = Apply(file, AsText(*content), *brokers);
  crypto::Wipe(*content);
  return applied;
}

}  // namespace p2pcp::cmd

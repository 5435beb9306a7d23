#include "cmd/brokers/mosquitto_config.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string_view>
#include <utility>

#include "net/crypto/key.h"
#include "net/crypto/private_file.h"

namespace p2pcp::cmd {
namespace {

// What mosquitto may allocate in bytes, which it counts itself; its heap has
// what OpenSSL takes as well (mosquitto_process.cc).
constexpr int kMemoryLimit = 256 << 20;
// A key, or the users of a firm.
constexpr std::size_t kMaxFile = 1 << 20;
// Where the ACL file of a broker stands that somebody else runs.
constexpr const char* kStandaloneAcl = "/etc/mosquitto/p2pcp.acl";

Error Bad(std::string_view option, Error error) {
  error.code = ErrorCode::kUsage;
  return Annotate(std::move(error), option);
}

// Every line a user and a hash: mosquitto takes plain passwords as well, but a
// file of them is a mistake.
Result<std::vector<std::string>> ParseUsers(std::string_view text) {
  std::vector<std::string> users;
  for (int number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty() || line.starts_with('#')) continue;
    const std::size_t colon = line.find(':');
    if (colon == line.npos || colon == 0 ||
        !line.substr(colon + 1).starts_with('$')) {
      return Error{ErrorCode::kUsage,
                   fmt::format("line {} is no user with a hash; make the file "
                               "with: mosquitto_passwd -c FILE USER",
                               number)};
    }
    users.emplace_back(line.substr(0, colon));
  }
  if (users.empty()) return Error{ErrorCode::kUsage, "there is no user in it"};
  return users;
}

}  // namespace

MosquittoFiles::~MosquittoFiles() {
  crypto::Wipe(key);
  crypto::Wipe(users);
}

Status ReadMosquittoFiles(const MosquittoOptions& options,
                          MosquittoFiles& files) {
  if (!options.tls_key.empty()) {
    Result<Bytes> key = crypto::ReadPrivateFile(options.tls_key, kMaxFile,
                                                crypto::FolderRule::kAny);
    if (!key.ok()) return Bad("--tls-key", std::move(key).error());
    files.key = *std::move(key);
  }
  if (!options.password_file.empty()) {
    Result<Bytes> users = crypto::ReadPrivateFile(
        options.password_file, kMaxFile, crypto::FolderRule::kAny);
    if (!users.ok()) return Bad("--password-file", std::move(users).error());
    files.users = *std::move(users);
    auto names = ParseUsers(AsText(files.users));
    if (!names.ok()) return Bad("--password-file", std::move(names).error());
    files.names = *std::move(names);
  }
  return {};
}

Status CheckMosquittoFiles(MosquittoOptions& options) {
  for (std::filesystem::path* file :
       {&options.tls_cert, &options.tls_key, &options.password_file}) {
    if (file->empty()) continue;
    *file = std::filesystem::absolute(*file);
    // The configuration has a line for each, and no quotes.
    if (file->native().find('\n') != std::string::npos) {
      return Error{ErrorCode::kUsage, "a file's name with a line's end in it"};
    }
    if (access(file->c_str(), R_OK) != 0) {
      return ErrnoError(ErrorCode::kUsage, file->native(), errno);
    }
  }
  return {};
}

std::string MosquittoAcl(const std::vector<std::string>& users) {
  // Topics of p2pcp have one level.
  const std::string rule = "topic readwrite +\n";
  if (users.empty()) return rule;
  std::string text;
  for (const std::string& user : users) text += "user " + user + "\n" + rule;
  return text;
}

std::string MosquittoConfig(const MosquittoOptions& options,
                            const std::filesystem::path& acl_file) {
  const SocketAddress& listen = options.listen;
  // Every p2pcp message is 1024 bytes, plus topic and header; the rest is to
  // keep a stranger from using up the machine.
  std::string text = fmt::format(
      "listener {} {}\n"
      "socket_domain {}\n"
      "max_connections {}\n"
      "max_qos 0\n"
      "max_topic_alias 0\n",
      listen.port, listen.ip.ToString(), listen.ip.is_v6() ? "ipv6" : "ipv4",
      kMaxMosquittoClients);
  if (!options.tls_cert.empty()) {
    text += fmt::format("certfile {}\nkeyfile {}\ntls_version tlsv1.2\n",
                        options.tls_cert.string(), options.tls_key.string());
  }
  if (options.password_file.empty()) {
    text += "allow_anonymous true\n";
  } else {
    text += fmt::format("allow_anonymous false\npassword_file {}\n",
                        options.password_file.string());
  }
  return text +
         fmt::format(
             "acl_file {}\n"
             "persistence false\n"
             "max_packet_size 2048\n"
             "max_inflight_messages 16\n"
             "max_queued_messages 64\n"
             "max_queued_bytes 131072\n"
             "memory_limit {}\n"
             "max_keepalive 120\n"
             "persistent_client_expiration 1h\n"
             // Without it each message waits some 40 ms for an acknowledgement
             // of the one before (Nagle's algorithm against delayed ACKs).
             "set_tcp_nodelay true\n"
             "retain_available false\n"
             "sys_interval 0\n"
             "log_dest stderr\n"
             // The journal knows the time.
             "log_timestamp false\n"
             "log_type error\n"
             "log_type warning\n",
             acl_file.string(), kMemoryLimit);
}

Result<std::string> StandaloneMosquittoConfig(MosquittoOptions options) {
  if (options.listen.port == 0) {
    return Error{ErrorCode::kUsage,
                 "a configuration names a port: --broker-port N"};
  }
  if (Status checked = CheckMosquittoFiles(options); !checked.ok()) {
    return std::move(checked).error();
  }
  MosquittoFiles files;
  if (Status read = ReadMosquittoFiles(options, files); !read.ok()) {
    return std::move(read).error();
  }
  const std::string acl = MosquittoAcl(files.names);
  std::string text = fmt::format("# {} shall hold:\n", kStandaloneAcl);
  for (std::size_t at = 0; at < acl.size();) {
    const std::size_t end = acl.find('\n', at) + 1;
    text += "#   " + acl.substr(at, end - at);
    at = end;
  }
  return text + MosquittoConfig(options, kStandaloneAcl);
}

}  // namespace p2pcp::cmd

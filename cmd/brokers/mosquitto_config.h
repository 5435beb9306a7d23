// What mosquitto(8) is told by p2pcp serve: its configuration, which gives
// p2pcp what it needs and nobody more, and the user's files that go with it.
// Short messages under topics of one level, not kept, not acknowledged, never
// on disk; sizes, counts and memory are bounded. Open to anyone who can reach
// it, since p2pcp's messages are sealed, unless there is a file of users.

#ifndef P2PCP_CMD_BROKERS_MOSQUITTO_CONFIG_H_
#define P2PCP_CMD_BROKERS_MOSQUITTO_CONFIG_H_

#include <filesystem>
#include <string>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/result.h"
#include "net/base/socket_address.h"

namespace p2pcp::cmd {

// Clients at once. Enough for a firm; each may keep 128 KiB waiting.
inline constexpr int kMaxMosquittoClients = 1000;

struct MosquittoOptions {
  SocketAddress listen;  // A port of 0 is replaced by a free one.
  // PEM; both or none. With them the broker takes TLS and nothing else.
  std::filesystem::path tls_cert;
  std::filesystem::path tls_key;
  // Users and hashes, as mosquitto_passwd(1) writes them; empty: everybody.
  std::filesystem::path password_file;
};

// The text of the configuration file.
std::string MosquittoConfig(const MosquittoOptions& options,
                            const std::filesystem::path& acl_file);
// The same for a broker that somebody else runs, with the text of the ACL file
// in comments above it. kUsage as below, and for port 0.
Result<std::string> StandaloneMosquittoConfig(MosquittoOptions options);
// The text of acl_file. users: empty where everybody may come.
std::string MosquittoAcl(const std::vector<std::string>& users);

// What the user's files hold. Wiped when it goes.
struct MosquittoFiles {
  MosquittoFiles() = default;
  MosquittoFiles(const MosquittoFiles&) = delete;
  MosquittoFiles& operator=(const MosquittoFiles&) = delete;
  ~MosquittoFiles();

  Bytes key;
  Bytes users;
  std::vector<std::string> names;  // Of the users.
};

// Makes the paths absolute. kUsage for one that can't be read, or can't stand
// in a configuration.
Status CheckMosquittoFiles(MosquittoOptions& options);
// kUsage for a key or a file of users that others may read, that can't be read
// or that holds something else.
Status ReadMosquittoFiles(const MosquittoOptions& options,
                          MosquittoFiles& files);

}  // namespace p2pcp::cmd

#endif  // P2PCP_CMD_BROKERS_MOSQUITTO_CONFIG_H_

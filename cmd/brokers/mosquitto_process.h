// The mosquitto broker as a child process with a configuration of ours, which
// gives p2pcp what it needs and nobody more: short messages under topics of one
// level, not kept, not acknowledged, never on disk; sizes, counts and memory
// are bounded. It is open to anyone who can reach it, since p2pcp's messages
// are sealed, unless there is a file of users. mosquitto knows no limit of how
// many messages a client sends in a second.

#ifndef P2PCP_CMD_BROKERS_MOSQUITTO_PROCESS_H_
#define P2PCP_CMD_BROKERS_MOSQUITTO_PROCESS_H_

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "net/base/result.h"
#include "net/base/socket_address.h"
#include "net/udp/file_descriptor.h"

namespace p2pcp::cmd {

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
// The text of acl_file. users: empty where everybody may come.
std::string MosquittoAcl(const std::vector<std::string>& users);

// Movable; stops the broker and removes its folder when destroyed.
class MosquittoProcess {
 public:
  // Starts it. kOther with the package to install if there is no mosquitto;
  // kUsage for a key or a file of users that others may read, that can't be
  // read or that holds something else. Started by root, it becomes the user
  // mosquitto, and gets copies that only this user can read.
  static Result<MosquittoProcess> Start(MosquittoOptions options);

  MosquittoProcess(MosquittoProcess&& other) noexcept;
  MosquittoProcess& operator=(MosquittoProcess&&) = delete;
  ~MosquittoProcess();

  const SocketAddress& address() const { return address_; }
  // Readable once the process has ended.
  int pidfd() const { return pidfd_.get(); }
  // Whether it takes connections already.
  bool Accepts() const;

 private:
  MosquittoProcess(SocketAddress address, std::filesystem::path folder,
                   pid_t pid, udp::FileDescriptor pidfd);

  SocketAddress address_;
  std::filesystem::path folder_;
  pid_t pid_ = -1;
  udp::FileDescriptor pidfd_;
};

}  // namespace p2pcp::cmd

#endif  // P2PCP_CMD_BROKERS_MOSQUITTO_PROCESS_H_

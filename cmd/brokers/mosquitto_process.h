// The mosquitto broker as a child process, with a configuration of ours
// (mosquitto_config.h). mosquitto knows no limit of how many messages a client
// sends in a second.

#ifndef P2PCP_CMD_BROKERS_MOSQUITTO_PROCESS_H_
#define P2PCP_CMD_BROKERS_MOSQUITTO_PROCESS_H_

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>

#include "cmd/brokers/mosquitto_config.h"
#include "net/base/bytes.h"
#include "net/base/result.h"
#include "net/base/socket_address.h"
#include "net/udp/file_descriptor.h"

namespace p2pcp::cmd {

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
  // Where it can be called from this host.
  SocketAddress local_address() const;
  // Readable once the process has ended.
  int pidfd() const { return pidfd_.get(); }
  // What it died of: "exit status 1", "signal 9". REQUIRES: pidfd() is
  // readable, and nobody watches it any more.
  std::string Reap();
  // Starts it again as it was, at the same address. REQUIRES: Reap().
  Status Restart();
  // Ends it as it is, by SIGKILL. REQUIRES: it runs.
  void Kill();
  // Whether it takes connections already.
  bool Accepts() const;
  // To be called every now and then. Where certificate, key or users have
  // become others, and were the same at two calls, it makes the broker read
  // them again; whoever is connected stays. True: it did. An error is told
  // once: what stands there now is not fit, and the old counts on. REQUIRES: it
  // runs.
  Result<bool> Refresh();

 private:
  // Whom it runs as where root starts it; nullopt: as whoever we are.
  struct User {
    uid_t uid = 0;
    gid_t gid = 0;
  };

  static std::optional<User> UserToBecome();
  MosquittoProcess(MosquittoOptions given, std::filesystem::path program);
  pid_t Spawn() const;
  // All that mosquitto reads, into the folder.
  Status WriteFiles();
  // A file of mode 0600 there, for mosquitto's user, whole at any time; its
  // path.
  Result<std::filesystem::path> Write(const char* name, ByteSpan content) const;

  SocketAddress address_;
  MosquittoOptions given_;  // By the user.
  // Which files those were when they were read, and at the last call.
  std::string loaded_;
  std::string seen_;
  std::filesystem::path program_;
  std::filesystem::path folder_;  // Ours to remove, with all that is in it.
  std::filesystem::path config_;
  std::optional<User> user_;
  pid_t pid_ = -1;
  udp::FileDescriptor pidfd_;
};

}  // namespace p2pcp::cmd

#endif  // P2PCP_CMD_BROKERS_MOSQUITTO_PROCESS_H_

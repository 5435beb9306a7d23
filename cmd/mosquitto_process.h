// The mosquitto broker as a child process with a configuration of ours: open
// to anyone who can reach it, since p2pcp's messages are sealed, but small:
// nothing is kept on disk and sizes and counts are bounded.

#ifndef P2PCP_CMD_MOSQUITTO_PROCESS_H_
#define P2PCP_CMD_MOSQUITTO_PROCESS_H_

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <string>

#include "net/base/result.h"
#include "net/base/socket_address.h"
#include "net/udp/file_descriptor.h"

namespace p2pcp::cmd {

// The text of the configuration file.
std::string MosquittoConfig(const SocketAddress& listen);

// Movable; stops the broker and removes its folder when destroyed.
class MosquittoProcess {
 public:
  // Starts it; a port of 0 is replaced by a free one. kOther with the package
  // to install if there is no mosquitto.
  static Result<MosquittoProcess> Start(SocketAddress listen);

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

#endif  // P2PCP_CMD_MOSQUITTO_PROCESS_H_

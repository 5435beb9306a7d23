// What a service manager is told, by sd_notify(3)'s protocol: datagrams of
// VARIABLE=VALUE lines to the socket that $NOTIFY_SOCKET names.

#ifndef P2PCP_CMD_SERVICE_MANAGER_H_
#define P2PCP_CMD_SERVICE_MANAGER_H_

#include <string>
#include <string_view>

#include "net/udp/file_descriptor.h"

namespace p2pcp::cmd {

class ServiceManager {
 public:
  // Takes $NOTIFY_SOCKET out of the environment: children, mosquitto among
  // them, shall not speak for us.
  ServiceManager();

  // Nothing happens where nobody listens: it never fails, and never blocks.
  void Ready(std::string_view status);
  void Status(std::string_view status);
  void Stopping();

 private:
  void Send(const std::string& lines);

  std::string path_;
  udp::FileDescriptor socket_;
};

}  // namespace p2pcp::cmd

#endif  // P2PCP_CMD_SERVICE_MANAGER_H_

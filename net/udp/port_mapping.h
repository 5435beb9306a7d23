// A mapping of one UDP port by the router, asked for in every way at once: PCP
// and NAT-PMP (port_mapper.h), UPnP (upnp_child.h). Nothing waits for it, and
// it is given back when this object goes.

#ifndef P2PCP_NET_UDP_PORT_MAPPING_H_
#define P2PCP_NET_UDP_PORT_MAPPING_H_

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "net/base/random.h"
#include "net/base/socket_address.h"
#include "net/udp/event_loop.h"
#include "net/udp/file_descriptor.h"
#include "net/udp/port_mapper.h"

namespace p2pcp::udp {

class PortMapping {
 public:
  // How UpnpChildMain() is started: a program and what it wants before the
  // port.
  struct Command {
    std::string path;
    std::vector<std::string> arguments;
  };

  // Null where this host has no router. on_change is called from turns of the
  // loop, which must outlive the mapping.
  static std::unique_ptr<PortMapping> Start(EventLoop* loop, std::uint16_t port,
                                            const Command& upnp, Random& random,
                                            std::function<void()> on_change);
  // Asks the router to forget the mappings; does not wait for it.
  ~PortMapping();
  PortMapping(const PortMapping&) = delete;
  PortMapping& operator=(const PortMapping&) = delete;

  // Where packets for the port come in, each once.
  std::vector<SocketAddress> mapped() const;
  // For people: "PCP", "NAT-PMP", "UPnP", those that gave one.
  std::vector<std::string> protocols() const;
  // The router has refused with this code of PCP or NAT-PMP; 0: it has not.
  int refused() const { return mapper_.refused(); }

 private:
  PortMapping(EventLoop* loop, FileDescriptor socket, const IpAddress& client,
              std::uint16_t port, Random& random,
              std::function<void()> on_change);
  void StartUpnp(const Command& command, std::uint16_t port);
  void HandleRouter();
  void HandleUpnp();
  // Sends what is due, sets the timer, tells of news.
  void Turn();
  void ReapUpnp(int options);

  EventLoop* const loop_;
  const FileDescriptor socket_;  // Connected to the router's port.
  PortMapper mapper_;
  const std::function<void()> on_change_;
  std::optional<EventLoop::TimerId> timer_;
  std::vector<SocketAddress> told_;
  FileDescriptor upnp_;
  pid_t upnp_pid_ = -1;
  std::optional<SocketAddress> upnp_mapped_;
};

}  // namespace p2pcp::udp

#endif  // P2PCP_NET_UDP_PORT_MAPPING_H_

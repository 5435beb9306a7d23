// The meeting on one network, without a broker: joins a connector and the
// multicast socket (net/signaling/PROTOCOL.md, "On one network").

#ifndef P2PCP_CMD_NETWORK_LAN_LINK_H_
#define P2PCP_CMD_NETWORK_LAN_LINK_H_

#include <memory>
#include <string_view>

#include "cmd/options/options.h"
#include "net/base/bytes.h"
#include "net/connect/connector.h"
#include "net/udp/event_loop.h"
#include "net/udp/lan_socket.h"

namespace p2pcp::cmd {

class LanLink {
 public:
  // Null where the system has no multicast. loop and connector must outlive it.
  static std::unique_ptr<LanLink> Open(const Options& options,
                                       udp::EventLoop* loop,
                                       connect::Connector* connector);
  ~LanLink();
  LanLink(const LanLink&) = delete;
  LanLink& operator=(const LanLink&) = delete;

  // Speaks on the networks that this host is on now.
  void Join();
  void Publish(std::string_view topic, ByteSpan payload);

 private:
  LanLink(udp::LanSocket socket, udp::EventLoop* loop,
          connect::Connector* connector);
  void HandleReadable(int fd);

  udp::LanSocket socket_;
  udp::EventLoop* const loop_;
  connect::Connector* const connector_;
};

// No route leads to the Internet: who is to be met is on our own networks.
bool IsIsland();

}  // namespace p2pcp::cmd

#endif  // P2PCP_CMD_NETWORK_LAN_LINK_H_

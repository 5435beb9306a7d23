// What leaves: trains of datagrams and single ones, each through the socket
// that it names, which may be the relay. Keeps what a socket does not take at
// once, and sends it when it does.

#ifndef P2PCP_CMD_NETWORK_OUTLET_H_
#define P2PCP_CMD_NETWORK_OUTLET_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "cmd/network/relay_link.h"
#include "cmd/pump.h"
#include "net/base/bytes.h"
#include "net/base/socket_address.h"
#include "net/udp/event_loop.h"
#include "net/udp/udp_socket.h"

namespace p2pcp::cmd {

class Outlet {
 public:
  struct Handler {
    // The interface takes no datagram of so many bytes.
    std::function<void(std::size_t datagram_size)> on_too_big;
    // waits_for() the socket is another one now.
    std::function<void(std::uint8_t socket)> on_watch;
  };
  // Both must outlive it.
  Outlet(udp::EventLoop* loop, std::vector<udp::UdpSocket>* sockets,
         Handler handler);
  Outlet(const Outlet&) = delete;
  Outlet& operator=(const Outlet&) = delete;

  // Must outlive this; null: what is for the relay is dropped.
  void SetRelay(RelayLink* relay) { relay_ = relay; }

  // What the socket does not take is lost, as on any network: for what is
  // repeated by its sender. hop_limit: 0 for the system's default.
  void SendOne(std::uint8_t socket, const SocketAddress& to, ByteSpan datagram,
               int hop_limit);
  // False if the socket has not taken all of it: then its bytes have to stay as
  // long as blocked(). REQUIRES: !blocked().
  bool SendTrain(const Pump::Train& train);
  bool blocked() const { return blocked_.has_value(); }
  // The socket is to be watched for EPOLLOUT, and HandleWritable() called then.
  bool waits_for(std::uint8_t socket) const {
    return blocked_ && blocked_->socket == socket;
  }
  void HandleWritable();
  // Forgets what waits.
  void Drop() { blocked_.reset(); }

 private:
  udp::EventLoop* const loop_;
  std::vector<udp::UdpSocket>* const sockets_;
  const Handler handler_;
  RelayLink* relay_ = nullptr;
  std::optional<Pump::Train> blocked_;
};

}  // namespace p2pcp::cmd

#endif  // P2PCP_CMD_NETWORK_OUTLET_H_

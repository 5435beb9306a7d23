// The sockets that a connector wants for a short time beside those that carry
// data (net/connect/hard_nat.h): opens, watches and closes them, and turns the
// one that the peer has found into a data socket.

#ifndef P2PCP_CMD_NETWORK_EXTRA_SOCKETS_H_
#define P2PCP_CMD_NETWORK_EXTRA_SOCKETS_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cmd/local_network.h"
#include "cmd/network/guess_lock.h"
#include "net/base/time.h"
#include "net/connect/connector.h"
#include "net/udp/event_loop.h"
#include "net/udp/socket_pool.h"

namespace p2pcp::cmd {

class ExtraSockets {
 public:
  // All must outlive this. on_adopted: a data socket has been added to the
  // network, and is to be watched.
  ExtraSockets(udp::EventLoop* loop, LocalNetwork* network,
               connect::Connector* connector,
               std::function<void(std::uint8_t)> on_adopted)
      : loop_(loop),
        network_(network),
        connector_(connector),
        on_adopted_(std::move(on_adopted)) {}
  ~ExtraSockets() { Close(); }
  ExtraSockets(const ExtraSockets&) = delete;
  ExtraSockets& operator=(const ExtraSockets&) = delete;

  // Does what the connector wants by now. To be called in each turn of the
  // loop.
  void Turn(TimePoint now);
  // For people: how many probes it has taken so far. REQUIRES: there is a
  // channel.
  std::string Report() const;
  // When the lock is worth another try.
  std::optional<TimePoint> PollTimeout() const { return retry_at_; }

 private:
  void Open(TimePoint now);
  void Close();
  void Receive(int index);

  udp::EventLoop* loop_;
  LocalNetwork* network_;
  connect::Connector* connector_;
  std::function<void(std::uint8_t)> on_adopted_;
  std::uint32_t generation_ = 0;
  udp::SocketPool pool_;
  std::optional<GuessLock> lock_;
  std::optional<TimePoint> retry_at_;
};

}  // namespace p2pcp::cmd

#endif  // P2PCP_CMD_NETWORK_EXTRA_SOCKETS_H_

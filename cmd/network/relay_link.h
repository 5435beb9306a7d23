// A relay of last resort (--turn): joins the TURN client to a connection, UDP
// first, then TCP where nothing comes back; TLS where the user says so. To the
// channel it is one more local socket.

#ifndef P2PCP_CMD_NETWORK_RELAY_LINK_H_
#define P2PCP_CMD_NETWORK_RELAY_LINK_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cmd/network/turn_server.h"
#include "net/base/bytes.h"
#include "net/base/random.h"
#include "net/base/result.h"
#include "net/base/socket_address.h"
#include "net/base/time.h"
#include "net/crypto/tls/tls_client.h"
#include "net/turn/turn_client.h"
#include "net/udp/event_loop.h"
#include "net/udp/file_descriptor.h"
#include "net/udp/resolver.h"

namespace p2pcp::cmd {

class RelayLink {
 public:
  // The number that the channel knows it by; real sockets have small ones.
  static constexpr std::uint8_t kSocket = 200;
  // Without an answer by UDP for so long, TCP is tried.
  static constexpr Duration kUdpTime = 2s;
  // A connection that is lost, or can't be made, is tried again after so long.
  static constexpr Duration kRetry = 10s;
  // What waits for a stream that does not keep up; more is dropped, as by any
  // network.
  static constexpr std::size_t kMaxWaiting = 256 * 1024;

  struct Handler {
    // An address is ours at the relay, or is no more (nullopt).
    std::function<void(std::optional<SocketAddress>)> on_address;
    std::function<void(const SocketAddress& from, MutableByteSpan bytes)>
        on_received;
    std::function<void(const std::string& text)> on_step;  // For -v.
  };
  // All of them must outlive it.
  RelayLink(udp::EventLoop* loop, udp::Resolver* resolver, Random* random,
            TurnServer server, Handler handler);
  // Gives the address back, without waiting.
  ~RelayLink();
  RelayLink(const RelayLink&) = delete;
  RelayLink& operator=(const RelayLink&) = delete;

  // Datagrams of segment_size, the last may be shorter, to a peer.
  void Send(const SocketAddress& to, ByteSpan train, std::size_t segment_size);
  // This host has moved, and the connection is dead more likely than not: a new
  // one, and another address.
  void Redial();

 private:
  enum class Transport { kUdp, kTcp, kTls };

  void HandleResolved(Result<std::vector<SocketAddress>> addresses);
  void Dial(Transport transport);
  void HandleReady(std::uint32_t events);
  void HandleStream();
  void HandleMessage(MutableByteSpan message);
  // Hands one message to the server.
  void Transmit(ByteSpan message);
  void FlushStream();
  // Waits for what the present state has to wait for.
  void Watch();
  void Turn();
  void SetTimer(TimePoint when, std::function<void()> act);
  void Hangup(const std::string& reason);

  udp::EventLoop* const loop_;
  udp::Resolver* const resolver_;
  Random* const random_;
  const TurnServer server_;
  const Handler handler_;
  std::optional<udp::Resolver::RequestId> resolving_;
  SocketAddress address_;
  Transport transport_ = Transport::kUdp;
  udp::FileDescriptor fd_;
  bool watches_out_ = false;
  bool stream_up_ = false;  // TCP is connected.
  std::unique_ptr<crypto::TlsClient> tls_;
  std::optional<turn::TurnClient> client_;
  TimePoint dialled_;
  std::optional<udp::EventLoop::TimerId> timer_;
  std::optional<SocketAddress> told_;
  Bytes incoming_;
  Bytes waiting_;
  Bytes buffer_;
};

}  // namespace p2pcp::cmd

#endif  // P2PCP_CMD_NETWORK_RELAY_LINK_H_

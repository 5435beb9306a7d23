// One side of a simulated rendezvous: a connector with its sockets on a host,
// its subscriptions at brokers, and the channel that comes of it.

#ifndef P2PCP_TESTS_SIM_CONNECT_PEER_H_
#define P2PCP_TESTS_SIM_CONNECT_PEER_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/random.h"
#include "net/base/result.h"
#include "net/base/socket_address.h"
#include "net/base/time.h"
#include "net/channel/channel.h"
#include "net/connect/connector.h"
#include "net/crypto/identity.h"
#include "net/crypto/key.h"
#include "net/crypto/public_key.h"
#include "net/ice/candidate.h"
#include "tests/sim/broker.h"
#include "tests/sim/host.h"
#include "tests/sim/simulator.h"

namespace p2pcp::sim {

class ConnectPeer {
 public:
  struct Options {
    std::uint16_t port = 4000;
    ice::Role role = ice::Role::kControlling;
    const crypto::Identity* self = nullptr;  // Must outlive the peer.
    crypto::PublicKey peer;
    std::optional<crypto::Psk> psk;
    // All are used at once. They must outlive the peer.
    std::vector<Broker*> brokers;
    std::vector<SocketAddress> stun_servers;
    // What this host's calendar says at the simulation's start.
    UnixTime wall{std::chrono::seconds(1'700'000'000)};
    std::uint64_t random_seed = 1;
    bool guess_ports = true;
    // What RLIMIT_NOFILE leaves.
    int max_extra_sockets = 900;
  };

  // Starts at once. The host must outlive the peer.
  ConnectPeer(Simulator& simulator, Host& host, Options options);
  // As when the process is killed.
  ~ConnectPeer();
  ConnectPeer(const ConnectPeer&) = delete;
  ConnectPeer& operator=(const ConnectPeer&) = delete;

  // A path is proven; and when that was.
  bool connected() const { return connected_at_.has_value(); }
  std::optional<TimePoint> connected_at() const { return connected_at_; }
  const std::optional<Error>& error() const { return error_; }
  bool over() const { return connected() || error_.has_value(); }
  // REQUIRES: connected().
  channel::Path path() { return connector_->channel()->path(); }

  // Sends this over the channel. REQUIRES: connected().
  void Say(std::string_view text);
  // What the peer has said, in the order of arrival, and when it came.
  const std::vector<std::string>& heard() const { return heard_; }
  const std::vector<TimePoint>& heard_at() const { return heard_at_; }

  // The host's addresses have changed, and the system has said so.
  void Rescan();
  // The lid is closed: nothing is sent or received until it opens again.
  void Sleep(Duration duration);

  bool peer_seen() const { return peer_seen_; }
  int handshakes() const { return handshakes_; }
  connect::Connector& connector() { return *connector_; }
  // Sockets that are open beside the data sockets, and how many there were.
  std::size_t extra_sockets() const { return extra_ports_.size(); }
  std::size_t most_extra_sockets() const { return most_extra_sockets_; }
  // Datagrams sent, and those of them to places that were guessed.
  int datagrams_sent() const { return datagrams_sent_; }
  int guesses() const { return guesses_; }
  // To whom UDP datagrams have gone.
  const std::set<SocketAddress>& destinations() const { return destinations_; }

 private:
  UnixTime Wall() const;
  std::vector<ice::Candidate> HostCandidates() const;
  void HandleDatagram(std::uint8_t socket, const SocketAddress& from,
                      MutableByteSpan datagram);
  void HandleExtraDatagram(int extra, const SocketAddress& from,
                           MutableByteSpan datagram);
  // Opens and closes extra sockets as the connector wants them.
  void ManageSockets();
  void CloseExtra();
  void HandleTimeout();
  void Turn();
  void HandleEvents();
  void Send(std::uint16_t from, const SocketAddress& to, ByteSpan datagram,
            int hop_limit);
  // The local port of a data socket.
  std::uint16_t PortOf(std::uint8_t socket) const;

  Simulator& simulator_;
  Host& host_;
  const Options options_;
  SeededRandom random_;
  Simulator::TimerId timer_;
  std::unique_ptr<connect::Connector> connector_;
  std::vector<Broker::ClientId> clients_;  // One at each broker.
  std::vector<std::string> topics_;

  std::optional<TimePoint> connected_at_;
  std::optional<Error> error_;
  std::vector<std::string> heard_;
  std::vector<TimePoint> heard_at_;
  bool asleep_ = false;
  bool peer_seen_ = false;
  int handshakes_ = 0;
  std::set<SocketAddress> destinations_;
  std::uint32_t generation_ = 0;
  std::uint16_t next_port_ = 0;
  std::vector<std::uint16_t> extra_ports_;
  // Data sockets beyond the first two, by number.
  std::map<std::uint8_t, std::uint16_t> adopted_;
  std::size_t most_extra_sockets_ = 0;
  int datagrams_sent_ = 0;
  int guesses_ = 0;
};

}  // namespace p2pcp::sim

#endif  // P2PCP_TESTS_SIM_CONNECT_PEER_H_

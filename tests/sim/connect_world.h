// A world for two connectors that look for each other: two homes, STUN servers
// of two operators, a broker.

#ifndef P2PCP_TESTS_SIM_CONNECT_WORLD_H_
#define P2PCP_TESTS_SIM_CONNECT_WORLD_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "net/base/random.h"
#include "net/base/socket_address.h"
#include "net/base/time.h"
#include "net/crypto/identity.h"
#include "net/ice/candidate.h"
#include "tests/sim/broker.h"
#include "tests/sim/connect_peer.h"
#include "tests/sim/host.h"
#include "tests/sim/link.h"
#include "tests/sim/nat.h"
#include "tests/sim/simulator.h"
#include "tests/sim/stun_server.h"
#include "tests/sim/topology.h"

namespace p2pcp::sim {

// Propagation to the core and from it, each way of each home.
inline constexpr Duration kLine = 10ms;
// From the moment both are there. One message lost costs a second or two.
inline constexpr Duration kAtOnce = 1s;

inline crypto::Identity MakeIdentity(std::uint64_t seed) {
  SeededRandom random(seed);
  return crypto::Identity::Generate(random);
}

// Two homes, two STUN servers, a broker.
class World {
 public:
  // hops: routers between the homes.
  explicit World(std::uint64_t seed = 1, int hops = 1)
      : simulator(seed), internet(simulator, hops) {}

  Home& AddHome(std::optional<NatOptions> nat, std::string_view external,
                Carrier* carrier = nullptr) {
    HomeOptions options{
        .nat = nat, .up = line, .down = line, .carrier = carrier};
    if (nat) options.external = {Ip(external)};
    return internet.AddHome(options);
  }
  // The usual two homes behind NATs of these kinds.
  void AddHomes(const std::optional<NatOptions>& nat_a,
                const std::optional<NatOptions>& nat_b) {
    home_a = &AddHome(nat_a, "203.0.113.10");
    home_b = &AddHome(nat_b, "192.0.2.10");
    host_a =
        &internet.AddHost(*home_a, {Ip(nat_a ? "10.1.0.2" : "203.0.113.20")});
    host_b =
        &internet.AddHost(*home_b, {Ip(nat_b ? "10.2.0.2" : "192.0.2.20")});
  }

  // One more, that has to be named in the options.
  Broker& AddBroker(const BrokerOptions& options) {
    return more_brokers.emplace_back(simulator, options);
  }

  ConnectPeer::Options OptionsA() {
    return {.role = ice::Role::kControlling,
            .self = &alice,
            .peer = bob.public_key(),
            .psk = std::nullopt,
            .brokers = {&broker},
            .stun_servers = servers,
            .random_seed = next_seed_++};
  }
  ConnectPeer::Options OptionsB() {
    ConnectPeer::Options options = OptionsA();
    options.role = ice::Role::kControlled;
    options.self = &bob;
    options.peer = alice.public_key();
    return options;
  }
  void StartA() { StartA(OptionsA()); }
  void StartA(const ConnectPeer::Options& options) {
    a = std::make_unique<ConnectPeer>(simulator, *host_a, options);
  }
  void StartB() { StartB(OptionsB()); }
  void StartB(const ConnectPeer::Options& options) {
    b = std::make_unique<ConnectPeer>(simulator, *host_b, options);
  }

  // Whether both are connected within that time.
  bool Connect(Duration within) {
    return simulator.RunUntil([&] { return a->connected() && b->connected(); },
                              simulator.now() + within) == Stop::kDone;
  }
  // Whether what each says reaches the other.
  bool Talk() {
    a->Say("from a");
    b->Say("from b");
    simulator.RunFor(1s);
    return a->heard() == std::vector<std::string>{"from b"} &&
           b->heard() == std::vector<std::string>{"from a"};
  }
  // For people: how far each has come.
  std::string Describe() const {
    const auto describe = [](const ConnectPeer& peer) {
      if (peer.error()) return peer.error()->message;
      return std::string(peer.connected() ? "connected" : "waiting") +
             " after " + std::to_string(peer.handshakes()) + " handshakes";
    };
    return "offerer " + describe(*a) + ", answerer " + describe(*b) + ", " +
           std::to_string(broker.transcript().size()) + " messages, at " +
           std::to_string(simulator.elapsed() / 1ms) + " ms";
  }
  // Both at once, and all of the above.
  bool ConnectsAndTalks() {
    StartA();
    StartB();
    return Connect(kAtOnce) && Talk();
  }

  Simulator simulator;
  Internet internet;
  Broker broker{simulator, {.delay = 20ms}};
  std::deque<Broker> more_brokers;
  StunServer stun1{
      internet.AddServer({Ip("198.51.100.1"), Ip("2001:db8:ff::1")}, 5ms)};
  StunServer stun2{internet.AddServer({Ip("198.51.100.2")}, 5ms)};
  std::vector<SocketAddress> servers = {Address("198.51.100.1:3478"),
                                        Address("198.51.100.2:3478")};
  const crypto::Identity alice = MakeIdentity(101);
  const crypto::Identity bob = MakeIdentity(102);
  // Of the access lines of homes that are added from now on, each way.
  LinkOptions line{.delay = kLine};
  Home* home_a = nullptr;
  Home* home_b = nullptr;
  Host* host_a = nullptr;
  Host* host_b = nullptr;
  std::unique_ptr<ConnectPeer> a;  // Offers.
  std::unique_ptr<ConnectPeer> b;  // Answers.

 private:
  std::uint64_t next_seed_ = 7;
};

}  // namespace p2pcp::sim

#endif  // P2PCP_TESTS_SIM_CONNECT_WORLD_H_

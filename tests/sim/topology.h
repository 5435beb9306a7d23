// Ready-made networks: two hosts joined by a wire, or an Internet of homes
// behind NATs, of CGNs and of servers. Everything lives as long as the network
// object.

#ifndef P2PCP_TESTS_SIM_TOPOLOGY_H_
#define P2PCP_TESTS_SIM_TOPOLOGY_H_

#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "net/base/socket_address.h"
#include "tests/sim/attacker.h"
#include "tests/sim/firewall.h"
#include "tests/sim/host.h"
#include "tests/sim/link.h"
#include "tests/sim/nat.h"
#include "tests/sim/router.h"
#include "tests/sim/simulator.h"

namespace p2pcp::sim {

// REQUIRES: text is a numeric address.
IpAddress Ip(std::string_view text);
// REQUIRES: text is "ADDRESS:PORT".
SocketAddress Address(std::string_view text);

// Two hosts, 192.0.2.1 and 192.0.2.2, an attacker between them who does
// nothing at first, and a link each way.
class Wire {
 public:
  Wire(Simulator& simulator, const LinkOptions& a_to_b,
       const LinkOptions& b_to_a);
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;

  Host& a() { return a_; }
  Host& b() { return b_; }
  Link& a_to_b() { return a_to_b_; }
  Link& b_to_a() { return b_to_a_; }
  Attacker& attacker() { return attacker_; }

 private:
  Host a_;
  Host b_;
  Attacker attacker_;  // Its inside is a's end.
  Link a_to_b_;
  Link b_to_a_;
};

// A carrier's NAT: a network of its own behind it, in which homes are.
struct Carrier {
  Router network;
  std::unique_ptr<Nat> nat;
};

// A home: hosts on a switch, behind a NAT for IPv4 and a firewall for IPv6
// where it has them, on an access line that ends at the core or at a CGN.
struct Home {
  Router lan{/*hops=*/0};
  Router entry{/*hops=*/0};  // What comes in, by family.
  std::unique_ptr<Nat> nat;
  std::unique_ptr<Firewall> firewall;
  std::unique_ptr<Attacker> attacker;  // On the access line.
  std::unique_ptr<Link> up;
  std::unique_ptr<Link> down;
  std::vector<std::unique_ptr<Host>> hosts;
  Carrier* carrier = nullptr;
};

struct HomeOptions {
  // Without a NAT, hosts have public IPv4 addresses.
  std::optional<NatOptions> nat = NatOptions{};
  std::vector<IpAddress> external = {};  // Of the NAT.
  std::optional<FirewallOptions> firewall = {};
  LinkOptions up = {};
  LinkOptions down = {};
  Carrier* carrier = nullptr;
};

class Internet {
 public:
  // hops: routers between any two homes.
  explicit Internet(Simulator& simulator, int hops = 1)
      : simulator_(simulator), core_(hops) {}
  Internet(const Internet&) = delete;
  Internet& operator=(const Internet&) = delete;

  Router& core() { return core_; }

  // A host right at the core, `delay` away.
  Host& AddServer(std::vector<IpAddress> addresses, Duration delay);
  Carrier& AddCarrier(const NatOptions& nat, std::vector<IpAddress> external);
  Home& AddHome(const HomeOptions& options);
  // Its IPv4 address is private behind a NAT; IPv6 ones are always public.
  Host& AddHost(Home& home, std::vector<IpAddress> addresses);
  // The home's line has got other outside addresses.
  void Renumber(Home& home, std::vector<IpAddress> external);

 private:
  struct Server {
    Server(Simulator& simulator, std::vector<IpAddress> addresses)
        : host(simulator, std::move(addresses)) {}
    Host host;
    std::unique_ptr<Link> up;
    std::unique_ptr<Link> down;
  };

  // Where home's line ends.
  Router& RouterOf(const Home& home) {
    return home.carrier == nullptr ? core_ : home.carrier->network;
  }

  Simulator& simulator_;
  Router core_;
  std::vector<std::unique_ptr<Server>> servers_;
  std::vector<std::unique_ptr<Carrier>> carriers_;
  std::vector<std::unique_ptr<Home>> homes_;
};

}  // namespace p2pcp::sim

#endif  // P2PCP_TESTS_SIM_TOPOLOGY_H_

#include "tests/sim/topology.h"

#include <utility>

#include "net/base/check.h"

namespace p2pcp::sim {

IpAddress Ip(std::string_view text) {
  const std::optional<IpAddress> ip = IpAddress::Parse(text);
  P2PCP_CHECK(ip.has_value());
  return *ip;
}

SocketAddress Address(std::string_view text) {
  const std::optional<SocketAddress> address = SocketAddress::Parse(text);
  P2PCP_CHECK(address.has_value());
  return *address;
}

Wire::Wire(Simulator& simulator, const LinkOptions& a_to_b,
           const LinkOptions& b_to_a)
    : a_(simulator, {Ip("192.0.2.1")}),
      b_(simulator, {Ip("192.0.2.2")}),
      attacker_(simulator, {}),
      a_to_b_(simulator, a_to_b, b_),
      b_to_a_(simulator, b_to_a, attacker_.outside()) {
  a_.Connect(attacker_.inside());
  attacker_.ConnectInside(a_);
  attacker_.ConnectOutside(a_to_b_);
  b_.Connect(b_to_a_);
}

Host& Internet::AddServer(std::vector<IpAddress> addresses, Duration delay) {
  Server& server = *servers_.emplace_back(
      std::make_unique<Server>(simulator_, std::move(addresses)));
  LinkOptions options;
  options.delay = delay;
  server.up = std::make_unique<Link>(simulator_, options, core_);
  server.down = std::make_unique<Link>(simulator_, options, server.host);
  server.host.Connect(*server.up);
  for (const IpAddress& ip : server.host.addresses()) {
    core_.AddRoute(ip, *server.down);
  }
  return server.host;
}

Carrier& Internet::AddCarrier(const NatOptions& nat,
                              std::vector<IpAddress> external) {
  Carrier& carrier = *carriers_.emplace_back(std::make_unique<Carrier>());
  carrier.nat = std::make_unique<Nat>(simulator_, nat, std::move(external));
  carrier.nat->ConnectInside(carrier.network);
  carrier.nat->ConnectOutside(core_);
  carrier.network.SetDefaultV4(carrier.nat->inside());
  carrier.network.SetDefaultV6(core_);
  for (const IpAddress& ip : carrier.nat->external()) {
    core_.AddRoute(ip, carrier.nat->outside());
  }
  return carrier;
}

Home& Internet::AddHome(const HomeOptions& options) {
  Home& home = *homes_.emplace_back(std::make_unique<Home>());
  home.carrier = options.carrier;
  home.attacker = std::make_unique<Attacker>(simulator_, AttackerOptions{});
  home.up = std::make_unique<Link>(simulator_, options.up, RouterOf(home));
  home.down = std::make_unique<Link>(simulator_, options.down,
                                     home.attacker->outside());
  home.attacker->ConnectOutside(*home.up);
  home.attacker->ConnectInside(home.entry);
  if (options.nat) {
    home.nat =
        std::make_unique<Nat>(simulator_, *options.nat, options.external);
    home.nat->ConnectInside(home.lan);
    home.nat->ConnectOutside(home.attacker->inside());
    home.lan.SetDefaultV4(home.nat->inside());
    home.entry.SetDefaultV4(home.nat->outside());
    for (const IpAddress& ip : options.external) {
      RouterOf(home).AddRoute(ip, *home.down);
    }
  } else {
    home.lan.SetDefaultV4(home.attacker->inside());
    home.entry.SetDefaultV4(home.lan);
  }
  if (options.firewall) {
    home.firewall = std::make_unique<Firewall>(simulator_, *options.firewall);
    home.firewall->ConnectInside(home.lan);
    home.firewall->ConnectOutside(home.attacker->inside());
    home.lan.SetDefaultV6(home.firewall->inside());
    home.entry.SetDefaultV6(home.firewall->outside());
  } else {
    home.lan.SetDefaultV6(home.attacker->inside());
    home.entry.SetDefaultV6(home.lan);
  }
  return home;
}

Host& Internet::AddHost(Home& home, std::vector<IpAddress> addresses) {
  Host& host = *home.hosts.emplace_back(
      std::make_unique<Host>(simulator_, std::move(addresses)));
  host.Connect(home.lan);
  for (const IpAddress& ip : host.addresses()) {
    home.lan.AddRoute(ip, host);
    if (ip.is_v6()) {
      core_.AddRoute(ip, *home.down);
    } else if (home.nat == nullptr) {
      RouterOf(home).AddRoute(ip, *home.down);
    }
  }
  return host;
}

void Internet::Renumber(Home& home, std::vector<IpAddress> external) {
  P2PCP_CHECK(home.nat != nullptr);
  Router& router = RouterOf(home);
  for (const IpAddress& ip : home.nat->external()) router.RemoveRoute(ip);
  home.nat->Renumber(std::move(external));
  for (const IpAddress& ip : home.nat->external()) {
    router.AddRoute(ip, *home.down);
  }
}

}  // namespace p2pcp::sim

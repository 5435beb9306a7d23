// Forwards by destination address; also the switch of a LAN.

#ifndef P2PCP_TESTS_SIM_ROUTER_H_
#define P2PCP_TESTS_SIM_ROUTER_H_

#include <cstdint>
#include <map>

#include "net/base/socket_address.h"
#include "tests/sim/packet.h"

namespace p2pcp::sim {

class Router final : public PacketSink {
 public:
  // A router takes one from the hop limit; a switch does not; a chain of
  // routers that are all alike takes more.
  explicit Router(int hops = 1) : hops_(hops) {}

  // The way to one address; replaces an older one.
  void AddRoute(const IpAddress& to, PacketSink& via) { routes_[to] = &via; }
  void RemoveRoute(const IpAddress& to) { routes_.erase(to); }
  // The way to all else of a family.
  void SetDefaultV4(PacketSink& via) { default_v4_ = &via; }
  void SetDefaultV6(PacketSink& via) { default_v6_ = &via; }

  void Receive(PacketPtr packet) override;

  std::uint64_t unroutable() const { return unroutable_; }
  // Packets whose hop limit ran out here.
  std::uint64_t expired() const { return expired_; }

 private:
  int hops_;
  std::map<IpAddress, PacketSink*> routes_;
  PacketSink* default_v4_ = nullptr;
  PacketSink* default_v6_ = nullptr;
  std::uint64_t unroutable_ = 0;
  std::uint64_t expired_ = 0;
};

}  // namespace p2pcp::sim

#endif  // P2PCP_TESTS_SIM_ROUTER_H_

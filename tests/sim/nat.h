// A network address and port translator for UDP over IPv4 in every kind that
// RFC 4787 tells apart: three kinds of mapping, three of filtering, four ways
// to choose the outside port, hairpinning, pooling, time-outs, poisoning. A CGN
// is one Nat outside another.

#ifndef P2PCP_TESTS_SIM_NAT_H_
#define P2PCP_TESTS_SIM_NAT_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "net/base/socket_address.h"
#include "net/base/time.h"
#include "tests/sim/flow_table.h"
#include "tests/sim/middlebox.h"
#include "tests/sim/simulator.h"

namespace p2pcp::sim {

// How the outside port of a new mapping is chosen. All of them take a port
// that no other mapping has.
enum class PortAllocation {
  kPreserve,    // The inside port where it is free, else a random one.
  kSequential,  // first_port, first_port + step, ...
  kRandom,      // Any port from 1024.
  kBlock,       // Any port of [first_port, first_port + block_size).
};

struct NatOptions {
  Dependence mapping = Dependence::kEndpointIndependent;
  Dependence filtering = Dependence::kAddressAndPortDependent;
  PortAllocation allocation = PortAllocation::kPreserve;
  std::uint16_t first_port = 20000;
  std::uint16_t step = 1;
  std::uint16_t block_size = 512;
  bool hairpin = false;  // RFC 4787 REQ-9.
  // With several outside addresses: one inside address keeps one of them
  // (RFC 4787 REQ-2), or each mapping takes any.
  bool paired_pooling = true;
  // REQ-5 asks for two minutes or more; the field has 30 s, too.
  Duration timeout = std::chrono::seconds(120);
  // REQ-6: packets from inside always keep a mapping; from outside perhaps.
  bool inbound_refresh = true;
  // The router takes packets that no mapping lets in for its own, and what its
  // hosts send there later leaves from another port: Linux' masquerade without
  // a filter on the router's input. That port is then the one of every new flow
  // of that socket, while older ones keep theirs (find_appropriate_src() in
  // Linux' nf_nat_core.c). REQUIRES: mapping does not depend on the port.
  bool poisonable = false;
  // Mappings to different remotes may have the same outside port, as in Linux,
  // where the remote's port tells them apart. REQUIRES: mapping and filtering
  // depend on address and port.
  bool overload = false;
  // A CGN grants only so many (RFC 6888 section 3, REQ-4).
  std::size_t max_mappings = 65536;
};

struct NatStats {
  std::uint64_t mappings = 0;  // Ever made.
  std::uint64_t unmapped = 0;  // Inbound to a port that is nobody's.
  std::uint64_t filtered = 0;  // Inbound from someone who may not.
  std::uint64_t hairpinned = 0;
  std::uint64_t hairpin_drops = 0;
  std::uint64_t exhausted = 0;  // Outbound without a free port or quota.
  std::uint64_t poisoned = 0;   // Mappings that were not there to be had.
};

class Nat final : public Middlebox {
 public:
  // REQUIRES: external is not empty and all IPv4.
  Nat(Simulator& simulator, const NatOptions& options,
      std::vector<IpAddress> external);

  // Drops every mapping, and gives none of their ports out again: whoever
  // sends next appears from another port, as after a restart of the router or
  // when a CGN moves a subscriber.
  void Rebind();
  // The line has got another address.
  void Renumber(std::vector<IpAddress> external);

  const std::vector<IpAddress>& external() const { return external_; }
  const NatStats& stats() const { return stats_; }
  // The outside endpoint that inside has now towards remote.
  std::optional<SocketAddress> Find(const SocketAddress& inside,
                                    const SocketAddress& remote) const;

 private:
  // The inside endpoint, and the part of the remote that the mapping is for.
  using Key = std::pair<SocketAddress, SocketAddress>;
  struct Mapping {
    SocketAddress inside;
    SocketAddress external;
    TimePoint expires;
    FlowTable flows;
  };

  void HandleOutbound(PacketPtr packet) override;
  void HandleInbound(PacketPtr packet) override;
  // The inbound half: to whom packet goes, or nothing where it is dropped.
  bool Translate(Packet& packet);
  Mapping* MapOutbound(const SocketAddress& inside,
                       const SocketAddress& remote);
  // The mapping of key, made if there is none; null if there can't be.
  Mapping* FindOrMake(const Key& key, bool anywhere);
  bool IsPoisoned(const SocketAddress& external, const SocketAddress& remote);
  // The mapping that takes packets to remote where poison has made detours for
  // their socket: the one with that flow, else the newest.
  Key WayOf(const Key& plain, const std::vector<Key>& detours,
            const SocketAddress& remote);
  void Forget(const Key& key);
  std::optional<SocketAddress> Allocate(const Key& key);
  std::optional<std::uint16_t> RandomPort(const Key& key, const IpAddress& ip,
                                          std::uint32_t first,
                                          std::uint32_t count);
  // Whether key may have that outside endpoint.
  bool IsFree(const Key& key, const SocketAddress& external) const;
  // What tells apart who may use an outside endpoint.
  Key Outside(const SocketAddress& external,
              const SocketAddress& remote) const {
    return {external, options_.overload ? remote : SocketAddress{}};
  }
  bool IsExternal(const IpAddress& ip) const;

  Simulator& simulator_;
  NatOptions options_;
  std::vector<IpAddress> external_;
  std::map<Key, Mapping> mappings_;
  std::map<Key, Key> by_external_;   // By Outside().
  std::set<SocketAddress> retired_;  // By Rebind.
  // Outside endpoint and remote, until when.
  std::map<Key, TimePoint> poison_;
  // By inside endpoint, the newest last.
  std::map<SocketAddress, std::vector<Key>> detours_;
  std::uint32_t next_port_;
  NatStats stats_;
};

}  // namespace p2pcp::sim

#endif  // P2PCP_TESTS_SIM_NAT_H_

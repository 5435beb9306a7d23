// A machine: addresses, and UDP sockets bound to ports of theirs.

#ifndef P2PCP_TESTS_SIM_HOST_H_
#define P2PCP_TESTS_SIM_HOST_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <unordered_map>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/socket_address.h"
#include "tests/sim/packet.h"
#include "tests/sim/simulator.h"

namespace p2pcp::sim {

class Host final : public PacketSink {
 public:
  // Called with each datagram that a socket receives. The bytes may be changed
  // (decrypted in place) and are gone after the call.
  using Receiver =
      std::function<void(const SocketAddress& from, const SocketAddress& to,
                         MutableByteSpan bytes)>;

  // The simulator must outlive the host.
  Host(Simulator& simulator, std::vector<IpAddress> addresses)
      : simulator_(simulator), addresses_(std::move(addresses)) {}

  // Where everything goes that this host sends. REQUIRES: called before Send.
  void Connect(PacketSink& uplink) { uplink_ = &uplink; }

  const std::vector<IpAddress>& addresses() const { return addresses_; }
  // The first address of a family. REQUIRES: there is one.
  const IpAddress& v4() const;
  const IpAddress& v6() const;
  // The machine roams: it has these addresses from now on. Its sockets stay,
  // and receive what is sent to the new ones.
  void SetAddresses(std::vector<IpAddress> addresses) {
    addresses_ = std::move(addresses);
  }

  // One socket on a port, for all addresses. REQUIRES: the port is free.
  void Bind(std::uint16_t port, Receiver receiver);
  void Close(std::uint16_t port);

  // Sends from the host's address of to's family; false without such one.
  bool Send(std::uint16_t from_port, const SocketAddress& to, ByteSpan bytes,
            int hop_limit = kDefaultHopLimit);
  // The same with a packet from the simulator's pool that has to, hop_limit
  // and bytes set, without a copy.
  bool Send(std::uint16_t from_port, PacketPtr packet);

  void Receive(PacketPtr packet) override;

  // Datagrams that no socket or address took.
  std::uint64_t unreachable() const { return unreachable_; }

 private:
  Simulator& simulator_;
  std::vector<IpAddress> addresses_;
  PacketSink* uplink_ = nullptr;
  // Shared, since a receiver may close its own socket.
  std::unordered_map<std::uint16_t, std::shared_ptr<Receiver>> sockets_;
  std::uint64_t unreachable_ = 0;
};

}  // namespace p2pcp::sim

#endif  // P2PCP_TESTS_SIM_HOST_H_

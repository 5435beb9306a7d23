#include "cmd/network/own_addresses.h"

#include <fmt/format.h>

#include <utility>

#include "cmd/text.h"
#include "net/base/result.h"
#include "net/base/socket_address.h"

namespace p2pcp::cmd {

OwnAddresses::OwnAddresses(udp::EventLoop* loop, udp::Resolver* resolver,
                           Random* random, LocalNetwork* network,
                           connect::Connector* connector, Config config)
    : loop_(loop),
      resolver_(resolver),
      random_(random),
      network_(network),
      connector_(connector),
      config_(std::move(config)) {
  network_->Moved();
  connector_->SetHostCandidates(loop_->Now(),
                                network_->HostCandidates(config_.loopback));
  Result<std::unique_ptr<udp::AddressWatch>> watch =
      udp::AddressWatch::Create(loop_, [this] { Rescan(); });
  if (watch.ok()) watch_ = *std::move(watch);
  for (const StunServer& server : config_.stun_servers) AskStun(server);
  MapPort();
}

void OwnAddresses::Rescan() {
  const bool moved = network_->Moved();
  connector_->SetHostCandidates(loop_->Now(),
                                network_->HostCandidates(config_.loopback));
  if (!moved) return;
  config_.on_step("this host has other addresses now");
  MapPort();
  config_.on_moved();
}

void OwnAddresses::AskStun(const StunServer& server) {
  resolver_->Resolve(
      server.host, server.port, loop_->Now() + kResolveTimeout,
      [this, server](Result<std::vector<SocketAddress>> addresses) {
        if (!addresses.ok()) {
          config_.on_step(fmt::format("STUN server {}: {}", Escape(server.host),
                                      Escape(addresses.error().message)));
          return;
        }
        // One address of each family is enough of one operator.
        std::vector<bool> asked(network_->sockets().size(), false);
        for (const SocketAddress& address : *addresses) {
          const auto socket = network_->SocketFor(address.ip);
          if (!socket || asked[*socket]) continue;
          asked[*socket] = true;
          connector_->AddStunServer(loop_->Now(), address, *socket);
        }
      });
}

void OwnAddresses::MapPort() {
  const auto socket = network_->SocketFor(IpAddress());
  port_mapping_.reset();
  if (!socket) return;
  port_mapping_ = udp::PortMapping::Start(
      loop_, network_->sockets()[*socket].local_address().port, config_.upnp,
      *random_, [this] { HandlePortMapped(); });
}

void OwnAddresses::HandlePortMapped() {
  const std::vector<SocketAddress> mapped = port_mapping_->mapped();
  for (const SocketAddress& address : mapped) {
    config_.on_step(fmt::format("the router maps {} to us ({})",
                                address.ToString(),
                                fmt::join(port_mapping_->protocols(), ", ")));
  }
  connector_->SetMappedCandidates(loop_->Now(),
                                  *network_->SocketFor(IpAddress()), mapped);
}

}  // namespace p2pcp::cmd

#include "tests/sim/host.h"

#include <algorithm>
#include <utility>

#include "net/base/check.h"

namespace p2pcp::sim {
namespace {

const IpAddress* Find(const std::vector<IpAddress>& addresses, bool v6) {
  for (const IpAddress& address : addresses) {
    if (address.is_v6() == v6) return &address;
  }
  return nullptr;
}

}  // namespace

const IpAddress& Host::v4() const {
  const IpAddress* address = Find(addresses_, false);
  P2PCP_CHECK(address != nullptr);
  return *address;
}

const IpAddress& Host::v6() const {
  const IpAddress* address = Find(addresses_, true);
  P2PCP_CHECK(address != nullptr);
  return *address;
}

void Host::Bind(std::uint16_t port, Receiver receiver) {
  const bool free =
      sockets_.emplace(port, std::make_shared<Receiver>(std::move(receiver)))
          .second;
  P2PCP_CHECK(free);
}

void Host::Close(std::uint16_t port) { sockets_.erase(port); }

bool Host::Send(std::uint16_t from_port, const SocketAddress& to,
                ByteSpan bytes, int hop_limit) {
  PacketPtr packet = simulator_.packets().Get();
  packet->to = to;
  packet->hop_limit = hop_limit;
  packet->bytes.assign(bytes.begin(), bytes.end());
  return Send(from_port, std::move(packet));
}

bool Host::Send(std::uint16_t from_port, PacketPtr packet) {
  P2PCP_CHECK(uplink_ != nullptr);
  const IpAddress* address = Find(addresses_, packet->to.ip.is_v6());
  if (address == nullptr) return false;
  packet->from = {.ip = *address, .port = from_port};
  uplink_->Receive(std::move(packet));
  return true;
}

void Host::Receive(PacketPtr packet) {
  const auto socket = sockets_.find(packet->to.port);
  if (socket == sockets_.end() ||
      std::find(addresses_.begin(), addresses_.end(), packet->to.ip) ==
          addresses_.end()) {
    ++unreachable_;
    return;
  }
  const std::shared_ptr<Receiver> receiver = socket->second;
  (*receiver)(packet->from, packet->to, packet->bytes);
}

}  // namespace p2pcp::sim

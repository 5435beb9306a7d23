#include "tests/sim/firewall.h"

#include <utility>

namespace p2pcp::sim {

void Firewall::HandleOutbound(PacketPtr packet) {
  if (--packet->hop_limit <= 0) return;
  if (options_.blocks_all) {
    ++filtered_;
    return;
  }
  flows_.try_emplace(packet->from, options_.filtering, options_.timeout)
      .first->second.Open(simulator_.now(), packet->to);
  SendOutside(std::move(packet));
}

void Firewall::HandleInbound(PacketPtr packet) {
  if (--packet->hop_limit <= 0) return;
  const auto flow = flows_.find(packet->to);
  if (options_.blocks_all || flow == flows_.end() ||
      !flow->second.Admits(simulator_.now(), packet->from, true)) {
    ++filtered_;
    return;
  }
  SendInside(std::move(packet));
}

}  // namespace p2pcp::sim

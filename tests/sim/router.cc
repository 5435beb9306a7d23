#include "tests/sim/router.h"

#include <utility>

namespace p2pcp::sim {

void Router::Receive(PacketPtr packet) {
  packet->hop_limit -= hops_;
  if (hops_ > 0 && packet->hop_limit <= 0) {
    ++expired_;
    return;
  }
  const auto route = routes_.find(packet->to.ip);
  PacketSink* via = route != routes_.end()  ? route->second
                    : packet->to.ip.is_v6() ? default_v6_
                                            : default_v4_;
  if (via == nullptr) {
    ++unroutable_;
    return;
  }
  via->Receive(std::move(packet));
}

}  // namespace p2pcp::sim

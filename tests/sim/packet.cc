#include "tests/sim/packet.h"

namespace p2pcp::sim {

PacketPtr PacketPool::Get() {
  Packet* packet;
  if (free_.empty()) {
    packet = &packets_.emplace_back();
  } else {
    packet = free_.back();
    free_.pop_back();
  }
  packet->bytes.clear();
  return Adopt(packet);
}

PacketPtr PacketPool::Copy(const Packet& packet) {
  PacketPtr copy = Get();
  copy->from = packet.from;
  copy->to = packet.to;
  copy->hop_limit = packet.hop_limit;
  copy->bytes.assign(packet.bytes.begin(), packet.bytes.end());
  return copy;
}

}  // namespace p2pcp::sim

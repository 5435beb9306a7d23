#include "transfer/session/receiver.h"

#include <utility>

#include "transfer/session/receiver_core.h"

namespace p2pcp {

Receiver::Receiver(TimePoint now, const Config& config,
                   const file::OutputTarget* target, file::Disk* disk,
                   Random* random)
    : core_(std::make_unique<Core>(now, config, target, disk, random)) {}
Receiver::~Receiver() = default;

Receiver::Listing Receiver::listing() const { return core_->listing(); }
void Receiver::Decide(TimePoint now, bool accept) {
  core_->Decide(now, accept);
}

void Receiver::HandlePackets(TimePoint now,
                             std::span<const Connection::Received> packets) {
  core_->HandlePackets(now, packets);
}
void Receiver::HandleTimeout(TimePoint now) { core_->HandleTimeout(now); }
void Receiver::HandleDisk(TimePoint now) { core_->HandleDisk(now); }
void Receiver::HandlePathChange(TimePoint now, std::size_t max_payload) {
  core_->HandlePathChange(now, max_payload);
}
void Receiver::SetMaxPayload(std::size_t max_payload) {
  core_->connection().SetMaxPayload(max_payload);
}
void Receiver::HandleChannelLost(TimePoint now) {
  core_->HandleChannelLost(now);
}
std::optional<Connection::Packet> Receiver::PollTransmit(TimePoint now,
                                                         PacketNumber number,
                                                         MutableByteSpan out) {
  return core_->PollTransmit(now, number, out);
}
std::optional<TimePoint> Receiver::PollTimeout() const {
  return core_->PollTimeout();
}
std::optional<SessionEvent> Receiver::PollEvent() { return core_->PollEvent(); }
void Receiver::Cancel(TimePoint now, Error reason) {
  core_->Cancel(now, std::move(reason));
}
Progress Receiver::progress() const { return core_->progress(); }
const ConnectionStats& Receiver::stats() const {
  return std::as_const(*core_).connection().stats();
}
void Receiver::SetSocketDrops(std::uint64_t total) {
  core_->connection().SetSocketDrops(total);
}

}  // namespace p2pcp

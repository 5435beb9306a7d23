#include "transfer/session/sender.h"

#include <utility>

#include "transfer/session/sender_core.h"

namespace p2pcp {

Sender::Sender(TimePoint now, const Config& config, file::SourceTree* tree,
               file::Disk* disk)
    : core_(std::make_unique<Core>(now, config, tree, disk)) {}
Sender::~Sender() = default;

void Sender::HandlePackets(TimePoint now,
                           std::span<const Connection::Received> packets) {
  core_->HandlePackets(now, packets);
}
void Sender::HandleTimeout(TimePoint now) { core_->HandleTimeout(now); }
void Sender::HandleDisk(TimePoint now) { core_->HandleDisk(now); }
void Sender::HandlePathChange(TimePoint now, std::size_t max_payload) {
  core_->HandlePathChange(now, max_payload);
}
void Sender::SetMaxPayload(std::size_t max_payload) {
  core_->connection().SetMaxPayload(max_payload);
}
void Sender::HandleChannelLost(TimePoint now) { core_->HandleChannelLost(now); }
std::optional<Connection::Packet> Sender::PollTransmit(TimePoint now,
                                                       PacketNumber number,
                                                       MutableByteSpan out) {
  return core_->PollTransmit(now, number, out);
}
Connection::Run Sender::PollRun(TimePoint now, PacketNumber number,
                                std::size_t most, std::size_t size,
                                std::size_t stride, MutableByteSpan out) {
  return core_->PollRun(now, number, most, size, stride, out);
}
std::optional<TimePoint> Sender::PollTimeout() const {
  return core_->PollTimeout();
}
std::optional<SessionEvent> Sender::PollEvent() { return core_->PollEvent(); }
void Sender::Cancel(TimePoint now, Error reason) {
  core_->Cancel(now, std::move(reason));
}
Progress Sender::progress() const { return core_->progress(); }
const ConnectionStats& Sender::stats() const {
  return std::as_const(*core_).connection().stats();
}
void Sender::SetSocketDrops(std::uint64_t total) {
  core_->connection().SetSocketDrops(total);
}

}  // namespace p2pcp

// A Session whose work an Endpoint does.

#ifndef P2PCP_TRANSFER_SESSION_SESSION_SHELL_H_
#define P2PCP_TRANSFER_SESSION_SESSION_SHELL_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>

#include "net/base/bytes.h"
#include "net/base/packet_number.h"
#include "net/base/result.h"
#include "net/base/time.h"
#include "transfer/connection/connection.h"
#include "transfer/session/session.h"

namespace p2pcp {

// Core is an Endpoint with progress().
template <typename Core>
class SessionShell final : public Session {
 public:
  template <typename... Arguments>
  explicit SessionShell(Arguments&&... arguments)
      : core_(std::forward<Arguments>(arguments)...) {}

  void HandlePackets(TimePoint now,
                     std::span<const Connection::Received> packets) override {
    core_.HandlePackets(now, packets);
  }
  void HandleTimeout(TimePoint now) override { core_.HandleTimeout(now); }
  void HandleDisk(TimePoint now) override { core_.HandleDisk(now); }
  void HandlePathChange(TimePoint now, std::size_t max_payload) override {
    core_.HandlePathChange(now, max_payload);
  }
  void SetMaxPayload(std::size_t max_payload) override {
    core_.connection().SetMaxPayload(max_payload);
  }
  void HandleChannelLost(TimePoint now) override {
    core_.HandleChannelLost(now);
  }
  std::optional<Connection::Packet> PollTransmit(TimePoint now,
                                                 PacketNumber number,
                                                 MutableByteSpan out) override {
    return core_.PollTransmit(now, number, out);
  }
  Connection::Run PollRun(TimePoint now, PacketNumber number, std::size_t most,
                          std::size_t size, std::size_t stride,
                          MutableByteSpan out) override {
    return core_.PollRun(now, number, most, size, stride, out);
  }
  std::optional<TimePoint> PollTimeout() const override {
    return core_.PollTimeout();
  }
  std::optional<SessionEvent> PollEvent() override { return core_.PollEvent(); }
  void Cancel(TimePoint now, Error reason) override {
    core_.Cancel(now, std::move(reason));
  }
  Progress progress() const override { return core_.progress(); }
  const ConnectionStats& stats() const override {
    return core_.connection().stats();
  }
  void SetSocketDrops(std::uint64_t total) override {
    core_.connection().SetSocketDrops(total);
  }

 private:
  Core core_;
};

}  // namespace p2pcp

#endif  // P2PCP_TRANSFER_SESSION_SESSION_SHELL_H_

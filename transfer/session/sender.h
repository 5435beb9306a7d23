// The side that sends files and folders.

#ifndef P2PCP_TRANSFER_SESSION_SENDER_H_
#define P2PCP_TRANSFER_SESSION_SENDER_H_

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>

#include "net/base/bytes.h"
#include "net/base/packet_number.h"
#include "net/base/result.h"
#include "net/base/time.h"
#include "transfer/connection/connection.h"
#include "transfer/connection/tracer.h"
#include "transfer/file/disk.h"
#include "transfer/file/source_tree.h"
#include "transfer/session/bottleneck.h"
#include "transfer/session/receipt.h"
#include "transfer/session/session.h"

namespace p2pcp {

class Sender final : public Session {
 public:
  struct Config {
    // As Connection::Config's.
    std::size_t max_payload = 1'172;
    Congestion congestion = Congestion::kBbr;
    Duration initial_rtt = 333ms;
    std::uint64_t rate_limit = 0;
    std::size_t packet_overhead = 0;
    // Whether bytes may be sent before the receiver wants them. In vain where
    // it has them, as when a transfer goes on.
    bool early = true;
    // Of so many files FileDone tells, and no more: a folder may have a
    // million.
    std::uint64_t told_files = std::numeric_limits<std::uint64_t>::max();
    // Each may be null; they must outlive the session. With a receipt one is
    // asked for.
    ReceiptTaker* receipt = nullptr;
    const LoadMeter* load = nullptr;
    ConnectionTracer* tracer = nullptr;
  };

  // tree and disk must outlive the session, which is their only user. What the
  // tree has is sent from its beginning on.
  Sender(TimePoint now, const Config& config, file::SourceTree* tree,
         file::Disk* disk);
  ~Sender() override;

  void HandlePackets(TimePoint now,
                     std::span<const Connection::Received> packets) override;
  void HandleTimeout(TimePoint now) override;
  void HandleDisk(TimePoint now) override;
  void HandlePathChange(TimePoint now, std::size_t max_payload) override;
  void SetMaxPayload(std::size_t max_payload) override;
  void HandleChannelLost(TimePoint now) override;
  std::optional<Connection::Packet> PollTransmit(TimePoint now,
                                                 PacketNumber number,
                                                 MutableByteSpan out) override;
  Connection::Run PollRun(TimePoint now, PacketNumber number, std::size_t most,
                          std::size_t size, std::size_t stride,
                          MutableByteSpan out) override;
  std::optional<TimePoint> PollTimeout() const override;
  std::optional<SessionEvent> PollEvent() override;
  void Cancel(TimePoint now, Error reason) override;
  Progress progress() const override;
  const ConnectionStats& stats() const override;
  void SetSocketDrops(std::uint64_t total) override;

 private:
  class Core;
  std::unique_ptr<Core> core_;
};

}  // namespace p2pcp

#endif  // P2PCP_TRANSFER_SESSION_SENDER_H_

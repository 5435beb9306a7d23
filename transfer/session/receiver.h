// The side that receives files and folders.

#ifndef P2PCP_TRANSFER_SESSION_RECEIVER_H_
#define P2PCP_TRANSFER_SESSION_RECEIVER_H_

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/packet_number.h"
#include "net/base/random.h"
#include "net/base/result.h"
#include "net/base/time.h"
#include "transfer/connection/connection.h"
#include "transfer/connection/tracer.h"
#include "transfer/file/disk.h"
#include "transfer/file/output_folder.h"
#include "transfer/session/bottleneck.h"
#include "transfer/session/receipt.h"
#include "transfer/session/session.h"

namespace p2pcp {

class Receiver final : public Session {
 public:
  struct Config {
    // As Connection::Config's.
    std::size_t max_payload = 1'172;
    Congestion congestion = Congestion::kCubic;
    Duration initial_rtt = 333ms;

    file::ConflictPolicy conflict = file::ConflictPolicy::kRename;
    // Wait for Decide() after Offered; else everything plain is accepted.
    bool ask = false;
    // What is declined: more bytes of files than this, together.
    std::optional<std::uint64_t> max_bytes = {};
    // Names with a dot in front are taken at the top too.
    bool allow_dotfiles = false;
    // Where an older version of a file is replaced, only what differs comes.
    bool delta = true;
    // Of so many files FileDone tells, and no more: a folder may have a
    // million.
    std::uint64_t told_files = std::numeric_limits<std::uint64_t>::max();
    // Each may be null; they must outlive the session. Without a receipt an
    // offer that wants one is declined.
    ReceiptGiver* receipt = nullptr;
    const LoadMeter* load = nullptr;
    ConnectionTracer* tracer = nullptr;
  };

  // target (from file::OpenOutput) and disk must outlive the session,
  // which is the disk's only user. random
  // names the temporary files; used in the constructor only.
  Receiver(TimePoint now, const Config& config,
           const file::OutputTarget* target, file::Disk* disk, Random* random);
  ~Receiver() override;

  // What is offered, as far as it is known; at the event Offered that is all,
  // or the beginning of it. Names are the peer's text: escape them.
  struct Listing {
    struct Entry {
      std::string path;
      bool is_folder = false;
      std::uint64_t size = 0;

      friend bool operator==(const Entry&, const Entry&) = default;
    };
    std::vector<Entry> entries;  // Those that are not settled.
    std::uint64_t files = 0;
    std::uint64_t bytes = 0;
    bool complete = false;

    friend bool operator==(const Listing&, const Listing&) = default;
  };
  Listing listing() const;
  // The user's answer. REQUIRES: Config::ask; after the event Offered, once. No
  // effect if the session has ended meanwhile.
  void Decide(TimePoint now, bool accept);

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

#endif  // P2PCP_TRANSFER_SESSION_RECEIVER_H_

// What both sides of a session have in common: the connection, the greeting,
// and how it ends so that both sides know the same.

#ifndef P2PCP_TRANSFER_SESSION_ENDPOINT_H_
#define P2PCP_TRANSFER_SESSION_ENDPOINT_H_

#include <cstdint>
#include <deque>
#include <limits>
#include <optional>
#include <span>
#include <string>

#include "net/base/bytes.h"
#include "net/base/packet_number.h"
#include "net/base/result.h"
#include "net/base/time.h"
#include "transfer/connection/byte_space.h"
#include "transfer/connection/connection.h"
#include "transfer/file/disk.h"
#include "transfer/session/bottleneck.h"
#include "transfer/session/machine_watch.h"
#include "transfer/session/messages.h"
#include "transfer/session/metered_disk.h"
#include "transfer/session/session.h"

namespace p2pcp {

// A greeting and the list of files need nobody's leave and no disk: who has not
// got on with them for so long does not mean to.
inline constexpr Duration kOfferPatience = 60s;
// While bytes are due: as long as a process waits for the other to come back.
inline constexpr Duration kTransferPatience = 600s;

// The end, seen from one side:
//
//            Settle()                acknowledged, answered,
//   kRunning ---------> kSettling -- peer closed, or time is up --> kClosing
//      |                                                               |
//      | channel lost, peer closed                CLOSE handed out, or |
//      +---------------------------> kOver <--------- 200 ms later ----+
//
// The result is fixed when kRunning is left; the rest is good manners: it makes
// sure that the peer has heard it.
class Endpoint {
 public:
  virtual ~Endpoint() = default;
  Endpoint(const Endpoint&) = delete;
  Endpoint& operator=(const Endpoint&) = delete;

  void HandlePackets(TimePoint now,
                     std::span<const Connection::Received> packets);
  void HandleTimeout(TimePoint now);
  void HandleDisk(TimePoint now);
  void HandlePathChange(TimePoint now, std::size_t max_payload);
  void HandleChannelLost(TimePoint now);
  std::optional<Connection::Packet> PollTransmit(TimePoint now,
                                                 PacketNumber number,
                                                 MutableByteSpan out);
  Connection::Run PollRun(TimePoint now, PacketNumber number, std::size_t most,
                          std::size_t size, std::size_t stride,
                          MutableByteSpan out);
  std::optional<TimePoint> PollTimeout() const;
  std::optional<SessionEvent> PollEvent();
  void Cancel(TimePoint now, Error reason);

  Connection& connection() { return connection_; }
  const Connection& connection() const { return connection_; }

 protected:
  enum class State : std::uint8_t { kRunning, kSettling, kClosing, kOver };

  // Sends HELLO. source or sink as Connection's; meter may be null.
  Endpoint(TimePoint now, const Connection::Config& config, file::Disk* disk,
           const LoadMeter* meter, ByteSource* source, ByteSink* sink);

  // A message that Endpoint does not deal with itself, while kRunning and after
  // the peer's HELLO.
  virtual void HandleMessage(TimePoint now,
                             const message::Message& message) = 0;
  // Does what can be done now: disk completions are in, room may have come.
  // Only while kRunning.
  virtual void Advance(TimePoint now) = 0;
  // Whether Advance() has something to do that the connection's asking for
  // bytes has brought.
  virtual bool HasNews() const { return false; }
  // Completions of the disk wait. Only while kRunning.
  virtual void TakeDisk() = 0;
  // When Advance() has something to do without anything having happened.
  virtual std::optional<TimePoint> NextTurn() const { return std::nullopt; }
  // How long the peer may go on without any progress, now; none: as long as it
  // likes. A channel that lives says only that somebody is there.
  virtual std::optional<Duration> Patience() const = 0;
  // Grows with every byte of files that has come, or has been acknowledged.
  virtual std::uint64_t Progressed() const = 0;
  // The result is fixed and the end has come: nothing may be left behind.
  virtual void HandleOver() = 0;

  State state() const { return state_; }
  bool running() const { return state_ == State::kRunning; }
  bool greeted() const { return greeted_; }
  // The protocol's, from the peer's HELLO on.
  std::uint64_t version() const { return version_; }
  // The disk, for whoever submits jobs, and what the machine is busy with.
  file::Disk* disk() { return &metered_disk_; }
  MachineWatch& machine() { return machine_; }

  // Sends a message, or keeps it until there is room.
  void Send(const message::Message& message);
  // How long a message may be that is to go out now; 0 while others wait.
  std::size_t SendRoom() const;
  void Emit(SessionEvent event) { events_.push_back(std::move(event)); }

  // Whether FileDone shall tell of one more file; counts it.
  bool TellsFile() {
    if (told_files_ == 0) return false;
    --told_files_;
    return true;
  }
  // Files that FileDone tells of.
  void SetToldFiles(std::uint64_t files) { told_files_ = files; }

  // Fixes the result: none for success. The last message has been sent; the end
  // comes when the peer has it.
  void Settle(TimePoint now, std::optional<Error> result, Duration patience);
  // What the CLOSE will say of a failure.
  void SetCloseReason(message::Reason reason) { close_reason_ = reason; }
  // What Completed will say of the transfer.
  void SetReport(const TransferReport& report) { report_ = report; }
  // The peer has said its last word: the end comes now.
  void Close(TimePoint now);
  // Something went wrong here: tells the peer why, and ends.
  void Fail(TimePoint now, Error error);
  // The peer did what the protocol does not allow.
  void FailViolation(TimePoint now, std::string what);

  // About three probe timeouts (RFC 9002 section 6.2.1): how long a message
  // that gets lost twice may take.
  Duration Linger() const;

  // For the terminal event.
  virtual std::uint64_t completed_files() const = 0;
  virtual std::uint64_t completed_bytes() const = 0;
  virtual Savings savings() const { return {}; }

 private:
  void Receive(TimePoint now);
  void HandleHello(TimePoint now, const message::Hello& hello);
  void FlushOutbox();
  void Step(TimePoint now);
  void StepEnd(TimePoint now);
  void WatchProgress(TimePoint now);
  void Finish();

  Connection connection_;
  file::Disk& disk_;
  MeteredDisk metered_disk_;
  MachineWatch machine_;
  const Duration initial_rtt_;
  const bool receiver_;

  State state_ = State::kRunning;
  bool greeted_ = false;
  std::uint64_t version_ = 0;
  std::optional<Error> result_;  // Valid unless kRunning.
  std::optional<TransferReport> report_;
  message::Reason close_reason_ = message::Reason::kOther;
  TimePoint deadline_;  // Of kSettling and kClosing.
  bool awaits_answer_ = false;

  // Since when nothing has got on, and what there was then.
  TimePoint progress_at_;
  std::uint64_t progressed_ = 0;
  std::uint64_t messages_ = 0;  // Of the peer, so far.
  std::uint64_t messages_seen_ = 0;
  std::optional<Duration> patience_;

  // Since when packets have come that Step() has not looked at: one turn for a
  // batch of them, since a turn costs as much as a packet.
  std::optional<TimePoint> turn_due_;

  std::uint64_t told_files_ = std::numeric_limits<std::uint64_t>::max();

  std::deque<Bytes> outbox_;
  std::deque<SessionEvent> events_;
};

// What did not arrive, in files; folders that were kept back count as one.
struct Shortfall {
  std::uint64_t damaged = 0;
  std::uint64_t unreadable = 0;
  std::uint64_t kept_back = 0;
  // By the sender, as a receiver is told.
  std::uint64_t left_out = 0;

  std::uint64_t all() const {
    return damaged + unreadable + kept_back + left_out;
  }
};
// The result of a transfer in which not all files arrived; none if all did.
std::optional<Error> UnfinishedError(const Shortfall& shortfall);
// How a failure of ours is told to the peer, and the other way round: what a
// reason given by the peer is to us.
message::Reason ReasonFor(const Error& error);
Error PeerError(message::Reason reason, bool peer_is_receiver);

}  // namespace p2pcp

#endif  // P2PCP_TRANSFER_SESSION_ENDPOINT_H_

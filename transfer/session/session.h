// One transfer from offer to agreed result, as a state machine on top of a
// Connection and a file::Disk. Sender and Receiver implement it (PROTOCOL.md).
//
// Sans-IO: after Handle* calls drain PollTransmit(), then PollEvent(), then
// sleep until PollTimeout(). Packets that came together are handed in together:
// what they bring is looked at once, when PollTransmit() is called. After the
// terminal event (Completed or Failed) the session has nothing more to say. Its
// destructor abandons the disk's jobs, and with them what was received only in
// part.

#ifndef P2PCP_TRANSFER_SESSION_SESSION_H_
#define P2PCP_TRANSFER_SESSION_SESSION_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <variant>

#include "net/base/bytes.h"
#include "net/base/packet_number.h"
#include "net/base/result.h"
#include "net/base/time.h"
#include "transfer/connection/connection.h"
#include "transfer/file/digest.h"
#include "transfer/session/bottleneck.h"

namespace p2pcp {

// Receiver: the list has begun to come (Receiver::listing()). With Config::ask
// the session now waits for Receiver::Decide().
struct Offered {
  std::uint64_t file_count = 0;
  std::uint64_t total_bytes = 0;
  bool complete = true;  // Else more will come.
};

// Accepted: bytes may flow. Counts what is known to be offered by now.
struct Started {
  std::uint64_t file_count = 0;
  std::uint64_t total_bytes = 0;
  bool complete = true;
  bool into_pipe = false;  // Sender: the receiver keeps nothing of it.
};

// Sender: something that was named, or lies in a folder that was, is not sent.
struct LeftOut {
  std::string name;  // Its path.
  Error error;
  bool counts = true;  // False: nobody expects it, as with symbolic links.
};

// A part of a file is there from an earlier session; the rest follows.
struct Resumed {
  std::uint64_t index = 0;  // Of its entry.
  std::string name;
  std::uint64_t bytes = 0;  // That are there.
  std::uint64_t size = 0;
};

// Receiver: a part of another version of the file was there, and is deleted.
struct Outdated {
  std::uint64_t index = 0;
  std::string name;
};

// A file stands at the receiver under its final name, verified and synced. Told
// of the first Config::told_files.
struct FileDone {
  std::uint64_t index = 0;  // Of its entry.
  std::string name;         // As offered. Peer's text at a receiver: escape it.
  std::string final_name;   // Receiver: the name it got, in the output folder.
  std::uint64_t size = 0;
  file::Digest digest;
  bool was_there = false;  // It stood there already; nothing was sent.
};

// A file was kept back or turned out bad; the others go on. Nothing stands
// under its name that was not there before.
struct FileFailed {
  std::uint64_t index = 0;
  std::string name;
  // kKeptBack, kIntegrity or kSourceUnreadable. Its message names the file, as
  // this side's user knows it.
  Error error;
};

// What older versions of files have saved.
struct Savings {
  std::uint64_t copied_bytes = 0;     // That were taken from them,
  std::uint64_t signature_bytes = 0;  // and what was told of them instead.

  friend bool operator==(const Savings&, const Savings&) = default;
};

// Terminal: every file offered is there, and both sides know it.
struct Completed {
  std::uint64_t file_count = 0;
  std::uint64_t total_bytes = 0;
  Savings savings = {};
  // What limited it. Receiver: what the sender told; none if that got lost.
  std::optional<TransferReport> report;
};

// Terminal: not every file arrived. Those that are done stay.
struct Failed {
  Error error;
};

using SessionEvent = std::variant<Offered, Started, LeftOut, Resumed, Outdated,
                                  FileDone, FileFailed, Completed, Failed>;

struct Progress {
  enum class Phase : std::uint8_t {
    kGreeting,      // Until both sides have spoken.
    kOffering,      // The list of files begins to travel.
    kDeciding,      // The receiver's user is asked.
    kChecking,      // The receiver looks at its folder.
    kTransferring,  // Bytes flow.
    kFinishing,     // All bytes are there: verifying, syncing, last receipts.
    kOver,
  };
  Phase phase = Phase::kGreeting;
  std::uint64_t files_done = 0;
  std::uint64_t files_total = 0;
  // Sender: acknowledged bytes. Receiver: bytes written. Both with holes.
  std::uint64_t bytes_done = 0;
  std::uint64_t bytes_total = 0;
  // The totals are those of the whole transfer; else they grow. What is kept
  // back or there already does not count.
  bool complete = false;
  // The first file that is not done, empty if none. Peer's text at a receiver.
  std::string current_file;
  // Of it: what is there, with holes, and its size.
  std::uint64_t current_bytes_done = 0;
  std::uint64_t current_bytes_total = 0;
};

class Session {
 public:
  virtual ~Session() = default;

  // Authenticated payloads that the channel received, together.
  virtual void HandlePackets(TimePoint now,
                             std::span<const Connection::Received> packets) = 0;
  void HandlePacket(TimePoint now, PacketNumber number, ByteSpan payload) {
    const Connection::Received packet{number, payload};
    HandlePackets(now, std::span(&packet, 1));
  }
  virtual void HandleTimeout(TimePoint now) = 0;
  // The disk has completions.
  virtual void HandleDisk(TimePoint now) = 0;
  // As Connection's: another path, or larger payloads on the same one.
  virtual void HandlePathChange(TimePoint now, std::size_t max_payload) = 0;
  virtual void SetMaxPayload(std::size_t max_payload) = 0;
  // The channel is gone for good: the session ends with the next PollEvent(),
  // as done if the result is settled already, else with kConnectionLost.
  virtual void HandleChannelLost(TimePoint now) = 0;

  // As Connection's: the next payload to be sealed and sent now.
  virtual std::optional<Connection::Packet> PollTransmit(
      TimePoint now, PacketNumber number, MutableByteSpan out) = 0;
  // As Connection's; one that sends no data has none.
  virtual Connection::Run PollRun(TimePoint /*now*/, PacketNumber /*number*/,
                                  std::size_t /*most*/, std::size_t /*size*/,
                                  std::size_t /*stride*/,
                                  MutableByteSpan /*out*/) {
    return {};
  }
  virtual std::optional<TimePoint> PollTimeout() const = 0;
  virtual std::optional<SessionEvent> PollEvent() = 0;

  // The user gives up: the peer is told, and Failed{reason} follows within a
  // second or so. What is not finished is deleted. No effect once the result is
  // settled.
  virtual void Cancel(TimePoint now, Error reason) = 0;

  virtual Progress progress() const = 0;
  virtual const ConnectionStats& stats() const = 0;
  // Passed on to the connection (SO_RXQ_OVFL).
  virtual void SetSocketDrops(std::uint64_t total) = 0;
};

}  // namespace p2pcp

#endif  // P2PCP_TRANSFER_SESSION_SESSION_H_

// The messages of a session on the control stream, and their bytes
// (PROTOCOL.md). Parsing checks the form of a message; whether it makes sense
// now, and its numbers against the manifest, is for the session.

#ifndef P2PCP_TRANSFER_SESSION_MESSAGES_H_
#define P2PCP_TRANSFER_SESSION_MESSAGES_H_

#include <cstdint>
#include <optional>
#include <variant>
#include <vector>

#include "net/base/bytes.h"
#include "transfer/file/digest.h"
#include "transfer/file/manifest.h"
#include "transfer/session/bottleneck.h"

namespace p2pcp::message {

// Why something ends or does not happen. Values are those on the wire; ones
// that we do not know read as kOther.
enum class Reason : std::uint8_t {
  kOther = 0,
  kCancelled = 1,         // The user gave up.
  kDeclined = 2,          // The user said no to the offer.
  kKeptBack = 3,          // A name is taken, or no name there.
  kIntegrity = 4,         // The content has another digest.
  kSourceUnreadable = 5,  // Can't be read, or changed meanwhile.
  kCannotWrite = 6,       // No room, or no permission.
  kViolation = 7,         // The other side broke the protocol.
  kVersionMismatch = 8,   // No version in common.
  kRefused = 9,           // The offer itself is not acceptable.
};

struct Hello {
  std::uint64_t lowest = 0;  // Versions that are spoken.
  std::uint64_t highest = 0;
  bool receiver = false;
};
struct Offer {
  std::uint64_t file_count = 0;
  std::uint64_t total_bytes = 0;
};
struct Entries {
  std::uint64_t first = 0;
  std::vector<file::Entry> entries;  // At least one.
};
struct KeepBack {
  struct Run {
    std::uint64_t first = 0;
    std::uint64_t count = 0;  // At least 1.
  };
  std::vector<Run> runs;  // At least one.
};
struct Accept {};
struct Decline {
  Reason reason = Reason::kOther;
};
struct FileDigest {
  std::uint64_t index = 0;
  file::Digest digest;
};
struct FileDone {
  std::uint64_t index = 0;
  file::Digest digest;
};
struct FileFailed {
  std::uint64_t index = 0;
  Reason reason = Reason::kOther;
};
// The version of the protocol from which on DONE and FINISHED have a report.
inline constexpr std::uint64_t kReportsVersion = 2;
struct Done {
  std::uint64_t files_done = 0;
  std::optional<ReceiverReport> report;
};
struct Finished {
  std::optional<TransferReport> report;
};
struct Abort {
  Reason reason = Reason::kOther;
};

using Message =
    std::variant<Hello, Offer, Entries, KeepBack, Accept, Decline, FileDigest,
                 FileDone, FileFailed, Done, Finished, Abort>;

// Nothing if the bytes are no message.
std::optional<Message> Parse(ByteSpan bytes);
// REQUIRES: the result fits Connection::kMaxControlMessage.
Bytes Serialize(const Message& message);

// What an entry adds to Entries, in bytes; the rest of it takes at most
// kEntriesOverhead.
std::size_t EntrySize(const file::Entry& entry);
inline constexpr std::size_t kEntriesOverhead = 9;
// No message but Entries and KeepBack is longer.
inline constexpr std::size_t kMaxSmall = 64;
// Bytes of a run at most, and of a KeepBack without its runs.
inline constexpr std::size_t kMaxRun = 8;

}  // namespace p2pcp::message

#endif  // P2PCP_TRANSFER_SESSION_MESSAGES_H_

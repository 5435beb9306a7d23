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
#include "transfer/file/delta_signature.h"
#include "transfer/file/digest.h"
#include "transfer/file/entry.h"
#include "transfer/file/intake.h"
#include "transfer/file/strong_hash.h"
#include "transfer/session/bottleneck.h"
#include "transfer/session/receipt.h"

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
  // A receipt is wanted, and this is its id.
  std::optional<ReceiptId> receipt = {};
};
struct Entries {
  std::uint64_t first = 0;
  std::vector<file::Entry> entries;  // At least one.
};
// [first, first + count) of something that is counted.
struct Run {
  std::uint64_t first = 0;
  std::uint64_t count = 0;  // At least 1.

  friend bool operator==(const Run&, const Run&) = default;
};
struct Decisions {
  struct Part {
    std::uint64_t count = 0;  // At least 1.
    file::Verdict verdict = file::Verdict::kWant;
  };
  std::uint64_t first = 0;
  std::vector<Part> parts;  // At least one.
};
struct Accept {
  // Holes shall travel as what they are, zeros.
  bool in_order = false;
};
struct Decline {
  Reason reason = Reason::kOther;
};
struct Digests {
  struct Told {
    std::uint64_t index = 0;  // Larger than the one before.
    file::Digest digest;
  };
  std::vector<Told> digests;  // At least one.
};
struct FilesDone {
  std::vector<Run> runs;  // At least one; in order, with gaps between them.
};
// The same where a receipt is wanted.
struct Received {
  struct Told {
    std::uint64_t index = 0;
    file::StrongDigest digest;
  };
  std::vector<Told> files;  // At least one; in any order.
};
// The end of a receipt.
struct Receipt {
  Bytes end;  // At most ReceiptGiver::kMaxEnd.
};
struct FileFailed {
  std::uint64_t index = 0;
  Reason reason = Reason::kOther;
};
struct Done {
  std::uint64_t entries_done = 0;
  ReceiverReport report;
};
struct Finished {
  TransferReport report;
};
struct Abort {
  Reason reason = Reason::kOther;
};
// No entry follows.
struct End {
  std::uint64_t entries = 0;
  std::uint64_t bytes = 0;       // Of all files.
  std::uint64_t unreadable = 0;  // What could not even be listed,
  std::uint64_t left_out = 0;    // and what can't be sent.
};
struct SourceFailed {
  std::uint64_t index = 0;
  std::uint64_t charged = 0;  // Bytes of it, against the credit.
};
// Ranges of a file, in bytes.
struct Holes {
  std::uint64_t index = 0;
  std::vector<Run> runs;
};
// Of a file that is about to be wanted: ranges that are there from an earlier
// session.
struct Have {
  std::uint64_t index = 0;
  std::vector<Run> runs;  // At least one.
};
struct Want {
  std::uint64_t index = 0;
};
struct CheckBlocks {
  std::uint64_t index = 0;
};
struct BlockDigests {
  std::uint64_t index = 0;
  std::uint64_t first = 0;
  std::vector<file::Digest> digests;  // At least one.
};
// A stream has so many bytes.
struct StreamEnd {
  std::uint64_t index = 0;
  std::uint64_t size = 0;
};
// Of the older version of a file (its base).
struct Signatures {
  std::uint64_t index = 0;
  std::uint64_t base_size = 0;  // 0: no more will come.
  std::uint64_t copies = 0;     // That are carried out.
  std::uint64_t first = 0;      // Block.
  std::vector<file::BlockSignature> signatures;
};
struct Copies {
  struct Part {
    std::uint64_t first = 0;  // Of the file; not before the end of the last.
    std::uint64_t count = 0;  // At least 1.
    std::uint64_t from = 0;   // Of its base.
  };
  std::uint64_t index = 0;
  std::uint64_t wanted = 0;  // Signatures of the blocks before this one.
  std::vector<Part> parts;
};
struct Repair {
  std::uint64_t index = 0;
  std::vector<Run> runs;  // Blocks.
};
// Of a file that may be wanted: the bytes that follow those of the one before.
struct Early {
  std::uint64_t index = 0;
  Bytes bytes;  // At least one.
};

using Message =
    std::variant<Hello, Offer, Entries, Decisions, Accept, Decline, Digests,
                 FilesDone, FileFailed, Done, Finished, Abort, End,
                 SourceFailed, Holes, Want, CheckBlocks, BlockDigests, Repair,
                 Have, StreamEnd, Received, Receipt, Signatures, Copies, Early>;

// Nothing if the bytes are no message.
std::optional<Message> Parse(ByteSpan bytes);
// REQUIRES: the result fits Connection::kMaxControlMessage.
Bytes Serialize(const Message& message);

// What an entry adds to Entries, in bytes; the rest of it takes at most
// kEntriesOverhead.
std::size_t EntrySize(const file::Entry& entry);
inline constexpr std::size_t kEntriesOverhead = 9;
// No message is longer than this and what it has at least one of.
inline constexpr std::size_t kMaxSmall = 64;
// Bytes at most of a run, of a part of Decisions, of a digest that is told.
inline constexpr std::size_t kMaxRun = 16;
inline constexpr std::size_t kMaxPart = 8;
inline constexpr std::size_t kMaxDigest = 24;
inline constexpr std::size_t kMaxReceived = 40;
inline constexpr std::size_t kMaxCopy = 24;
// What Early takes besides its bytes.
inline constexpr std::size_t kEarlyOverhead = 9;

}  // namespace p2pcp::message

#endif  // P2PCP_TRANSFER_SESSION_MESSAGES_H_

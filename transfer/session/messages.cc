#include "transfer/session/messages.h"

#include <array>
#include <limits>
#include <string>
#include <utility>

#include "net/base/check.h"
#include "transfer/session/report_bytes.h"

namespace p2pcp::message {

namespace {

enum class Type : std::uint8_t {
  kHello = 0x01,
  kOffer = 0x02,
  kEntries = 0x03,
  kDecisions = 0x04,
  kAccept = 0x05,
  kDecline = 0x06,
  kDigests = 0x07,
  kFilesDone = 0x08,
  kFileFailed = 0x09,
  kDone = 0x0a,
  kFinished = 0x0b,
  kAbort = 0x0c,
  kEnd = 0x0d,
  kSourceFailed = 0x0e,
  kHoles = 0x0f,
  kWant = 0x10,
  kCheckBlocks = 0x11,
  kBlockDigests = 0x12,
  kRepair = 0x13,
  kHave = 0x14,
  kStreamEnd = 0x15,
  kReceived = 0x16,
  kReceipt = 0x17,
  kSignatures = 0x18,
  kCopies = 0x19,
  kEarly = 0x1a,
};

constexpr std::uint8_t kFolder = 0x01;
constexpr std::uint8_t kStream = 0x02;
constexpr std::uint8_t kExecutable = 0x04;
constexpr std::uint8_t kSparse = 0x08;
constexpr std::uint8_t kInOrder = 0x01;       // Of ACCEPT.
constexpr std::uint8_t kWantsReceipt = 0x01;  // Of OFFER.
constexpr unsigned kVerdictBits = 3;
constexpr std::size_t kMaxMessage = 16 * 1024;

// Signed numbers with small magnitudes as small varints: 0, -1, 1, -2, ...
std::uint64_t ZigZag(std::int64_t value) {
  return (static_cast<std::uint64_t>(value) << 1) ^
         static_cast<std::uint64_t>(value >> 63);
}
std::int64_t UnZigZag(std::uint64_t value) {
  return static_cast<std::int64_t>(value >> 1) ^
         -static_cast<std::int64_t>(value & 1);
}

// File times fit a varint's 62 bits by far; what does not is clamped.
std::uint64_t WireSeconds(std::int64_t seconds) {
  constexpr std::int64_t kMax = (std::int64_t{1} << 60);
  return ZigZag(seconds > kMax ? kMax : seconds < -kMax ? -kMax : seconds);
}

Reason ReadReason(ByteReader& reader) {
  const std::uint8_t value = reader.ReadU8();
  const auto last = static_cast<std::uint8_t>(Reason::kRefused);
  return value <= last ? static_cast<Reason>(value) : Reason::kOther;
}

file::Digest ReadDigest(ByteReader& reader) {
  file::Digest digest;
  const ByteSpan bytes = reader.ReadBytes(digest.bytes.size());
  if (reader.ok()) CopyBytes(bytes, digest.bytes);
  return digest;
}

bool HasSize(const file::Entry& entry) {
  return entry.kind == file::Entry::Kind::kFile;
}

file::Entry ReadEntry(ByteReader& reader) {
  file::Entry entry;
  const std::uint8_t flags = reader.ReadU8();
  const std::uint8_t known = kFolder | kStream | kExecutable | kSparse;
  if ((flags & ~known) != 0) reader.Fail();
  if ((flags & kFolder) != 0) {
    entry.kind = file::Entry::Kind::kFolder;
    if (flags != kFolder) reader.Fail();
  }
  if ((flags & kStream) != 0) {
    entry.kind = file::Entry::Kind::kStream;
    if (flags != kStream) reader.Fail();
  }
  entry.executable = (flags & kExecutable) != 0;
  entry.sparse = (flags & kSparse) != 0;
  const std::uint64_t up = reader.ReadVarint();
  if (up > std::numeric_limits<std::uint32_t>::max()) reader.Fail();
  entry.up = static_cast<std::uint32_t>(up);
  entry.name = std::string(AsText(reader.ReadLengthPrefixed()));
  entry.mtime.seconds = UnZigZag(reader.ReadVarint());
  entry.mtime.nanoseconds = reader.ReadU32();
  if (HasSize(entry)) entry.size = reader.ReadVarint();
  if (entry.sparse) entry.data_bytes = reader.ReadVarint();
  return entry;
}

void WriteEntry(ByteWriter& writer, const file::Entry& entry) {
  std::uint8_t flags = 0;
  if (entry.is_folder()) {
    flags = kFolder;
  } else if (entry.is_stream()) {
    flags = kStream;
  } else {
    if (entry.executable) flags |= kExecutable;
    if (entry.sparse) flags |= kSparse;
  }
  writer.WriteU8(flags);
  writer.WriteVarint(entry.up);
  writer.WriteLengthPrefixed(AsBytes(entry.name));
  writer.WriteVarint(WireSeconds(entry.mtime.seconds));
  writer.WriteU32(entry.mtime.nanoseconds);
  if (!HasSize(entry)) return;
  writer.WriteVarint(entry.size);
  if (entry.sparse) writer.WriteVarint(entry.data_bytes);
}

// Runs in order: each as its distance from the end of the one before it, and
// its length.
std::vector<Run> ReadRuns(ByteReader& reader) {
  std::vector<Run> runs;
  std::uint64_t end = 0;
  do {
    const std::uint64_t gap = reader.ReadVarint();
    const std::uint64_t count = reader.ReadVarint();
    // Runs that touch are one.
    if (count == 0 || (gap == 0 && !runs.empty()) || gap > kMaxVarint - end ||
        count > kMaxVarint - end - gap) {
      reader.Fail();
    }
    if (!reader.ok()) break;
    runs.push_back({end + gap, count});
    end += gap + count;
  } while (reader.remaining() > 0);
  return runs;
}

void WriteRuns(ByteWriter& writer, const std::vector<Run>& runs) {
  std::uint64_t end = 0;
  for (const Run& run : runs) {
    writer.WriteVarint(run.first - end);
    writer.WriteVarint(run.count);
    end = run.first + run.count;
  }
}

Decisions ReadDecisions(ByteReader& reader) {
  Decisions decisions{reader.ReadVarint(), {}};
  do {
    const std::uint64_t value = reader.ReadVarint();
    const std::uint64_t verdict = value & ((1u << kVerdictBits) - 1);
    const std::uint64_t count = value >> kVerdictBits;
    if (count == 0 ||
        verdict > static_cast<std::uint64_t>(file::Verdict::kHave)) {
      reader.Fail();
    }
    decisions.parts.push_back({count, static_cast<file::Verdict>(verdict)});
  } while (reader.ok() && reader.remaining() > 0);
  return decisions;
}

Digests ReadDigests(ByteReader& reader) {
  Digests digests;
  std::uint64_t next = 0;
  do {
    const std::uint64_t gap = reader.ReadVarint();
    if (gap >= kMaxVarint - next) reader.Fail();
    const file::Digest digest = ReadDigest(reader);
    if (!reader.ok()) break;
    digests.digests.push_back({next + gap, digest});
    next += gap + 1;
  } while (reader.remaining() > 0);
  return digests;
}

Received ReadReceived(ByteReader& reader) {
  Received received;
  do {
    Received::Told told{reader.ReadVarint(), {}};
    const ByteSpan digest = reader.ReadBytes(told.digest.size());
    if (!reader.ok()) break;
    CopyBytes(digest, told.digest);
    received.files.push_back(told);
  } while (reader.remaining() > 0);
  return received;
}

Receipt ReadReceipt(ByteReader& reader) {
  const ByteSpan end = reader.ReadLengthPrefixed();
  if (end.size() > ReceiptGiver::kMaxEnd) reader.Fail();
  return Receipt{reader.ok() ? ToBytes(end) : Bytes()};
}

Offer ReadOffer(ByteReader& reader) {
  Offer offer;
  if ((reader.ReadU8() & kWantsReceipt) != 0) {
    ReceiptId id;
    const ByteSpan bytes = reader.ReadBytes(id.size());
    if (reader.ok()) CopyBytes(bytes, id);
    offer.receipt = id;
  }
  // Later versions may say more.
  reader.ReadBytes(reader.remaining());
  return offer;
}

BlockDigests ReadBlockDigests(ByteReader& reader) {
  BlockDigests blocks;
  blocks.index = reader.ReadVarint();
  blocks.first = reader.ReadVarint();
  do {
    blocks.digests.push_back(ReadDigest(reader));
  } while (reader.ok() && reader.remaining() > 0);
  return blocks;
}

Signatures ReadSignatures(ByteReader& reader) {
  Signatures signatures;
  signatures.index = reader.ReadVarint();
  signatures.base_size = reader.ReadVarint();
  signatures.copies = reader.ReadVarint();
  signatures.first = reader.ReadVarint();
  while (reader.ok() && reader.remaining() > 0) {
    const std::uint32_t weak = reader.ReadU32();
    signatures.signatures.push_back({weak, reader.ReadU64()});
  }
  return signatures;
}

Copies ReadCopies(ByteReader& reader) {
  Copies copies;
  copies.index = reader.ReadVarint();
  copies.wanted = reader.ReadVarint();
  std::uint64_t end = 0;
  while (reader.ok() && reader.remaining() > 0) {
    const std::uint64_t gap = reader.ReadVarint();
    const std::uint64_t count = reader.ReadVarint();
    const std::uint64_t from = reader.ReadVarint();
    if (count == 0 || gap > kMaxVarint - end ||
        count > kMaxVarint - end - gap) {
      reader.Fail();
      break;
    }
    copies.parts.push_back({end + gap, count, from});
    end += gap + count;
  }
  return copies;
}

Early ReadEarly(ByteReader& reader) {
  Early early{reader.ReadVarint(), {}};
  if (reader.ok() && reader.remaining() == 0) reader.Fail();
  early.bytes = ToBytes(reader.ReadBytes(reader.remaining()));
  return early;
}

Message ReadBody(Type type, ByteReader& reader) {
  switch (type) {
    case Type::kHello: {
      const std::uint64_t lowest = reader.ReadVarint();
      const std::uint64_t highest = reader.ReadVarint();
      const std::uint8_t role = reader.ReadU8();
      if (role > 1 || lowest > highest) reader.Fail();
      // Later versions may say more.
      reader.ReadBytes(reader.remaining());
      return Hello{lowest, highest, role == 1};
    }
    case Type::kOffer:
      return ReadOffer(reader);
    case Type::kEntries: {
      Entries entries{reader.ReadVarint(), {}};
      do {
        entries.entries.push_back(ReadEntry(reader));
      } while (reader.ok() && reader.remaining() > 0);
      return entries;
    }
    case Type::kDecisions:
      return ReadDecisions(reader);
    case Type::kAccept: {
      const std::uint8_t flags = reader.ReadU8();
      return Accept{.in_order = (flags & kInOrder) != 0};
    }
    case Type::kDecline:
      return Decline{ReadReason(reader)};
    case Type::kDigests:
      return ReadDigests(reader);
    case Type::kFilesDone:
      return FilesDone{ReadRuns(reader)};
    case Type::kFileFailed: {
      const std::uint64_t index = reader.ReadVarint();
      return FileFailed{index, ReadReason(reader)};
    }
    case Type::kDone: {
      const std::uint64_t done = reader.ReadVarint();
      return Done{done, ReadReceiverReport(reader)};
    }
    case Type::kFinished:
      return Finished{ReadTransferReport(reader)};
    case Type::kAbort:
      return Abort{ReadReason(reader)};
    case Type::kEnd: {
      End end;
      end.entries = reader.ReadVarint();
      end.bytes = reader.ReadVarint();
      end.unreadable = reader.ReadVarint();
      end.left_out = reader.ReadVarint();
      return end;
    }
    case Type::kSourceFailed: {
      const std::uint64_t index = reader.ReadVarint();
      return SourceFailed{index, reader.ReadVarint()};
    }
    case Type::kHoles: {
      const std::uint64_t index = reader.ReadVarint();
      return Holes{index, ReadRuns(reader)};
    }
    case Type::kHave: {
      const std::uint64_t index = reader.ReadVarint();
      return Have{index, ReadRuns(reader)};
    }
    case Type::kWant:
      return Want{reader.ReadVarint()};
    case Type::kCheckBlocks:
      return CheckBlocks{reader.ReadVarint()};
    case Type::kBlockDigests:
      return ReadBlockDigests(reader);
    case Type::kRepair: {
      const std::uint64_t index = reader.ReadVarint();
      return Repair{index, ReadRuns(reader)};
    }
    case Type::kSignatures:
      return ReadSignatures(reader);
    case Type::kCopies:
      return ReadCopies(reader);
    case Type::kEarly:
      return ReadEarly(reader);
    case Type::kStreamEnd: {
      const std::uint64_t index = reader.ReadVarint();
      return StreamEnd{index, reader.ReadVarint()};
    }
    case Type::kReceived:
      return ReadReceived(reader);
    case Type::kReceipt:
      return ReadReceipt(reader);
  }
  reader.Fail();
  return Abort{};
}

void WriteHead(ByteWriter& writer, Type type) {
  writer.WriteU8(static_cast<std::uint8_t>(type));
}
void WriteReason(ByteWriter& writer, Reason reason) {
  writer.WriteU8(static_cast<std::uint8_t>(reason));
}

struct Writer {
  ByteWriter& writer;

  void operator()(const Hello& message) const {
    WriteHead(writer, Type::kHello);
    writer.WriteVarint(message.lowest);
    writer.WriteVarint(message.highest);
    writer.WriteU8(message.receiver ? 1 : 0);
  }
  void operator()(const Offer& message) const {
    WriteHead(writer, Type::kOffer);
    writer.WriteU8(message.receipt ? kWantsReceipt : 0);
    if (message.receipt) writer.WriteBytes(*message.receipt);
  }
  void operator()(const Entries& message) const {
    WriteHead(writer, Type::kEntries);
    writer.WriteVarint(message.first);
    for (const file::Entry& entry : message.entries) WriteEntry(writer, entry);
  }
  void operator()(const Decisions& message) const {
    WriteHead(writer, Type::kDecisions);
    writer.WriteVarint(message.first);
    for (const Decisions::Part& part : message.parts) {
      writer.WriteVarint(part.count << kVerdictBits |
                         static_cast<std::uint64_t>(part.verdict));
    }
  }
  void operator()(const Accept& message) const {
    WriteHead(writer, Type::kAccept);
    writer.WriteU8(message.in_order ? kInOrder : 0);
  }
  void operator()(const StreamEnd& message) const {
    WriteHead(writer, Type::kStreamEnd);
    writer.WriteVarint(message.index);
    writer.WriteVarint(message.size);
  }
  void operator()(const Decline& message) const {
    WriteHead(writer, Type::kDecline);
    WriteReason(writer, message.reason);
  }
  void operator()(const Digests& message) const {
    WriteHead(writer, Type::kDigests);
    std::uint64_t next = 0;
    for (const Digests::Told& told : message.digests) {
      writer.WriteVarint(told.index - next);
      writer.WriteBytes(told.digest.bytes);
      next = told.index + 1;
    }
  }
  void operator()(const FilesDone& message) const {
    WriteHead(writer, Type::kFilesDone);
    WriteRuns(writer, message.runs);
  }
  void operator()(const Received& message) const {
    WriteHead(writer, Type::kReceived);
    for (const Received::Told& told : message.files) {
      writer.WriteVarint(told.index);
      writer.WriteBytes(told.digest);
    }
  }
  void operator()(const Receipt& message) const {
    WriteHead(writer, Type::kReceipt);
    writer.WriteLengthPrefixed(message.end);
  }
  void operator()(const FileFailed& message) const {
    WriteHead(writer, Type::kFileFailed);
    writer.WriteVarint(message.index);
    WriteReason(writer, message.reason);
  }
  void operator()(const Done& message) const {
    WriteHead(writer, Type::kDone);
    writer.WriteVarint(message.entries_done);
    WriteReceiverReport(writer, message.report);
  }
  void operator()(const Finished& message) const {
    WriteHead(writer, Type::kFinished);
    WriteTransferReport(writer, message.report);
  }
  void operator()(const Abort& message) const {
    WriteHead(writer, Type::kAbort);
    WriteReason(writer, message.reason);
  }
  void operator()(const End& message) const {
    WriteHead(writer, Type::kEnd);
    writer.WriteVarint(message.entries);
    writer.WriteVarint(message.bytes);
    writer.WriteVarint(message.unreadable);
    writer.WriteVarint(message.left_out);
  }
  void operator()(const SourceFailed& message) const {
    WriteHead(writer, Type::kSourceFailed);
    writer.WriteVarint(message.index);
    writer.WriteVarint(message.charged);
  }
  void operator()(const Have& message) const {
    WriteHead(writer, Type::kHave);
    writer.WriteVarint(message.index);
    WriteRuns(writer, message.runs);
  }
  void operator()(const Holes& message) const {
    WriteHead(writer, Type::kHoles);
    writer.WriteVarint(message.index);
    WriteRuns(writer, message.runs);
  }
  void operator()(const Want& message) const {
    WriteHead(writer, Type::kWant);
    writer.WriteVarint(message.index);
  }
  void operator()(const CheckBlocks& message) const {
    WriteHead(writer, Type::kCheckBlocks);
    writer.WriteVarint(message.index);
  }
  void operator()(const BlockDigests& message) const {
    WriteHead(writer, Type::kBlockDigests);
    writer.WriteVarint(message.index);
    writer.WriteVarint(message.first);
    for (const file::Digest& digest : message.digests) {
      writer.WriteBytes(digest.bytes);
    }
  }
  void operator()(const Signatures& message) const {
    WriteHead(writer, Type::kSignatures);
    writer.WriteVarint(message.index);
    writer.WriteVarint(message.base_size);
    writer.WriteVarint(message.copies);
    writer.WriteVarint(message.first);
    for (const file::BlockSignature& signature : message.signatures) {
      writer.WriteU32(signature.weak);
      writer.WriteU64(signature.strong);
    }
  }
  void operator()(const Copies& message) const {
    WriteHead(writer, Type::kCopies);
    writer.WriteVarint(message.index);
    writer.WriteVarint(message.wanted);
    std::uint64_t end = 0;
    for (const Copies::Part& part : message.parts) {
      writer.WriteVarint(part.first - end);
      writer.WriteVarint(part.count);
      writer.WriteVarint(part.from);
      end = part.first + part.count;
    }
  }
  void operator()(const Early& message) const {
    WriteHead(writer, Type::kEarly);
    writer.WriteVarint(message.index);
    writer.WriteBytes(message.bytes);
  }
  void operator()(const Repair& message) const {
    WriteHead(writer, Type::kRepair);
    writer.WriteVarint(message.index);
    WriteRuns(writer, message.runs);
  }
};

}  // namespace

std::optional<Message> Parse(ByteSpan bytes) {
  ByteReader reader(bytes);
  const auto type = static_cast<Type>(reader.ReadU8());
  if (!reader.ok()) return std::nullopt;
  Message message = ReadBody(type, reader);
  if (!reader.AtEnd()) return std::nullopt;
  return message;
}

Bytes Serialize(const Message& message) {
  // Not set to zeros: most messages are short.
  std::array<std::byte, kMaxMessage> buffer;
  ByteWriter writer(buffer);
  std::visit(Writer{writer}, message);
  P2PCP_CHECK(writer.ok());
  return ToBytes(writer.written());
}

std::size_t EntrySize(const file::Entry& entry) {
  return 1 + VarintSize(entry.up) + VarintSize(entry.name.size()) +
         entry.name.size() + VarintSize(WireSeconds(entry.mtime.seconds)) + 4 +
         VarintSize(entry.size) +
         (entry.sparse ? VarintSize(entry.data_bytes) : 0);
}

}  // namespace p2pcp::message

#include "transfer/session/messages.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>

#include "net/base/check.h"
#include "net/base/time.h"

namespace p2pcp::message {

namespace {

enum class Type : std::uint8_t {
  kHello = 0x01,
  kOffer = 0x02,
  kEntries = 0x03,
  kKeepBack = 0x04,
  kAccept = 0x05,
  kDecline = 0x06,
  kFileDigest = 0x07,
  kFileDone = 0x08,
  kFileFailed = 0x09,
  kDone = 0x0a,
  kFinished = 0x0b,
  kAbort = 0x0c,
};

constexpr std::uint8_t kExecutable = 0x01;
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

// Microseconds; what no transfer lasts is cut off.
Duration ReadDuration(ByteReader& reader) {
  constexpr std::uint64_t kMax = std::uint64_t{1} << 50;
  return std::chrono::microseconds(std::min(reader.ReadVarint(), kMax));
}
void WriteDuration(ByteWriter& writer, Duration duration) {
  writer.WriteVarint(
      static_cast<std::uint64_t>(std::max<Duration>(duration, 0ns) / 1us));
}
// Counters are far from a varint's 62 bits.
void WriteCount(ByteWriter& writer, std::uint64_t count) {
  writer.WriteVarint(std::min(count, kMaxVarint));
}

ReceiverReport ReadReceiverReport(ByteReader& reader) {
  ReceiverReport report;
  report.machine.elapsed = ReadDuration(reader);
  report.machine.busy = ReadDuration(reader);
  report.machine.disk = ReadDuration(reader);
  report.machine.disk_cpu = ReadDuration(reader);
  report.socket_drops = reader.ReadVarint();
  return report;
}
void WriteReceiverReport(ByteWriter& writer, const ReceiverReport& report) {
  WriteDuration(writer, report.machine.elapsed);
  WriteDuration(writer, report.machine.busy);
  WriteDuration(writer, report.machine.disk);
  WriteDuration(writer, report.machine.disk_cpu);
  WriteCount(writer, report.socket_drops);
}

TransferReport ReadTransferReport(ByteReader& reader) {
  TransferReport report;
  const std::uint8_t bottleneck = reader.ReadU8();
  if (bottleneck <= kHighestBottleneck) {
    report.bottleneck = static_cast<Bottleneck>(bottleneck);
  }
  report.packets_sent = reader.ReadVarint();
  report.packets_lost = reader.ReadVarint();
  report.smoothed_rtt = ReadDuration(reader);
  report.min_rtt = ReadDuration(reader);
  report.data_bytes_sent = reader.ReadVarint();
  report.data_bytes_retransmitted = reader.ReadVarint();
  return report;
}
void WriteTransferReport(ByteWriter& writer, const TransferReport& report) {
  writer.WriteU8(static_cast<std::uint8_t>(report.bottleneck));
  WriteCount(writer, report.packets_sent);
  WriteCount(writer, report.packets_lost);
  WriteDuration(writer, report.smoothed_rtt);
  WriteDuration(writer, report.min_rtt);
  WriteCount(writer, report.data_bytes_sent);
  WriteCount(writer, report.data_bytes_retransmitted);
}

file::Entry ReadEntry(ByteReader& reader) {
  file::Entry entry;
  entry.name = std::string(AsText(reader.ReadLengthPrefixed()));
  entry.size = reader.ReadVarint();
  entry.mtime.seconds = UnZigZag(reader.ReadVarint());
  entry.mtime.nanoseconds = reader.ReadU32();
  const std::uint8_t flags = reader.ReadU8();
  if ((flags & ~kExecutable) != 0) reader.Fail();
  entry.executable = (flags & kExecutable) != 0;
  return entry;
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
    case Type::kOffer: {
      const std::uint64_t count = reader.ReadVarint();
      return Offer{count, reader.ReadVarint()};
    }
    case Type::kEntries: {
      Entries entries{reader.ReadVarint(), {}};
      do {
        entries.entries.push_back(ReadEntry(reader));
      } while (reader.ok() && reader.remaining() > 0);
      return entries;
    }
    case Type::kKeepBack: {
      KeepBack keep_back;
      do {
        const std::uint64_t first = reader.ReadVarint();
        const std::uint64_t count = reader.ReadVarint();
        if (count == 0) reader.Fail();
        keep_back.runs.push_back({first, count});
      } while (reader.ok() && reader.remaining() > 0);
      return keep_back;
    }
    case Type::kAccept:
      return Accept{};
    case Type::kDecline:
      return Decline{ReadReason(reader)};
    case Type::kFileDigest: {
      const std::uint64_t index = reader.ReadVarint();
      return FileDigest{index, ReadDigest(reader)};
    }
    case Type::kFileDone: {
      const std::uint64_t index = reader.ReadVarint();
      return FileDone{index, ReadDigest(reader)};
    }
    case Type::kFileFailed: {
      const std::uint64_t index = reader.ReadVarint();
      return FileFailed{index, ReadReason(reader)};
    }
    case Type::kDone: {
      Done done{reader.ReadVarint(), std::nullopt};
      if (reader.remaining() > 0) done.report = ReadReceiverReport(reader);
      return done;
    }
    case Type::kFinished: {
      Finished finished;
      if (reader.remaining() > 0) finished.report = ReadTransferReport(reader);
      return finished;
    }
    case Type::kAbort:
      return Abort{ReadReason(reader)};
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
    writer.WriteVarint(message.file_count);
    writer.WriteVarint(message.total_bytes);
  }
  void operator()(const Entries& message) const {
    WriteHead(writer, Type::kEntries);
    writer.WriteVarint(message.first);
    for (const file::Entry& entry : message.entries) {
      writer.WriteLengthPrefixed(AsBytes(entry.name));
      writer.WriteVarint(entry.size);
      writer.WriteVarint(WireSeconds(entry.mtime.seconds));
      writer.WriteU32(entry.mtime.nanoseconds);
      writer.WriteU8(entry.executable ? kExecutable : 0);
    }
  }
  void operator()(const KeepBack& message) const {
    WriteHead(writer, Type::kKeepBack);
    for (const KeepBack::Run& run : message.runs) {
      writer.WriteVarint(run.first);
      writer.WriteVarint(run.count);
    }
  }
  void operator()(const Accept&) const { WriteHead(writer, Type::kAccept); }
  void operator()(const Decline& message) const {
    WriteHead(writer, Type::kDecline);
    WriteReason(writer, message.reason);
  }
  void operator()(const FileDigest& message) const {
    WriteHead(writer, Type::kFileDigest);
    writer.WriteVarint(message.index);
    writer.WriteBytes(message.digest.bytes);
  }
  void operator()(const FileDone& message) const {
    WriteHead(writer, Type::kFileDone);
    writer.WriteVarint(message.index);
    writer.WriteBytes(message.digest.bytes);
  }
  void operator()(const FileFailed& message) const {
    WriteHead(writer, Type::kFileFailed);
    writer.WriteVarint(message.index);
    WriteReason(writer, message.reason);
  }
  void operator()(const Done& message) const {
    WriteHead(writer, Type::kDone);
    writer.WriteVarint(message.files_done);
    if (message.report) WriteReceiverReport(writer, *message.report);
  }
  void operator()(const Finished& message) const {
    WriteHead(writer, Type::kFinished);
    if (message.report) WriteTransferReport(writer, *message.report);
  }
  void operator()(const Abort& message) const {
    WriteHead(writer, Type::kAbort);
    WriteReason(writer, message.reason);
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
  Bytes bytes(kMaxMessage);
  ByteWriter writer(bytes);
  std::visit(Writer{writer}, message);
  P2PCP_CHECK(writer.ok());
  bytes.resize(writer.size());
  return bytes;
}

std::size_t EntrySize(const file::Entry& entry) {
  return VarintSize(entry.name.size()) + entry.name.size() +
         VarintSize(entry.size) + VarintSize(WireSeconds(entry.mtime.seconds)) +
         4 + 1;
}

}  // namespace p2pcp::message

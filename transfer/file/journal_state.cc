#include "transfer/file/journal_state.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "net/base/check.h"

namespace p2pcp::file {

namespace {

constexpr std::uint8_t kExecutable = 1;
constexpr std::uint8_t kEarlierBoot = 1;
// Bytes of a key but for its path, as they are hashed.
constexpr std::size_t kKeyNumbers = 8 + 8 + 4 + 1;

Bytes Finished(const Bytes& buffer, const ByteWriter& writer) {
  P2PCP_CHECK(writer.ok());
  return ToBytes(ByteSpan(buffer).first(writer.size()));
}

}  // namespace

// --- Payloads ---

Bytes JournalState::Header(const JournalOwner& owner) {
  Bytes buffer(Record::kMaxPayload);
  ByteWriter writer(buffer);
  writer.WriteU8(kVersion);
  writer.WriteLengthPrefixed(owner.self);
  writer.WriteLengthPrefixed(owner.peer);
  writer.WriteLengthPrefixed(AsBytes(owner.folder));
  return Finished(buffer, writer);
}

Bytes JournalState::PartRecord(std::uint64_t id, const Part& part) {
  Bytes buffer(Record::kMaxPayload);
  ByteWriter writer(buffer);
  writer.WriteVarint(id);
  writer.WriteU64(part.device);
  writer.WriteU64(part.inode);
  writer.WriteU64(static_cast<std::uint64_t>(part.stamp));
  writer.WriteVarint(part.key.size);
  writer.WriteU64(static_cast<std::uint64_t>(part.key.mtime.seconds));
  writer.WriteU32(part.key.mtime.nanoseconds);
  writer.WriteU8(part.key.executable ? kExecutable : 0);
  writer.WriteLengthPrefixed(AsBytes(part.key.path));
  writer.WriteLengthPrefixed(AsBytes(part.part_path));
  return Finished(buffer, writer);
}

Bytes JournalState::Written(std::uint64_t id, std::uint64_t offset,
                            std::uint64_t size) {
  Bytes buffer(24);
  ByteWriter writer(buffer);
  writer.WriteVarint(id);
  writer.WriteVarint(offset);
  writer.WriteVarint(size);
  return Finished(buffer, writer);
}

Bytes JournalState::Id(std::uint64_t id) {
  Bytes buffer(8);
  ByteWriter writer(buffer);
  writer.WriteVarint(id);
  return Finished(buffer, writer);
}

Bytes JournalState::Hash(std::uint64_t id, bool earlier_boot,
                         const Hasher::Saved& state) {
  Bytes buffer(9 + state.size());
  ByteWriter writer(buffer);
  writer.WriteVarint(id);
  writer.WriteU8(earlier_boot ? kEarlierBoot : 0);
  writer.WriteBytes(state);
  return Finished(buffer, writer);
}

Bytes JournalState::Renamed(std::uint64_t hash, const std::string& name) {
  Bytes buffer(16 + name.size());
  ByteWriter writer(buffer);
  writer.WriteU64(hash);
  writer.WriteLengthPrefixed(AsBytes(name));
  return Finished(buffer, writer);
}

Bytes JournalState::Prefix(const std::string& prefix) {
  Bytes buffer(8 + prefix.size());
  ByteWriter writer(buffer);
  writer.WriteLengthPrefixed(AsBytes(prefix));
  return Finished(buffer, writer);
}

std::uint64_t JournalState::HashOf(const FileKey& key) {
  // At once, and without allocating where the path is not long: the state of a
  // running digest would be most of the work.
  std::array<std::byte, 512> some;
  Bytes many;
  MutableByteSpan bytes = some;
  if (kKeyNumbers + key.path.size() > some.size()) {
    many.resize(kKeyNumbers + key.path.size());
    bytes = many;
  }
  ByteWriter writer(bytes);
  writer.WriteU64(key.size);
  writer.WriteU64(static_cast<std::uint64_t>(key.mtime.seconds));
  writer.WriteU32(key.mtime.nanoseconds);
  writer.WriteU8(key.executable ? kExecutable : 0);
  writer.WriteBytes(AsBytes(key.path));
  P2PCP_CHECK(writer.ok());
  return ByteReader(Hasher::Of(writer.written()).bytes).ReadU64();
}

// --- Records ---

bool JournalState::Apply(const Record& record) {
  ByteReader reader(record.payload);
  const auto type = static_cast<Type>(record.type);
  // The header comes first, and says what is understood.
  if (owner_.has_value() == (type == Type::kHeader)) return false;
  switch (type) {
    case Type::kHeader:
      return ApplyHeader(reader);
    case Type::kBoot:
      return ApplyBoot(reader);
    case Type::kPart:
      return ApplyPart(reader);
    case Type::kWritten:
      return ApplyWritten(reader);
    case Type::kMark: {
      Part* const part = ReadId(reader);
      if (part == nullptr || !reader.AtEnd()) return false;
      part->marked = part->written;
      return true;
    }
    case Type::kSynced: {
      Part* const part = ReadId(reader);
      if (part == nullptr || !reader.AtEnd()) return false;
      part->durable = part->marked;
      return true;
    }
    case Type::kHash:
      return ApplyHash(reader);
    case Type::kEnd: {
      std::uint64_t id = 0;
      const Part* const part = ReadId(reader, &id);
      if (part == nullptr || !reader.AtEnd()) return false;
      by_path_.erase(part->key.path);
      parts_.erase(id);
      return true;
    }
    case Type::kDone:
      return ApplyDone(reader);
    case Type::kRenamed:
      return ApplyRenamed(reader);
    case Type::kPrefix:
      return ApplyPrefix(reader);
  }
  return false;
}

JournalState::Part* JournalState::ReadId(ByteReader& reader,
                                         std::uint64_t* id) {
  const std::uint64_t value = reader.ReadVarint();
  if (id != nullptr) *id = value;
  const auto found = parts_.find(value);
  return reader.ok() && found != parts_.end() ? &found->second : nullptr;
}

bool JournalState::ApplyHeader(ByteReader& reader) {
  if (reader.ReadU8() != kVersion) return false;
  JournalOwner owner;
  owner.self = ToBytes(reader.ReadLengthPrefixed());
  owner.peer = ToBytes(reader.ReadLengthPrefixed());
  owner.folder = AsText(reader.ReadLengthPrefixed());
  if (!reader.AtEnd()) return false;
  owner_ = std::move(owner);
  return true;
}

bool JournalState::ApplyBoot(ByteReader& reader) {
  BootId boot;
  CopyBytes(reader.ReadBytes(boot.size()), boot);
  if (!reader.AtEnd()) return false;
  if (boot_ && *boot_ == boot) return true;
  boot_ = boot;
  for (auto& [id, part] : parts_) {
    part.written = part.durable;
    part.marked = part.durable;
    if (!part.hash) continue;
    part.hash->earlier_boot = true;
    if (part.durable.ContiguousEnd(0) < part.hash->offset) part.hash.reset();
  }
  return true;
}

bool JournalState::ApplyPart(ByteReader& reader) {
  const std::uint64_t id = reader.ReadVarint();
  Part part;
  part.device = reader.ReadU64();
  part.inode = reader.ReadU64();
  part.stamp = static_cast<std::int64_t>(reader.ReadU64());
  part.key.size = reader.ReadVarint();
  part.key.mtime.seconds = static_cast<std::int64_t>(reader.ReadU64());
  part.key.mtime.nanoseconds = reader.ReadU32();
  part.key.executable = (reader.ReadU8() & kExecutable) != 0;
  part.key.path = AsText(reader.ReadLengthPrefixed());
  part.part_path = AsText(reader.ReadLengthPrefixed());
  if (!reader.AtEnd() || !boot_ || id < next_id_ ||
      parts_.size() >= kMaxParts || by_path_.contains(part.key.path)) {
    return false;
  }
  by_path_.emplace(part.key.path, id);
  parts_.emplace(id, std::move(part));
  next_id_ = id + 1;
  return true;
}

bool JournalState::ApplyWritten(ByteReader& reader) {
  Part* const part = ReadId(reader);
  const std::uint64_t offset = reader.ReadVarint();
  const std::uint64_t size = reader.ReadVarint();
  if (part == nullptr || !reader.AtEnd() || size == 0 ||
      offset > part->key.size || size > part->key.size - offset) {
    return false;
  }
  // Where there are too many pieces, this one is fetched again.
  (void)part->written.Add(offset, offset + size);
  return true;
}

bool JournalState::ApplyHash(ByteReader& reader) {
  Part* const part = ReadId(reader);
  SavedHash hash;
  hash.earlier_boot = (reader.ReadU8() & kEarlierBoot) != 0;
  CopyBytes(reader.ReadBytes(hash.state.size()), hash.state);
  if (part == nullptr || !reader.AtEnd()) return false;
  hash.offset = Hasher::SizeOf(hash.state);
  // A hash of what is not there would be of no use, and is no harm.
  if (hash.offset <= part->written.ContiguousEnd(0)) part->hash = hash;
  return true;
}

bool JournalState::ApplyDone(ByteReader& reader) {
  if (reader.remaining() == 0 || reader.remaining() % 8 != 0) return false;
  while (!reader.AtEnd()) {
    const std::uint64_t hash = reader.ReadU64();
    if (done_.size() < kMaxDone) done_.Insert(hash);
  }
  return true;
}

bool JournalState::ApplyRenamed(ByteReader& reader) {
  const std::uint64_t hash = reader.ReadU64();
  std::string name(AsText(reader.ReadLengthPrefixed()));
  if (!reader.AtEnd()) return false;
  if (renamed_.size() < kMaxRenamed) renamed_[hash] = std::move(name);
  return true;
}

bool JournalState::ApplyPrefix(ByteReader& reader) {
  std::string prefix(AsText(reader.ReadLengthPrefixed()));
  if (!reader.AtEnd()) return false;
  prefixes_.push_back(std::move(prefix));
  if (prefixes_.size() > kMaxPrefixes) prefixes_.pop_front();
  return true;
}

std::optional<std::uint64_t> JournalState::FindPart(
    const std::string& path) const {
  const auto found = by_path_.find(path);
  if (found == by_path_.end()) return std::nullopt;
  return found->second;
}

const std::string* JournalState::RenamedTo(std::uint64_t hash) const {
  const auto found = renamed_.find(hash);
  return found == renamed_.end() ? nullptr : &found->second;
}

}  // namespace p2pcp::file

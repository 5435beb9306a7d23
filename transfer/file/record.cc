#include "transfer/file/record.h"

#include <algorithm>
#include <array>

#include "net/base/check.h"

namespace p2pcp::file {

namespace {

constexpr std::size_t kHeader = 3;
constexpr std::size_t kCheck = 8;
static_assert(kHeader + kCheck == Record::kOverhead);

using Check = std::array<std::byte, kCheck>;

Check CheckOf(Hasher& hasher, std::uint64_t at, ByteSpan record) {
  std::array<std::byte, 8> place;
  ByteWriter writer(place);
  writer.WriteU64(at);
  hasher.Reset();
  hasher.Update(record);
  hasher.Update(place);
  Check check;
  CopyBytes(ByteSpan(hasher.Finish().bytes).first(kCheck), check);
  return check;
}

}  // namespace

void RecordWriter::Append(std::uint64_t at, std::uint8_t type, ByteSpan payload,
                          Bytes& out) {
  P2PCP_CHECK(payload.size() <= Record::kMaxPayload);
  const std::size_t begin = out.size();
  const std::size_t checked = kHeader + payload.size();
  out.resize(begin + checked + kCheck);
  const MutableByteSpan bytes = MutableByteSpan(out).subspan(begin);
  ByteWriter writer(bytes);
  writer.WriteU16(static_cast<std::uint16_t>(payload.size()));
  writer.WriteU8(type);
  writer.WriteBytes(payload);
  writer.WriteBytes(CheckOf(hasher_, at, bytes.first(checked)));
  P2PCP_CHECK(writer.ok());
}

std::optional<Record> RecordReader::Next() {
  const ByteSpan rest = file_.subspan(good_);
  ByteReader reader(rest);
  const std::size_t size = reader.ReadU16();
  Record record;
  record.type = reader.ReadU8();
  if (size > Record::kMaxPayload) return std::nullopt;
  record.payload = reader.ReadBytes(size);
  const ByteSpan check = reader.ReadBytes(kCheck);
  if (!reader.ok()) return std::nullopt;
  const Check wanted = CheckOf(hasher_, good_, rest.first(kHeader + size));
  if (!std::equal(check.begin(), check.end(), wanted.begin())) {
    return std::nullopt;
  }
  good_ += size + Record::kOverhead;
  return record;
}

}  // namespace p2pcp::file

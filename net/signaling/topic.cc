#include "net/signaling/topic.h"

#include <array>
#include <chrono>
#include <cstddef>

#include "net/base/bytes.h"
#include "net/crypto/base32.h"
#include "net/crypto/hash.h"

namespace p2pcp::signaling {
namespace {

constexpr std::size_t kHashSize = 20;  // 160 bits.

}  // namespace

std::int64_t DayOf(UnixTime wall) {
  return std::chrono::floor<std::chrono::days>(wall.time_since_epoch()).count();
}

UnixTime EndOfDay(std::int64_t day) {
  return UnixTime(std::chrono::days(day + 1));
}

std::string TopicOf(const crypto::Key& topic_key,
                    const crypto::PublicKey& speaker, Role speaker_role,
                    std::int64_t day) {
  std::array<std::byte, crypto::PublicKey::kSize + 1 + 8> context;
  ByteWriter writer(context);
  writer.WriteBytes(speaker.bytes());
  writer.WriteU8(static_cast<std::uint8_t>(speaker_role));
  writer.WriteU64(static_cast<std::uint64_t>(day));
  std::array<std::byte, kHashSize> hash;
  crypto::DeriveBytes(topic_key, "p2pcp/1 topic", context, hash);
  return crypto::Base32(hash);
}

}  // namespace p2pcp::signaling

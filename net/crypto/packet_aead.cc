#include "net/crypto/packet_aead.h"

#include "net/base/check.h"
#include "net/crypto/hash.h"

namespace p2pcp::crypto {
namespace {

// RFC 9001 section 6.6; for both the number is per connection, over all keys.
constexpr std::uint64_t kMaxFailuresAes = std::uint64_t{1} << 52;
constexpr std::uint64_t kMaxFailuresChaCha = std::uint64_t{1} << 36;

}  // namespace

void EpochSecrets::Next(PacketCipher& cipher) {
  PacketIv iv;
  DeriveBytes(secret_, "iv", {}, iv);
  cipher.SetKey(DeriveKey(secret_, "key"), iv);
  Wipe(iv);
  secret_ = DeriveKey(secret_, "ku");
}

PacketSealer::PacketSealer(Suite suite, const Key& secret,
                           std::uint64_t epoch_packets)
    : epoch_packets_(epoch_packets),
      epoch_end_(epoch_packets),
      secrets_(secret),
      cipher_(suite, PacketCipher::Direction::kSeal) {
  P2PCP_CHECK(epoch_packets > 0 && epoch_packets <= PacketNumber::kMax);
  secrets_.Next(cipher_);
}

std::size_t PacketSealer::Seal(PacketNumber number, ByteSpan header,
                               ByteSpan frames, ByteSpan data,
                               MutableByteSpan out) {
  // A nonce used twice gives the key of the authentication away.
  P2PCP_CHECK(number.value() >= minimum_ &&
              number.value() <= PacketNumber::kMax);
  minimum_ = number.value() + 1;
  while (number.value() >= epoch_end_) {
    secrets_.Next(cipher_);
    epoch_end_ += epoch_packets_;
  }
  const std::size_t size =
      header.size() + frames.size() + data.size() + kPacketTagSize;
  P2PCP_CHECK(size <= out.size());
  if (header.data() != out.data()) CopyBytes(header, out);
  cipher_.Seal(number.value(), out.first(header.size()), frames, data,
               out.subspan(header.size(), size - header.size()));
  return size;
}

PacketOpener::PacketOpener(Suite suite, const Key& secret, OpenerLimits limits)
    : limits_(limits),
      secrets_(secret),
      ciphers_{PacketCipher(suite, PacketCipher::Direction::kOpen),
               PacketCipher(suite, PacketCipher::Direction::kOpen),
               PacketCipher(suite, PacketCipher::Direction::kOpen)} {
  P2PCP_CHECK(limits_.epoch_packets > 0 &&
              limits_.epoch_packets <= PacketNumber::kMax);
  if (limits_.max_failures == 0) {
    limits_.max_failures =
        suite == Suite::kAes256Gcm ? kMaxFailuresAes : kMaxFailuresChaCha;
  }
  // The next epoch's keys stand ready, so that a forged packet of it costs no
  // more than any other.
  secrets_.Next(cipher(0));
  secrets_.Next(cipher(1));
}

std::optional<MutableByteSpan> PacketOpener::Open(
    PacketNumber number, ByteSpan header, MutableByteSpan ciphertext_and_tag) {
  if (dead() || ciphertext_and_tag.size() < kPacketTagSize ||
      number.value() > PacketNumber::kMax) {
    return std::nullopt;
  }
  std::uint64_t epoch = epoch_;
  if (number.value() < epoch_begin_) {
    if (number.value() + limits_.epoch_packets < epoch_begin_) {
      return std::nullopt;
    }
    epoch = epoch_ - 1;
  } else if (number.value() - epoch_begin_ >= limits_.epoch_packets) {
    if (number.value() - epoch_begin_ >= 2 * limits_.epoch_packets) {
      return std::nullopt;
    }
    epoch = epoch_ + 1;
  }
  PacketCipher& with = cipher(epoch);
  if (!with.has_key()) return std::nullopt;
  if (!with.Open(number.value(), header, ciphertext_and_tag)) {
    ++failures_;
    return std::nullopt;
  }
  if (epoch > epoch_) Advance();
  if (number.value() >= epoch_begin_ + limits_.late_packets) {
    ForgetPreviousEpoch();
  }
  return ciphertext_and_tag.first(ciphertext_and_tag.size() - kPacketTagSize);
}

void PacketOpener::Advance() {
  ++epoch_;
  epoch_begin_ += limits_.epoch_packets;
  // Where the epoch before the previous one stood.
  secrets_.Next(cipher(epoch_ + 1));
}

void PacketOpener::ForgetPreviousEpoch() {
  if (epoch_ == 0) return;
  PacketCipher& previous = cipher(epoch_ - 1);
  if (previous.has_key()) previous.Clear();
}

}  // namespace p2pcp::crypto

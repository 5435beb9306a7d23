// Packet protection: one direction of one session, by epochs.
//
//   secret[0]   is given;  secret[e+1] = DeriveKey(secret[e], "ku")
//   key[e]      = DeriveKey(secret[e], "key")      32 bytes
//   iv[e]       = DeriveBytes(secret[e], "iv")     12 bytes
//   nonce       = iv[e] XOR packet number (big-endian, at the end)
//   e           = packet number / epoch size
//
// An epoch is 2^22 packets, below the 2^23 that RFC 9001 section 6.6 allows
// AES-GCM under one key. Since the number tells the epoch there is no key
// phase bit and nothing to negotiate. No packet allocates.

#ifndef P2PCP_NET_CRYPTO_PACKET_AEAD_H_
#define P2PCP_NET_CRYPTO_PACKET_AEAD_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "net/base/bytes.h"
#include "net/base/packet_number.h"
#include "net/crypto/key.h"
#include "net/crypto/packet_cipher.h"

namespace p2pcp::crypto {

inline constexpr std::uint64_t kEpochPackets = std::uint64_t{1} << 22;

// The keys of one epoch after the other, forward only.
class EpochSecrets {
 public:
  explicit EpochSecrets(const Key& secret) : secret_(secret) {}
  // Sets cipher up for the epoch that is next, and moves on: what is kept
  // gives no earlier epoch's keys.
  void Next(PacketCipher& cipher);

 private:
  Key secret_;
};

class PacketSealer {
 public:
  // REQUIRES: 0 < epoch_packets < 2^48; the same as the opener's.
  PacketSealer(Suite suite, const Key& secret,
               std::uint64_t epoch_packets = kEpochPackets);

  // Writes header || encrypted(frames || data) || tag at the start of out and
  // returns its size. header is authenticated. Each of header, frames and data
  // either stands in out where it belongs already or does not overlap out; data
  // elsewhere is encrypted from there, without a copy.
  // REQUIRES: number is above that of every call before; the packet fits out.
  std::size_t Seal(PacketNumber number, ByteSpan header, ByteSpan frames,
                   ByteSpan data, MutableByteSpan out);

 private:
  std::uint64_t epoch_packets_;
  std::uint64_t epoch_end_;    // First number of the next epoch.
  std::uint64_t minimum_ = 0;  // Smallest number not yet used.
  EpochSecrets secrets_;
  PacketCipher cipher_;
};

struct OpenerLimits {
  std::uint64_t epoch_packets = kEpochPackets;
  // The epoch before is forgotten once a packet this far into the present one
  // has come: no replay window reaches back further.
  std::uint64_t late_packets = std::uint64_t{1} << 18;
  // Packets that fail before the opener goes dead; 0: what RFC 9001 section
  // 6.6 says for the suite, 2^52 (AES-GCM) or 2^36 (ChaCha20-Poly1305).
  std::uint64_t max_failures = 0;
};

// The peer's packets. Replays are not noticed here: the channel's window is
// asked before and told after.
class PacketOpener {
 public:
  PacketOpener(Suite suite, const Key& secret, OpenerLimits limits = {});

  // Decrypts in place and returns the plaintext, a part of ciphertext_and_tag.
  // nullopt if the tag is wrong, the epoch is neither the present one nor the
  // one before or after, or the opener is dead; the state is then unchanged
  // but for failures(), and the bytes in the buffer mean nothing any more.
  // A packet of the next epoch that authenticates makes that the present one.
  std::optional<MutableByteSpan> Open(PacketNumber number, ByteSpan header,
                                      MutableByteSpan ciphertext_and_tag);

  // Erases the keys of the epoch before: its late packets are due no more.
  // The channel calls it about 3 PTO after epoch() has changed; see also
  // OpenerLimits::late_packets.
  void ForgetPreviousEpoch();

  std::uint64_t epoch() const { return epoch_; }
  // Packets whose tag was wrong.
  std::uint64_t failures() const { return failures_; }
  // Too many of them: nothing is opened any more and the session must end.
  bool dead() const { return failures_ >= limits_.max_failures; }

 private:
  PacketCipher& cipher(std::uint64_t epoch) { return ciphers_[epoch % 3]; }
  void Advance();

  OpenerLimits limits_;
  std::uint64_t epoch_ = 0;
  std::uint64_t epoch_begin_ = 0;  // First number of the present epoch.
  std::uint64_t failures_ = 0;
  EpochSecrets secrets_;
  // The epoch before, the present one and the next, each at its number mod 3.
  std::array<PacketCipher, 3> ciphers_;
};

}  // namespace p2pcp::crypto

#endif  // P2PCP_NET_CRYPTO_PACKET_AEAD_H_

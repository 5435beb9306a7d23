// XXH3-128 of a file's content, in the form that xxh128sum prints. The only
// user of xxHash. It finds damage; who sent the bytes is proved by the packet
// protection below.

#ifndef P2PCP_TRANSFER_FILE_DIGEST_H_
#define P2PCP_TRANSFER_FILE_DIGEST_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "net/base/bytes.h"
#include "transfer/file/strong_hash.h"

namespace p2pcp::file {

struct Digest {
  // The canonical form: the high 64 bits first, big-endian.
  std::array<std::byte, 16> bytes = {};
  // Of the same content, where somebody has asked for it: it is worked out on
  // each side, never told by the other, and not compared here.
  std::optional<StrongDigest> strong = {};

  // 32 lower-case hex digits, as xxh128sum prints them.
  std::string ToString() const { return Hex(bytes); }

  friend bool operator==(const Digest& a, const Digest& b) {
    return a.bytes == b.bytes;
  }
};

// A running digest. Allocates its state once; movable.
class Hasher {
 public:
  Hasher();
  Hasher(Hasher&&) noexcept;
  Hasher& operator=(Hasher&&) noexcept;
  ~Hasher();

  // Starts anew with no bytes seen.
  void Reset();
  // From the next Reset() on it works out the strong digest too; null: not any
  // more.
  void SetStrong(std::unique_ptr<StrongHasher> strong);
  void Update(ByteSpan bytes);
  // The same as so many zero bytes.
  void UpdateZeros(std::uint64_t size);
  // The digest of all bytes since Reset; more may follow.
  Digest Finish() const;
  // The digest of these bytes.
  static Digest Of(ByteSpan bytes);
  // Bytes since Reset.
  std::uint64_t size() const;

  // A running digest as bytes, to go on with after a restart of the program.
  static constexpr std::size_t kSavedSize = 344;
  using Saved = std::array<std::byte, kSavedSize>;
  Saved Save() const;
  // The bytes that it had seen.
  static std::uint64_t SizeOf(const Saved& saved);
  // Goes on from there. False, and as after Reset(): not saved by this version
  // of the library, or nothing that can have been saved. A strong digest does
  // not go on: REQUIRES: there is none.
  [[nodiscard]] bool Restore(const Saved& saved);

 private:
  struct State;
  struct Free {
    void operator()(State* state) const;
  };
  std::unique_ptr<State, Free> state_;
  std::unique_ptr<StrongHasher> strong_;
};

// Digests of what is in memory whole: without a state of XXH3, which small
// files would spend most of their time on.
class WholeHasher {
 public:
  // As Hasher's, at once.
  void SetStrong(std::unique_ptr<StrongHasher> strong);
  Digest Of(ByteSpan bytes);

 private:
  std::unique_ptr<StrongHasher> strong_;
};

}  // namespace p2pcp::file

#endif  // P2PCP_TRANSFER_FILE_DIGEST_H_

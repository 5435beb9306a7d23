// XXH3-128 of a file's content, in the form that xxh128sum prints. The only
// user of xxHash. It finds damage; who sent the bytes is proved by the packet
// protection below.

#ifndef P2PCP_TRANSFER_FILE_DIGEST_H_
#define P2PCP_TRANSFER_FILE_DIGEST_H_

#include <array>
#include <cstddef>
#include <memory>
#include <string>

#include "net/base/bytes.h"

namespace p2pcp::file {

struct Digest {
  // The canonical form: the high 64 bits first, big-endian.
  std::array<std::byte, 16> bytes = {};

  // 32 lower-case hex digits, as xxh128sum prints them.
  std::string ToString() const { return Hex(bytes); }

  friend bool operator==(const Digest&, const Digest&) = default;
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
  void Update(ByteSpan bytes);
  // The digest of all bytes since Reset; more may follow.
  Digest Finish() const;

 private:
  struct State;
  struct Free {
    void operator()(State* state) const;
  };
  std::unique_ptr<State, Free> state_;
};

}  // namespace p2pcp::file

#endif  // P2PCP_TRANSFER_FILE_DIGEST_H_

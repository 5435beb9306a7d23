// A cryptographic digest of a file's content, beside the XXH3 that finds
// damage: for whoever signs what has arrived. This package knows no
// cryptography; whoever wants such digests brings the hasher.

#ifndef P2PCP_TRANSFER_FILE_STRONG_HASH_H_
#define P2PCP_TRANSFER_FILE_STRONG_HASH_H_

#include <array>
#include <cstddef>
#include <memory>

#include "net/base/bytes.h"

namespace p2pcp::file {

// 256 bits: BLAKE2b-256 in all that leaves the program.
using StrongDigest = std::array<std::byte, 32>;

// A running digest. Used by one thread at a time.
class StrongHasher {
 public:
  virtual ~StrongHasher() = default;

  // Starts anew with no bytes seen, as after construction.
  virtual void Reset() = 0;
  virtual void Update(ByteSpan bytes) = 0;
  // Of all bytes since Reset(); more may follow.
  virtual StrongDigest Finish() const = 0;
};

// From any thread.
using StrongHasherFactory = std::unique_ptr<StrongHasher> (*)();

}  // namespace p2pcp::file

#endif  // P2PCP_TRANSFER_FILE_STRONG_HASH_H_

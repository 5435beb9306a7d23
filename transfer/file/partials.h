// What unfinished transfers have left on the disk: for a user who wants to
// know, or to be rid of it.

#ifndef P2PCP_TRANSFER_FILE_PARTIALS_H_
#define P2PCP_TRANSFER_FILE_PARTIALS_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/result.h"
#include "transfer/file/journal_state.h"

namespace p2pcp::file {

// A file of which a part has arrived.
struct Partial {
  Bytes peer;        // The public key of who sends it.
  std::string path;  // Where it will be.
  std::uint64_t size = 0;
  std::uint64_t bytes = 0;  // That have arrived and may be believed.
  std::int64_t begun = 0;   // Seconds since 1970.
};

struct Partials {
  std::vector<Partial> files;
  // Folders of transfers that are under way: theirs are not among them.
  std::vector<std::string> in_use;
};

// Whether a peer's are wanted.
using OfPeer = std::function<bool(const Bytes& peer)>;

// Those that journals in folder tell of.
Partials ListPartials(const std::string& folder, const BootId& boot,
                      const OfPeer& wanted);

// Deletes them, with their journals, and what else transfers that were killed
// have left where they were to go. What it deleted, and what is in use and was
// left alone.
Partials CleanPartials(const std::string& folder, const BootId& boot,
                       const OfPeer& wanted);

}  // namespace p2pcp::file

#endif  // P2PCP_TRANSFER_FILE_PARTIALS_H_

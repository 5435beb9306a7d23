// SourceKeeper: remembers how far the digests of files that are being sent have
// come, so that a sender that begins again does not read what was sent.
//
// Trusted only as long as the file is the same in every respect, and that
// includes the time of its last change, which no program sets as it likes.

#ifndef P2PCP_TRANSFER_FILE_SOURCE_KEEPER_H_
#define P2PCP_TRANSFER_FILE_SOURCE_KEEPER_H_

#include <cstdint>

#include "transfer/file/digest.h"
#include "transfer/file/journal.h"
#include "transfer/file/journal_state.h"

namespace p2pcp::file {

// On the disk's thread. The journal must outlive it.
class SourceKeeper {
 public:
  // A digest is noted each time that so much has been added.
  static constexpr std::uint64_t kInterval = 32 << 20;

  explicit SourceKeeper(Journal* journal) : journal_(*journal) {}

  // hasher goes on from what is known of the file; its bytes, 0 if it begins
  // anew. key.path, device, inode and stamp (the time of the last change, in
  // nanoseconds) are the file's.
  std::uint64_t Restore(const JournalState::Part& file, Hasher& hasher);
  // hasher has seen the file up to where it is.
  void Note(const JournalState::Part& file, const Hasher& hasher);

 private:
  Journal& journal_;
};

}  // namespace p2pcp::file

#endif  // P2PCP_TRANSFER_FILE_SOURCE_KEEPER_H_

// Journal: what is known of files that did not arrive whole yet, on disk, so
// that the next run goes on where this one ended, whatever ended it.
//
// One file for each pair of identities and each folder, in the folder for the
// state of programs and not beside the parts: so that all of them can be
// listed and cleaned without searching disks, the target may be a foreign file
// system, and nobody who may look there learns who sent what. It is locked
// while it is open; a second transfer between the same two at the same time
// gets a file of its own.
//
// Appended to as things happen, so a program that is killed has lost nothing;
// made durable by whoever syncs (fd()). A torn or damaged end is cut off when
// it is opened. Rewritten when most of it has become history.
//
// A journal that can't be written goes quiet and is not believed in any more:
// it never makes a transfer fail.

#ifndef P2PCP_TRANSFER_FILE_JOURNAL_H_
#define P2PCP_TRANSFER_FILE_JOURNAL_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/result.h"
#include "transfer/file/digest.h"
#include "transfer/file/journal_state.h"
#include "transfer/file/record.h"
#include "transfer/file/unique_fd.h"

namespace p2pcp::file {

// Used by one thread at a time. All methods block on the file system.
class Journal {
 public:
  // Journals of one owner at the same time.
  static constexpr unsigned kMaxAtOnce = 16;

  // folder is made (0700) if it is missing. kCannotWrite: it can't be made or
  // written, belongs to others, or too many transfers are under way.
  static Result<std::unique_ptr<Journal>> Open(const std::string& folder,
                                               const JournalOwner& owner,
                                               const BootId& boot);
  // An existing one. kCannotWrite: also where it is in use (os_errno
  // EWOULDBLOCK) or is none.
  static Result<std::unique_ptr<Journal>> OpenFile(const std::string& path,
                                                   const BootId& boot);
  // The names of all journals in folder; none if there is no such folder.
  static std::vector<std::string> List(const std::string& folder);

  // Writes what is still to be written.
  ~Journal();
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  const JournalState& state() const { return state_; }
  const JournalOwner& owner() const { return *state_.owner(); }
  // To be synced. Changes when the journal is rewritten.
  int fd() const { return fd_.get(); }
  // Why it went quiet, once.
  std::optional<Error> TakeError();

  // A new part; nothing: it can't be kept account of. It stands in the file
  // with the first WRITTEN, since before that there is nothing to lose.
  // REQUIRES: state().FindPart(part.key.path) finds none.
  std::optional<std::uint64_t> Begin(const JournalState::Part& part);
  // REQUIRES of all: id is a part's.
  void Written(std::uint64_t id, std::uint64_t begin, std::uint64_t end);
  // What was Written() before is being synced, and: has been.
  void Mark(std::uint64_t id);
  void Synced(std::uint64_t id);
  void SaveHash(std::uint64_t id, const Hasher& hasher);
  void End(std::uint64_t id);
  // The file is durable under its name, or the other one that it got.
  // hash: JournalState's of its key; size: its bytes.
  void Done(std::uint64_t hash, std::uint64_t size,
            const std::string* renamed_to);
  // The names of this session's parts begin so.
  void Prefix(const std::string& prefix);
  // Ends all parts.
  void Clear();
  // Deletes the file, unless parts are left.
  void Finish();

 private:
  using Type = JournalState::Type;

  Journal(std::string path, UniqueFd fd) : path_(path), fd_(std::move(fd)) {}

  Status Load(const JournalOwner* owner, const BootId& boot);
  bool Apply(Type type, ByteSpan payload);
  void Flush();
  void FlushDone();
  void Compact();
  void Quiet(Error error);

  const std::string path_;
  UniqueFd fd_;
  JournalState state_;
  RecordWriter records_;
  std::uint64_t size_ = 0;        // In the file.
  std::uint64_t compact_at_ = 0;  // It is rewritten when it is so large.
  Bytes buffer_;                  // To be appended to the file.
  Bytes done_;                    // Hashes for the next DONE.
  bool quiet_ = false;
  bool finished_ = false;
  std::optional<Error> error_;
};

}  // namespace p2pcp::file

#endif  // P2PCP_TRANSFER_FILE_JOURNAL_H_

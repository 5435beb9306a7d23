// The list of files of a transfer, laid end to end in one linear byte space.
// Built by the sender from what it was asked to send and by the receiver from
// the peer's entries; the same bounds hold on both sides.

#ifndef P2PCP_TRANSFER_FILE_MANIFEST_H_
#define P2PCP_TRANSFER_FILE_MANIFEST_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "net/base/result.h"

namespace p2pcp::file {

struct FileTime {
  std::int64_t seconds = 0;       // Since 1970-01-01 00:00:00 UTC.
  std::uint32_t nanoseconds = 0;  // < 10^9.

  friend bool operator==(const FileTime&, const FileTime&) = default;
};

struct Entry {
  std::string name;  // Plain (path_policy.h), one component.
  std::uint64_t size = 0;
  FileTime mtime;
  bool executable = false;  // The owner's x bit; no other bit travels.

  friend bool operator==(const Entry&, const Entry&) = default;
};

class Manifest {
 public:
  // Entries, and bytes of their names together: what a receiver keeps in
  // memory for them stays below 16 MiB.
  static constexpr std::size_t kMaxEntries = 65536;
  static constexpr std::size_t kMaxNameBytes = 4 << 20;
  // Offsets of the byte space have 48 bits on the wire.
  static constexpr std::uint64_t kMaxTotal = (std::uint64_t{1} << 48) - 1;

  // Appends an entry. kMalformed: the name is not plain, or a bound is passed.
  Status Add(Entry entry);
  // Call once, after the last entry. kMalformed: there is no entry, or two
  // have the same name.
  Status Seal();

  std::size_t size() const { return entries_.size(); }
  const Entry& operator[](std::size_t index) const { return entries_[index]; }
  // Where the file's bytes begin and end in the byte space.
  std::uint64_t Begin(std::size_t index) const { return begins_[index]; }
  std::uint64_t End(std::size_t index) const {
    return begins_[index] + entries_[index].size;
  }
  std::uint64_t total() const { return total_; }
  // The file that the byte at offset belongs to. REQUIRES: offset < total().
  std::size_t FileAt(std::uint64_t offset) const;

 private:
  std::vector<Entry> entries_;
  std::vector<std::uint64_t> begins_;
  std::uint64_t total_ = 0;
  std::size_t name_bytes_ = 0;
};

}  // namespace p2pcp::file

#endif  // P2PCP_TRANSFER_FILE_MANIFEST_H_

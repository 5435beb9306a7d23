// One file to send.

#ifndef P2PCP_TRANSFER_FILE_SOURCE_FILE_H_
#define P2PCP_TRANSFER_FILE_SOURCE_FILE_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "transfer/file/entry.h"

namespace p2pcp::file {

// Where it is, and by what it is known again when it is opened for reading: a
// file that differs in any of these has changed since.
struct SourceFile {
  std::string path;
  // Where in the path begins what the receiver sees of it.
  std::size_t name_begin = 0;
  bool follow = false;  // The path may be a symbolic link.
  bool sparse = false;
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::uint64_t size = 0;
  FileTime mtime;

  std::string name() const { return path.substr(name_begin); }
};

}  // namespace p2pcp::file

#endif  // P2PCP_TRANSFER_FILE_SOURCE_FILE_H_

// What the user asked to send: regular files, checked before anything is
// dialled.

#ifndef P2PCP_TRANSFER_FILE_SOURCE_LIST_H_
#define P2PCP_TRANSFER_FILE_SOURCE_LIST_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "net/base/result.h"
#include "transfer/file/manifest.h"

namespace p2pcp::file {

// One file to send, and by what it is known again when it is opened for
// reading: a file that differs in any of these has changed since.
struct SourceFile {
  std::string path;
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::uint64_t size = 0;
  FileTime mtime;
};

// Where the file of an entry is. Same order, same size. Not changed after it
// was made, since the disk's thread reads it.
struct SourceList {
  Manifest manifest;
  std::vector<SourceFile> files;
};

// Opens each path once (so it is readable), and takes its size and times.
// Blocks on the file system. Fails on the first path that can't be sent:
// kSourceUnreadable, if it does not exist, may not be read or is no regular
// file; kUsage, if it is a folder, or its name would not be taken by a
// receiver, or two files have the same name.
Result<SourceList> ScanSources(std::span<const std::string> paths);

}  // namespace p2pcp::file

#endif  // P2PCP_TRANSFER_FILE_SOURCE_LIST_H_

// A SourceFile as a scan would give it, for tests.

#ifndef P2PCP_TRANSFER_FILE_LISTED_FILE_H_
#define P2PCP_TRANSFER_FILE_LISTED_FILE_H_

#include <sys/stat.h>

#include <memory>
#include <string>

#include "net/base/check.h"
#include "transfer/file/source_file.h"

namespace p2pcp::file {

inline std::shared_ptr<const SourceFile> ListFile(const std::string& path) {
  struct stat info;
  P2PCP_CHECK(stat(path.c_str(), &info) == 0);
  auto file = std::make_shared<SourceFile>();
  file->path = path;
  file->device = info.st_dev;
  file->inode = info.st_ino;
  file->size = static_cast<std::uint64_t>(info.st_size);
  file->sparse = info.st_blocks * 512 < info.st_size;
  file->mtime = {info.st_mtim.tv_sec,
                 static_cast<std::uint32_t>(info.st_mtim.tv_nsec)};
  return file;
}

}  // namespace p2pcp::file

#endif  // P2PCP_TRANSFER_FILE_LISTED_FILE_H_

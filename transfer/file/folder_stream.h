// Listing a folder that is open.

#ifndef P2PCP_TRANSFER_FILE_FOLDER_STREAM_H_
#define P2PCP_TRANSFER_FILE_FOLDER_STREAM_H_

#include <dirent.h>

#include <memory>

#include "transfer/file/unique_fd.h"

namespace p2pcp::file {

struct CloseFolder {
  void operator()(DIR* stream) const { closedir(stream); }
};

// For readdir(3); dirfd(3) stays valid as long as this does.
using FolderStream = std::unique_ptr<DIR, CloseFolder>;

// Null, with errno, where the folder can't be listed; nothing has to be open.
inline FolderStream ListFolder(UniqueFd folder) {
  if (!folder.ok()) return nullptr;
  FolderStream stream(fdopendir(folder.get()));
  if (stream != nullptr) folder.Release();
  return stream;
}

}  // namespace p2pcp::file

#endif  // P2PCP_TRANSFER_FILE_FOLDER_STREAM_H_

// Files that hold secrets: mode 0600, ours, in a folder of ours with mode
// 0700, replaced atomically. ssh's rules.

#ifndef P2PCP_NET_CRYPTO_PRIVATE_FILE_H_
#define P2PCP_NET_CRYPTO_PRIVATE_FILE_H_

#include <cstddef>
#include <filesystem>

#include "net/base/bytes.h"
#include "net/base/result.h"

namespace p2pcp::crypto {

// kPrivate: the folder is p2pcp's own. kAny: the user has put the file where he
// likes, perhaps behind a symbolic link, and only the file itself is checked.
enum class FolderRule { kPrivate, kAny };

// The whole file. Fails if it is absent (os_errno ENOENT), above max_size, a
// symbolic link or no regular file, or if it or its folder belongs to another
// user or can be used by others: the message holds the command that mends it.
Result<Bytes> ReadPrivateFile(const std::filesystem::path& file,
                              std::size_t max_size,
                              FolderRule rule = FolderRule::kPrivate);

enum class IfExists { kReplace, kFail };

// Makes missing folders (0700), writes a new file beside the old one (0600),
// brings it to the disk, and only then gives it its name. After a failure the
// old file is as it was and the new one is gone. With IfExists::kFail an
// existing file (os_errno EEXIST) is left alone, whoever made it and when.
Status WritePrivateFile(const std::filesystem::path& file, ByteSpan content,
                        IfExists if_exists);

// Holds an exclusive lock on "FILE.lock" from Acquire() to destruction; waits
// for whoever has it. The lock ends with the process too.
class FileLock {
 public:
  static Result<FileLock> Acquire(const std::filesystem::path& file);
  FileLock(FileLock&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  FileLock& operator=(FileLock&&) = delete;
  ~FileLock();

 private:
  explicit FileLock(int fd) : fd_(fd) {}
  int fd_;
};

}  // namespace p2pcp::crypto

#endif  // P2PCP_NET_CRYPTO_PRIVATE_FILE_H_

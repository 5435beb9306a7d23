// The system calls that can fail in ways worth testing, behind a seam.

#ifndef P2PCP_TRANSFER_FILE_SYSCALLS_H_
#define P2PCP_TRANSFER_FILE_SYSCALLS_H_

#include <sys/stat.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <string>

namespace p2pcp::file {

// Each returns what the system call does and sets errno. This class makes the
// real calls; tests override what is to fail.
class Syscalls {
 public:
  virtual ~Syscalls() = default;

  virtual ssize_t Pread(int fd, void* buffer, std::size_t size, off_t offset);
  virtual ssize_t Pwrite(int fd, const void* buffer, std::size_t size,
                         off_t offset);
  // The same, but only of what is in the system's cache: EAGAIN where reading
  // would have to wait for a device, EOPNOTSUPP where the file system can't
  // tell, or IsInMemory().
  virtual ssize_t PreadCached(int fd, void* buffer, std::size_t size,
                              off_t offset);
  // Whether the file system of fd is in memory and nowhere else (tmpfs).
  virtual bool IsInMemory(int fd);
  virtual int Fstat(int fd, struct stat* out);
  // Reserves room for size bytes from offset on, where the file system does
  // that without writing them (ext4, XFS); elsewhere does nothing.
  virtual int Reserve(int fd, std::uint64_t offset, std::uint64_t size);
  // Creates relative beneath the folder dirfd (confined_open.h).
  virtual int Create(int dirfd, const std::string& relative, mode_t mode);
  // unnamed_file.h.
  virtual int CreateUnnamed(int dirfd, mode_t mode);
  virtual int NameUnnamed(int fd, int dirfd, const char* name);
  virtual int Fdatasync(int fd);
  virtual int Fsync(int fd);
  // All of the file system that fd is on.
  virtual int Syncfs(int fd);
  virtual int MakeFolder(int dirfd, const std::string& name, mode_t mode);
  // Begins to write out what is dirty in the file, without waiting for it.
  virtual int StartWriteback(int fd);
  // renameat2(2) inside of one folder.
  virtual int Rename(int dirfd, const char* from, const char* to,
                     unsigned flags);
  virtual int Link(int dirfd, const char* from, const char* to);
  // Bytes that we may still write, or -1.
  virtual std::int64_t FreeBytes(int dirfd);

  // The real ones, and the same without any syncing: for measuring only, since
  // a power failure then takes what had a final name.
  static Syscalls& Real();
  static Syscalls& WithoutSync();
};

}  // namespace p2pcp::file

#endif  // P2PCP_TRANSFER_FILE_SYSCALLS_H_

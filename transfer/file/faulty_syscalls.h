// A disk that fails on cue: for tests and the simulator.

#ifndef P2PCP_TRANSFER_FILE_FAULTY_SYSCALLS_H_
#define P2PCP_TRANSFER_FILE_FAULTY_SYSCALLS_H_

#include <errno.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "transfer/file/syscalls.h"

namespace p2pcp::file {

// Everything set to 0 or empty works as the real calls do. Errors are errno
// values.
class FaultySyscalls final : public Syscalls {
 public:
  int create_error = 0;
  int reserve_error = 0;
  std::uint64_t reserved_end = 0;  // How far room was asked for.
  int read_error = 0;  // Of every read from byte read_error_from on.
  off_t read_error_from = 0;
  off_t cached_until = 0;  // The system's cache holds bytes up to here.
  std::uint64_t cached_reads = 0;
  std::uint64_t cached_misses = 0;
  int write_error = 0;                  // Of every write ...
  std::uint64_t write_error_after = 0;  // ... once so many bytes are written.
  std::size_t max_transfer = 0;  // Short reads and writes: bytes at most.
  std::optional<off_t> corrupt_offset;  // The byte written here is another ...
  int corrupt_times = 1;                // ... so often.
  int sync_error = 0;
  int folder_sync_error = 0;
  int folder_error = 0;  // Of making one.
  int rename_error = 0;
  int rename_flags_error = 0;  // Of renames with flags.
  int link_error = 0;
  int unnamed_error = 0;       // Of making files without a name,
  int name_unnamed_error = 0;  // and of giving them one.
  std::optional<std::int64_t> free_bytes;
  bool in_memory = false;
  std::function<void()> before_read;  // Called before each read.

  std::uint64_t bytes_written = 0;
  std::uint64_t folder_syncs = 0;
  std::uint64_t data_syncs = 0;
  std::uint64_t all_syncs = 0;

  ssize_t Pread(int fd, void* buffer, std::size_t size, off_t offset) override {
    if (before_read) before_read();
    if (read_error != 0 &&
        offset + static_cast<off_t>(size) > read_error_from) {
      return Fail(read_error);
    }
    return Syscalls::Pread(fd, buffer, Cut(size), offset);
  }
  ssize_t PreadCached(int fd, void* buffer, std::size_t size,
                      off_t offset) override {
    if (offset >= cached_until) {
      ++cached_misses;
      return Fail(EAGAIN);
    }
    ++cached_reads;
    return Pread(fd, buffer,
                 static_cast<std::size_t>(std::min<off_t>(
                     static_cast<off_t>(size), cached_until - offset)),
                 offset);
  }
  ssize_t Pwrite(int fd, const void* buffer, std::size_t size,
                 off_t offset) override {
    if (write_error != 0 && bytes_written >= write_error_after) {
      return Fail(write_error);
    }
    const ssize_t n = Syscalls::Pwrite(fd, buffer, Cut(size), offset);
    if (n > 0) bytes_written += static_cast<std::uint64_t>(n);
    if (n > 0 && corrupt_offset && *corrupt_offset >= offset &&
        *corrupt_offset < offset + n) {
      const char wrong = static_cast<char>(
          ~static_cast<const char*>(buffer)[*corrupt_offset - offset]);
      Syscalls::Pwrite(fd, &wrong, 1, *corrupt_offset);
      if (--corrupt_times == 0) corrupt_offset.reset();
    }
    return n;
  }
  int Reserve(int fd, std::uint64_t offset, std::uint64_t size) override {
    if (reserve_error != 0) return Fail(reserve_error);
    reserved_end = std::max(reserved_end, offset + size);
    return Syscalls::Reserve(fd, offset, size);
  }
  int Create(int dirfd, const std::string& relative, mode_t mode) override {
    return create_error != 0 ? Fail(create_error)
                             : Syscalls::Create(dirfd, relative, mode);
  }
  int CreateUnnamed(int dirfd, mode_t mode) override {
    if (unnamed_error != 0) return Fail(unnamed_error);
    return create_error != 0 ? Fail(create_error)
                             : Syscalls::CreateUnnamed(dirfd, mode);
  }
  int NameUnnamed(int fd, int dirfd, const char* name) override {
    if (name_unnamed_error != 0) return Fail(name_unnamed_error);
    return rename_error != 0 ? Fail(rename_error)
                             : Syscalls::NameUnnamed(fd, dirfd, name);
  }
  // Syncing does nothing: no test can tell, and a busy disk takes its time.
  int Fdatasync(int) override {
    ++data_syncs;
    return sync_error != 0 ? Fail(sync_error) : 0;
  }
  int Fsync(int) override {
    ++folder_syncs;
    return folder_sync_error != 0 ? Fail(folder_sync_error) : 0;
  }
  int Syncfs(int) override {
    ++all_syncs;
    if (sync_error != 0) return Fail(sync_error);
    return folder_sync_error != 0 ? Fail(folder_sync_error) : 0;
  }
  int MakeFolder(int dirfd, const std::string& name, mode_t mode) override {
    return folder_error != 0 ? Fail(folder_error)
                             : Syscalls::MakeFolder(dirfd, name, mode);
  }
  int Rename(int dirfd, const char* from, const char* to,
             unsigned flags) override {
    if (flags != 0 && rename_flags_error != 0) return Fail(rename_flags_error);
    if (rename_error != 0) return Fail(rename_error);
    return Syscalls::Rename(dirfd, from, to, flags);
  }
  int Link(int dirfd, const char* from, const char* to) override {
    return link_error != 0 ? Fail(link_error) : Syscalls::Link(dirfd, from, to);
  }
  bool IsInMemory(int) override { return in_memory; }
  std::int64_t FreeBytes(int dirfd) override {
    return free_bytes ? *free_bytes : Syscalls::FreeBytes(dirfd);
  }

 private:
  static int Fail(int error) {
    errno = error;
    return -1;
  }
  std::size_t Cut(std::size_t size) const {
    return max_transfer == 0 ? size : std::min(size, max_transfer);
  }
};

}  // namespace p2pcp::file

#endif  // P2PCP_TRANSFER_FILE_FAULTY_SYSCALLS_H_

#include "transfer/file/delta_base.h"

#include <errno.h>
#include <sys/stat.h>

#include <algorithm>

#include "net/base/check.h"

namespace p2pcp::file {

Result<DeltaBase> DeltaBase::Open(Syscalls& syscalls, UniqueFd fd,
                                  const std::string& name) {
  struct stat info;
  if (syscalls.Fstat(fd.get(), &info) != 0) {
    return ErrnoError(ErrorCode::kCannotWrite, "cannot read " + name, errno);
  }
  if (!S_ISREG(info.st_mode)) {
    return Error{ErrorCode::kCannotWrite, name + " is no regular file"};
  }
  return DeltaBase(syscalls, std::move(fd),
                   static_cast<std::uint64_t>(info.st_size));
}

std::size_t DeltaBase::ReadSome(std::uint64_t offset, MutableByteSpan buffer) {
  std::size_t read = 0;
  while (read < buffer.size()) {
    const ssize_t n =
        syscalls_->Pread(fd_.get(), buffer.data() + read, buffer.size() - read,
                         static_cast<off_t>(offset + read));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    read += static_cast<std::size_t>(n);
  }
  return read;
}

std::uint64_t DeltaBase::Sign(std::uint64_t offset, std::uint64_t size,
                              std::uint64_t block, MutableByteSpan scratch,
                              std::vector<BlockSignature>* signatures) {
  P2PCP_CHECK(scratch.size() >= block);
  std::uint64_t done = 0;
  while (done < size) {
    const auto step =
        static_cast<std::size_t>(std::min<std::uint64_t>(block, size - done));
    const MutableByteSpan bytes = scratch.first(step);
    if (ReadSome(offset + done, bytes) < step) break;
    signatures->push_back(SignBlock(bytes));
    done += step;
  }
  return done;
}

void DeltaBase::Read(std::uint64_t offset, MutableByteSpan buffer) {
  const std::size_t read = ReadSome(offset, buffer);
  std::fill(buffer.begin() + static_cast<std::ptrdiff_t>(read), buffer.end(),
            std::byte{0});
}

}  // namespace p2pcp::file

#include "cmd/receipt/receipt_check.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/base/bytes.h"

namespace p2pcp::cmd {
namespace {

constexpr std::size_t kBuffer = 256 << 10;

// Bytes, 0 at the end, -1 with errno.
ssize_t Read(int fd, MutableByteSpan buffer) {
  for (;;) {
    const ssize_t size = read(fd, buffer.data(), buffer.size());
    if (size >= 0 || errno != EINTR) return size;
  }
}

}  // namespace

Result<ReceiptFacts> ReadReceipt(int fd,
                                 const ReceiptReader::OnEntry& on_entry) {
  ReceiptReader reader(on_entry);
  const auto memory = std::make_unique<std::byte[]>(kBuffer);
  const MutableByteSpan buffer(memory.get(), kBuffer);
  for (;;) {
    const ssize_t size = Read(fd, buffer);
    if (size < 0) {
      return ErrnoError(ErrorCode::kSourceUnreadable, "cannot read it", errno);
    }
    if (size == 0) return reader.Finish();
    Status taken = reader.Take(buffer.first(static_cast<std::size_t>(size)));
    if (!taken) return taken.error();
  }
}

ReceiptCheck::ReceiptCheck(int folder)
    : folder_(folder), buffer_(new std::byte[kBuffer]) {}

ReceiptCheck::Finding ReceiptCheck::Fail(int error) {
  errno_ = error;
  const bool none =
      error == ENOENT || error == ENOTDIR || error == ELOOP || error == ENXIO;
  return none ? Finding::kMissing : Finding::kUnreadable;
}

ReceiptCheck::Finding ReceiptCheck::Look(const ReceiptEntry& entry) {
  const std::string path(entry.path);
  struct stat info;
  if (entry.is_folder) {
    if (fstatat(folder_, path.c_str(), &info, 0) != 0) return Fail(errno);
    return S_ISDIR(info.st_mode) ? Finding::kSame : Finding::kMissing;
  }
  // A FIFO must not hold us up.
  const udp::FileDescriptor fd(openat(
      folder_, path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
  if (!fd.valid()) return Fail(errno);
  if (fstat(fd.get(), &info) != 0) return Fail(errno);
  if (!S_ISREG(info.st_mode)) return Finding::kMissing;
  if (static_cast<std::uint64_t>(info.st_size) != entry.size) {
    return Finding::kChanged;
  }
  hash_.Reset();
  const MutableByteSpan buffer(buffer_.get(), kBuffer);
  // A file that grows meanwhile has an end all the same.
  for (std::uint64_t rest = entry.size;;) {
    const ssize_t size = Read(fd.get(), buffer);
    if (size < 0) return Fail(errno);
    if (size == 0) break;
    if (static_cast<std::uint64_t>(size) > rest) return Finding::kChanged;
    rest -= static_cast<std::uint64_t>(size);
    hash_.Update(buffer.first(static_cast<std::size_t>(size)));
  }
  return hash_.Finish() == entry.digest ? Finding::kSame : Finding::kChanged;
}

}  // namespace p2pcp::cmd

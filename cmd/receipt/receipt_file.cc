#include "cmd/receipt/receipt_file.h"

#include <errno.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <utility>

#include "cmd/receipt/receipt_signer.h"
#include "net/base/check.h"

namespace p2pcp::cmd {
namespace {

constexpr std::size_t kBuffer = 64 << 10;

Error CannotWrite(const std::string& path, int error) {
  return ErrnoError(ErrorCode::kCannotWrite, "cannot write the receipt " + path,
                    error);
}

}  // namespace

Result<std::unique_ptr<ReceiptFile>> ReceiptFile::Create(
    const std::string& path, Random* random) {
  struct stat info;
  if (lstat(path.c_str(), &info) == 0) return CannotWrite(path, EEXIST);
  if (errno != ENOENT) return CannotWrite(path, errno);
  std::array<std::byte, 8> number;
  random->Fill(number);
  const std::filesystem::path folder =
      std::filesystem::path(path).parent_path();
  const std::string part =
      (folder / fmt::format(".p2pcp-{}.receipt", Hex(number))).string();
  const int fd =
      open(part.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (fd < 0) return CannotWrite(path, errno);
  return std::unique_ptr<ReceiptFile>(new ReceiptFile(path, part, fd, random));
}

ReceiptFile::~ReceiptFile() {
  if (!named_) unlink(part_.c_str());
}

file::StrongHasherFactory ReceiptFile::hashers() const {
  return &NewBlake2bHasher;
}

ReceiptId ReceiptFile::Begin() {
  ReceiptId id;
  random_.Fill(id);
  buffer_.clear();
  end_.reset();
  read_ = {};
  reader_.emplace(ReceiptReader::OnEntry());
  // What an earlier session has left.
  if (ftruncate(fd_.get(), 0) != 0 || lseek(fd_.get(), 0, SEEK_SET) != 0) {
    written_ = CannotWrite(path_, errno);
  }
  Append(BeginLines(id));
  return id;
}

void ReceiptFile::AddFolder(std::string_view path) { Append(FolderLine(path)); }

void ReceiptFile::AddFile(std::string_view path, std::uint64_t size,
                          const file::StrongDigest& digest) {
  Append(FileLine(path, size, digest));
}

void ReceiptFile::End(std::uint64_t missing, ByteSpan end) {
  end_ = missing;
  Append(AsText(end));
  Flush();
}

void ReceiptFile::Append(std::string_view text) {
  if (read_) read_ = reader_->Take(AsBytes(text));
  buffer_ += text;
  if (buffer_.size() >= kBuffer) Flush();
}

void ReceiptFile::Flush() {
  for (std::string_view rest = buffer_; written_ && !rest.empty();) {
    const ssize_t size = write(fd_.get(), rest.data(), rest.size());
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) {
      written_ = CannotWrite(path_, size < 0 ? errno : EIO);
    } else {
      rest.remove_prefix(static_cast<std::size_t>(size));
    }
  }
  buffer_.clear();
}

Status ReceiptFile::Conclude(const crypto::PublicKey& to,
                             const std::vector<crypto::PublicKey>& from) {
  P2PCP_CHECK(ended());
  if (!written_) return written_;
  Result<ReceiptFacts> facts =
      read_ ? reader_->Finish() : Result<ReceiptFacts>(read_.error());
  if (!facts) {
    return Annotate(facts.error(), "the receiver's receipt can't be used");
  }
  if (facts->to != to || facts->totals.missing != *end_ ||
      std::find(from.begin(), from.end(), facts->from) == from.end()) {
    return Error{ErrorCode::kAuthenticationFailed,
                 "the receiver has signed something else than what was sent; "
                 "there is no receipt"};
  }
  if (fsync(fd_.get()) != 0) return CannotWrite(path_, errno);
  if (renameat2(AT_FDCWD, part_.c_str(), AT_FDCWD, path_.c_str(),
                RENAME_NOREPLACE) != 0) {
    // File systems without it.
    if (errno != EINVAL || link(part_.c_str(), path_.c_str()) != 0) {
      return CannotWrite(path_, errno);
    }
    unlink(part_.c_str());
  }
  named_ = true;
  return {};
}

}  // namespace p2pcp::cmd

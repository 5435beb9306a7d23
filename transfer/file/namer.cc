#include "transfer/file/namer.h"

#include <errno.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <utility>

#include "net/base/check.h"
#include "transfer/file/part_file.h"

namespace p2pcp::file {

bool Namer::MayBeUnnamed(const Output& output, int dirfd) {
  if (!output.fresh || has_unnamed_ == false) return false;
  if (!has_unnamed_) {
    rlimit open_files = {};
    getrlimit(RLIMIT_NOFILE, &open_files);
    max_unnamed_ = open_files.rlim_cur <= kOtherFiles
                       ? 0
                       : std::min<std::size_t>(
                             kMaxUnnamed, open_files.rlim_cur - kOtherFiles);
    // By doing it: kernels and file systems differ in what may be named again.
    const std::string name = PartName(output);
    const UniqueFd probe(syscalls_.CreateUnnamed(dirfd, 0600));
    has_unnamed_ = probe.ok() &&
                   syscalls_.NameUnnamed(probe.get(), dirfd, name.c_str()) == 0;
    if (*has_unnamed_) unlinkat(dirfd, name.c_str(), 0);
  }
  return *has_unnamed_ && unnamed_ < max_unnamed_;
}

Status Namer::Create(Output& output, int dirfd, mode_t mode) {
  UniqueFd file(syscalls_.CreateUnnamed(dirfd, mode));
  if (!file.ok()) return CannotWrite(output.name, errno);
  output.unnamed = std::make_shared<const UniqueFd>(std::move(file));
  ++unnamed_;
  return {};
}

void Namer::Drop(Output& output) {
  output.unnamed.reset();
  --unnamed_;
}

Status Namer::Place(Output& output) {
  P2PCP_CHECK(output.unnamed != nullptr);
  Result<FolderFd> folder = folders_.Open(output);
  Status placed = folder ? NameInPlace(syscalls_, (*folder)->get(),
                                       output.unnamed->get(), output)
                         : Status(folder.error());
  Drop(output);
  if (!placed) return placed;
  PartKeeper::InPlace in_place = PartKeeper::InPlace::Of(output, key_);
  const std::lock_guard lock(mutex_);
  named_.unsynced.AddFolder(*std::move(folder));
  named_.files.push_back(std::move(in_place));
  return {};
}

Namer::Named Namer::TakeNamed() {
  const std::lock_guard lock(mutex_);
  return std::exchange(named_, {});
}

void Namer::Close() {
  unnamed_ = 0;
  folders_.Close();
  named_ = {};
}

}  // namespace p2pcp::file

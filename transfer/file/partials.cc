#include "transfer/file/partials.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "transfer/file/confined_open.h"
#include "transfer/file/folder_stream.h"
#include "transfer/file/journal.h"
#include "transfer/file/part_file.h"
#include "transfer/file/unique_fd.h"

namespace p2pcp::file {

namespace {

// Deeper folders are not searched.
constexpr int kMaxDepth = 64;

struct Place {
  UniqueFd folder;
  std::string name;
};

// The folder of a path beneath the folder root, and the name in it.
Place PlaceOf(int root, const std::string& path) {
  const std::size_t slash = path.rfind('/');
  const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
  if (slash == std::string::npos) {
    return {UniqueFd(openat(root, ".", flags)), path};
  }
  return {UniqueFd(OpenBeneath(root, path.substr(0, slash), flags, 0)),
          path.substr(slash + 1)};
}

// Whether the part is there; its name is one of ours that nobody guesses.
bool IsThere(const Place& place) {
  return place.folder.ok() &&
         UniqueFd(OpenPart(place.folder.get(), place.name)).ok();
}

// Deletes what begins with one of the prefixes, in the folder and those in it.
void SweepAll(UniqueFd folder, const JournalState& state, int depth) {
  const int fd = folder.get();
  const FolderStream stream = ListFolder(std::move(folder));
  if (stream == nullptr) return;
  while (const dirent* entry = readdir(stream.get())) {
    const std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    const bool ours =
        std::any_of(state.prefixes().begin(), state.prefixes().end(),
                    [&](const std::string& p) { return name.starts_with(p); });
    if (ours) {
      unlinkat(fd, name.c_str(), 0);
    } else if (depth < kMaxDepth &&
               (entry->d_type == DT_DIR || entry->d_type == DT_UNKNOWN)) {
      SweepAll(UniqueFd(OpenBeneath(fd, name,
                                    O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0)),
               state, depth + 1);
    }
  }
}

Partials Visit(const std::string& folder, const BootId& boot,
               const OfPeer& wanted, bool clean) {
  Partials partials;
  for (const std::string& path : Journal::List(folder)) {
    Result<std::unique_ptr<Journal>> opened = Journal::OpenFile(path, boot);
    if (!opened) {
      if (opened.error().os_errno == EWOULDBLOCK) {
        partials.in_use.push_back(path);
      }
      continue;
    }
    Journal& journal = **opened;
    const JournalOwner& owner = journal.owner();
    if (!wanted(owner.peer)) continue;
    // A sender's, who keeps no files.
    const bool receives = !owner.folder.empty();
    const UniqueFd root(
        receives ? open(owner.folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)
                 : -1);
    std::vector<std::uint64_t> ids;
    for (const auto& [id, part] : journal.state().parts()) {
      ids.push_back(id);
      if (!root.ok()) continue;
      const Place place = PlaceOf(root.get(), part.part_path);
      if (!IsThere(place)) continue;
      partials.files.push_back({owner.peer, owner.folder + '/' + part.key.path,
                                part.key.size, part.written.bytes(),
                                part.stamp});
      if (clean) unlinkat(place.folder.get(), place.name.c_str(), 0);
    }
    if (!clean) continue;
    if (root.ok()) {
      SweepAll(
          UniqueFd(openat(root.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)),
          journal.state(), 0);
    }
    for (const std::uint64_t id : ids) journal.End(id);
    journal.Finish();
  }
  return partials;
}

}  // namespace

Partials ListPartials(const std::string& folder, const BootId& boot,
                      const OfPeer& wanted) {
  return Visit(folder, boot, wanted, /*clean=*/false);
}

Partials CleanPartials(const std::string& folder, const BootId& boot,
                       const OfPeer& wanted) {
  return Visit(folder, boot, wanted, /*clean=*/true);
}

}  // namespace p2pcp::file

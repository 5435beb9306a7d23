#include "transfer/file/entry.h"

#include <utility>

#include "transfer/file/path_policy.h"

namespace p2pcp::file {

namespace {

Error Malformed(std::string message) {
  return Error{ErrorCode::kMalformed, std::move(message)};
}

}  // namespace

Status EntryChecker::Add(const Entry& entry) {
  if (entries_ == kMaxEntries) {
    return Malformed("more than " + std::to_string(kMaxEntries) + " entries");
  }
  if (entry.up > folders_.size()) {
    return Malformed("an entry leaves more folders than there are");
  }
  const NameProblem problem = CheckComponent(entry.name);
  if (problem != NameProblem::kNone) {
    return Malformed("a name " + std::string(Describe(problem)));
  }
  if (entry.mtime.nanoseconds >= 1'000'000'000) {
    return Malformed("a file's time is malformed");
  }
  folders_.resize(folders_.size() - entry.up);
  depth_ = folders_.size();
  path_.resize(folders_.empty() ? 0 : folders_.back());
  if (depth_ + 1 > kMaxDepth) return Malformed("folders are nested too deep");
  if (path_.size() + 1 + entry.name.size() > kMaxPath) {
    return Malformed("a path is too long");
  }
  if (!path_.empty()) path_ += '/';
  path_ += entry.name;
  ++entries_;
  if (entry.is_folder()) {
    folders_.push_back(path_.size());
    return {};
  }
  if (entry.size > kMaxTotal - total_) {
    return Malformed("the files are too large together");
  }
  ++files_;
  total_ += entry.size;
  return {};
}

}  // namespace p2pcp::file

#include "transfer/file/manifest.h"

#include <algorithm>
#include <numeric>
#include <string_view>
#include <utility>

#include "net/base/check.h"
#include "transfer/file/path_policy.h"

namespace p2pcp::file {

namespace {

Error Malformed(std::string message) {
  return Error{ErrorCode::kMalformed, std::move(message)};
}

}  // namespace

Status Manifest::Add(Entry entry) {
  if (entries_.size() == kMaxEntries) {
    return Malformed("more than " + std::to_string(kMaxEntries) + " files");
  }
  const NameProblem problem = CheckPath(entry.name);
  if (problem != NameProblem::kNone) {
    return Malformed("a file's name " + std::string(Describe(problem)));
  }
  if (entry.name.find('/') != std::string::npos) {
    return Malformed("a file's name has a slash: folders are not supported");
  }
  if (entry.name.size() > kMaxNameBytes - name_bytes_) {
    return Malformed("the file names are too long together");
  }
  if (entry.size > kMaxTotal - total_) {
    return Malformed("the files are too large together");
  }
  if (entry.mtime.nanoseconds >= 1'000'000'000) {
    return Malformed("a file's time is malformed");
  }
  name_bytes_ += entry.name.size();
  begins_.push_back(total_);
  total_ += entry.size;
  entries_.push_back(std::move(entry));
  return {};
}

Status Manifest::Seal() {
  if (entries_.empty()) return Malformed("no files");
  std::vector<std::uint32_t> order(entries_.size());
  std::iota(order.begin(), order.end(), 0u);
  const auto name = [this](std::uint32_t index) -> std::string_view {
    return entries_[index].name;
  };
  std::sort(order.begin(), order.end(),
            [&](auto a, auto b) { return name(a) < name(b); });
  for (std::size_t i = 1; i < order.size(); ++i) {
    if (name(order[i - 1]) == name(order[i])) {
      return Malformed("two files have the same name");
    }
  }
  return {};
}

std::size_t Manifest::FileAt(std::uint64_t offset) const {
  P2PCP_CHECK(offset < total_);
  // The last file that begins at or before offset: the empty ones that begin
  // there too stand before it.
  const auto after = std::upper_bound(begins_.begin(), begins_.end(), offset);
  return static_cast<std::size_t>(after - begins_.begin()) - 1;
}

}  // namespace p2pcp::file

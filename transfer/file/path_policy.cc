#include "transfer/file/path_policy.h"

namespace p2pcp::file {

namespace {

bool IsControl(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte < 0x20 || byte == 0x7f;
}

NameProblem CheckComponent(std::string_view component) {
  if (component.empty()) return NameProblem::kEmpty;
  if (component == "." || component == "..") return NameProblem::kDots;
  if (component.size() > kMaxComponent) return NameProblem::kTooLong;
  for (char c : component) {
    if (IsControl(c)) return NameProblem::kControlCharacter;
  }
  return NameProblem::kNone;
}

}  // namespace

NameProblem CheckPath(std::string_view path) {
  if (path.empty()) return NameProblem::kEmpty;
  if (path.front() == '/') return NameProblem::kAbsolute;
  if (path.size() > kMaxPath) return NameProblem::kTooLong;
  const bool hidden = path.front() == '.';
  std::size_t depth = 0;
  for (;;) {
    if (++depth > kMaxDepth) return NameProblem::kTooDeep;
    const std::size_t slash = path.find('/');
    const NameProblem problem = CheckComponent(path.substr(0, slash));
    if (problem != NameProblem::kNone) return problem;
    if (slash == std::string_view::npos) break;
    path.remove_prefix(slash + 1);
  }
  // A peer must not be able to make .ssh or .bashrc in a home folder.
  return hidden ? NameProblem::kHidden : NameProblem::kNone;
}

std::string_view Describe(NameProblem problem) {
  switch (problem) {
    case NameProblem::kNone:
      return "is fine";
    case NameProblem::kEmpty:
      return "is empty or has an empty part";
    case NameProblem::kAbsolute:
      return "begins with a slash";
    case NameProblem::kDots:
      return "has a part that is '.' or '..'";
    case NameProblem::kControlCharacter:
      return "has a control character";
    case NameProblem::kHidden:
      return "begins with a dot";
    case NameProblem::kTooLong:
      return "is too long";
    case NameProblem::kTooDeep:
      return "is nested too deep";
  }
  return "";
}

bool IsPlainName(std::string_view name) {
  return CheckPath(name) == NameProblem::kNone &&
         name.find('/') == std::string_view::npos;
}

}  // namespace p2pcp::file

#include "transfer/file/path_policy.h"

namespace p2pcp::file {

namespace {

bool IsControl(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte < 0x20 || byte == 0x7f;
}

}  // namespace

NameProblem CheckComponent(std::string_view component) {
  if (component.empty()) return NameProblem::kEmpty;
  if (component == "." || component == "..") return NameProblem::kDots;
  if (component.size() > kMaxComponent) return NameProblem::kTooLong;
  for (char c : component) {
    if (IsControl(c)) return NameProblem::kControlCharacter;
    if (c == '/') return NameProblem::kSlash;
  }
  return NameProblem::kNone;
}

std::string_view Describe(NameProblem problem) {
  switch (problem) {
    case NameProblem::kNone:
      return "is fine";
    case NameProblem::kEmpty:
      return "is empty";
    case NameProblem::kDots:
      return "is '.' or '..'";
    case NameProblem::kSlash:
      return "has a slash";
    case NameProblem::kControlCharacter:
      return "has a control character";
    case NameProblem::kTooLong:
      return "is too long";
  }
  return "";
}

}  // namespace p2pcp::file

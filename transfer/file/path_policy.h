// Which names from a peer are taken. Names are refused, never rewritten: what
// Linux users really have (colons, backslashes, bytes that are no UTF-8) is
// taken as it is, and escaped by whoever prints it.

#ifndef P2PCP_TRANSFER_FILE_PATH_POLICY_H_
#define P2PCP_TRANSFER_FILE_PATH_POLICY_H_

#include <cstddef>
#include <string_view>

namespace p2pcp::file {

// NAME_MAX and PATH_MAX of Linux, and a depth that no real tree reaches.
inline constexpr std::size_t kMaxComponent = 255;
inline constexpr std::size_t kMaxPath = 4096;
inline constexpr std::size_t kMaxDepth = 64;

enum class NameProblem {
  kNone,
  kEmpty,             // The path or one of its components is empty.
  kAbsolute,          // Begins with a slash.
  kDots,              // A component is "." or "..".
  kControlCharacter,  // NUL, another C0 control, or DEL.
  kHidden,            // The top component begins with a dot.
  kTooLong,           // The path or one of its components.
  kTooDeep,
};

// What is wrong with a relative path whose components are parted by '/'.
NameProblem CheckPath(std::string_view path);

// For people: "begins with a dot".
std::string_view Describe(NameProblem problem);

// CheckPath() == kNone and no slash: the name of a file right in a folder.
bool IsPlainName(std::string_view name);

}  // namespace p2pcp::file

#endif  // P2PCP_TRANSFER_FILE_PATH_POLICY_H_

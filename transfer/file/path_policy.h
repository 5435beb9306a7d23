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
  kEmpty,
  kDots,  // It is "." or "..".
  kSlash,
  kControlCharacter,  // NUL, another C0 control, or DEL.
  kTooLong,
};

// What is wrong with a name as one component of a path. A leading dot is
// nothing wrong.
NameProblem CheckComponent(std::string_view component);

// For people: "has a slash".
std::string_view Describe(NameProblem problem);

}  // namespace p2pcp::file

#endif  // P2PCP_TRANSFER_FILE_PATH_POLICY_H_

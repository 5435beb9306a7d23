// Which files of a folder are left out: patterns as in a .gitignore file.
//
//   *      any run of characters but '/'       ?      one character but '/'
//   [a-z]  one of these, [!a-z] none of them   **     any number of folders
//   \x     x itself                            #      a comment, at the start
//   name   at any depth, for lack of a slash
//   a/b    below the folder that the rules are for; so is /name
//   name/  folders only
//   !name  not left out after all, if no folder above it is
//
// The last pattern that fits decides. What lies in a folder that is left out is
// not looked at.

#ifndef P2PCP_TRANSFER_FILE_IGNORE_RULES_H_
#define P2PCP_TRANSFER_FILE_IGNORE_RULES_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace p2pcp::file {

class IgnoreRules {
 public:
  // One pattern; blank ones and comments do nothing.
  void Add(std::string_view line);
  // A file of patterns, one a line.
  void AddLines(std::string_view text);
  bool empty() const { return rules_.empty(); }

  // Whether a pattern speaks of the path, which is relative to the folder that
  // the rules are for: true, it is left out; false, it is not.
  std::optional<bool> Decide(std::string_view path, bool is_folder) const;

 private:
  struct Rule {
    std::string pattern;
    bool keep = false;          // "!"
    bool folders_only = false;  // A slash at the end.
    bool anchored = false;      // A slash elsewhere.
  };
  std::vector<Rule> rules_;
};

// Whether all of text fits the pattern.
bool MatchGlob(std::string_view pattern, std::string_view text);

}  // namespace p2pcp::file

#endif  // P2PCP_TRANSFER_FILE_IGNORE_RULES_H_

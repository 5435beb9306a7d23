// The commands and their options as tables: what is parsed, what --help prints
// and what the documents are checked against.

#ifndef P2PCP_CMD_OPTIONS_OPTION_TABLES_H_
#define P2PCP_CMD_OPTIONS_OPTION_TABLES_H_

#include <array>
#include <boost/program_options.hpp>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cmd/console.h"
#include "cmd/options/option_values.h"

namespace p2pcp::cmd {

struct VerbText {
  Verb verb;
  const char* name;
  const char* usage;
  const char* summary;
  const char* example;
};

// In the order of --help; and other spellings that people type.
extern const std::array<VerbText, 10> kVerbs;
struct VerbAlias {
  const char* name;
  Verb verb;
};
extern const std::array<VerbAlias, 5> kVerbAliases;

// REQUIRES: it is in kVerbs.
const VerbText& TextOf(Verb verb);

enum class PeersAction { kList, kAdd, kRename, kRemove, kSet };
enum class Shell { kBash, kZsh, kFish };

// What an option that takes one of a few words means by each of them.
template <typename Value>
struct Word {
  const char* word;
  Value value;
};
inline constexpr std::array<Word<ConflictOption>, 3> kConflictWords = {
    {{"rename", ConflictOption::kRename},
     {"skip", ConflictOption::kSkip},
     {"overwrite", ConflictOption::kOverwrite}}};
inline constexpr std::array<Word<ProgressMode>, 3> kProgressWords = {
    {{"auto", ProgressMode::kAuto},
     {"always", ProgressMode::kAlways},
     {"never", ProgressMode::kNever}}};
inline constexpr std::array<Word<CongestionOption>, 2> kCongestionWords = {
    {{"bbr", CongestionOption::kBbr}, {"cubic", CongestionOption::kCubic}}};
// And those that take the place of arguments: of `peers`, of `completion`.
inline constexpr std::array<Word<PeersAction>, 5> kPeersWords = {
    {{"list", PeersAction::kList},
     {"add", PeersAction::kAdd},
     {"rename", PeersAction::kRename},
     {"remove", PeersAction::kRemove},
     {"set", PeersAction::kSet}}};
inline constexpr std::array<Word<Shell>, 3> kShellWords = {
    {{"bash", Shell::kBash}, {"zsh", Shell::kZsh}, {"fish", Shell::kFish}}};

// What a word stands for in such a table; nullopt: it is not there.
template <typename Value, std::size_t kSize>
std::optional<Value> ValueOf(const std::array<Word<Value>, kSize>& table,
                             std::string_view word) {
  for (const Word<Value>& each : table) {
    if (word == each.word) return each.value;
  }
  return std::nullopt;
}

// The words that may stand after an option, empty if others may; and those
// after a command, as `list` after `peers`.
std::vector<std::string> WordsOf(const std::string& option);
std::vector<std::string> WordsOf(Verb verb);
// "rename, skip or overwrite", where `last` is "or". REQUIRES: there is a word.
std::string Enumerate(const std::vector<std::string>& words,
                      std::string_view last);
// Other spellings of a command.
std::vector<std::string> AliasesOf(Verb verb);

// Options as they were typed, not checked yet.
struct RawOptions {
  std::vector<std::string> brokers, stun_servers, paths, arguments, to, from,
      exclude, exclude_from;
  std::string turn, turn_password_file;
  std::string name, with,
      out = ".", conflict = "rename", cc, bwlimit = "0", progress = "auto",
      bind = "0.0.0.0", config, code_file, trace, broker_password_file,
      broker_ca, tls_cert, tls_key, password_file, host, receipt, signer;
  std::optional<unsigned> broker_port;
  unsigned port = 0, stun_port = 3478, max_transfers = 4;
  double timeout = 0, patience = 600;
  bool ipv4 = false, ipv6 = false, quiet = false, verbose = false, ask = false,
       show = false, json = false, background = false, help = false,
       out_is_asked_for = false, rotate = false, forget_old = false,
       verify = false, listen = false, allow_dotfiles = false,
       gitignore = false, follow = false, dry_run = false, print_config = false,
       no_port_guess = false, list_partial = false, clean_partial = false,
       no_sync = false, whole_file = false;
};

// What the verb takes, all but positional words, in sections for --help. What
// is parsed goes to raw, which must outlive the result.
boost::program_options::options_description AllOptions(Verb verb,
                                                       RawOptions* raw);

}  // namespace p2pcp::cmd

#endif  // P2PCP_CMD_OPTIONS_OPTION_TABLES_H_

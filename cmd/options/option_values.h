// What the user asks for: the options of a run, checked.

#ifndef P2PCP_CMD_OPTIONS_OPTION_VALUES_H_
#define P2PCP_CMD_OPTIONS_OPTION_VALUES_H_

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "cmd/console.h"
#include "cmd/crew/worker_task.h"
#include "net/base/time.h"

namespace p2pcp::cmd {

enum class Verb {
  kHelp,
  kVersion,
  kSend,
  kRecv,
  kPair,
  kId,
  kPeers,
  kDoctor,
  kServe,
  kCompletion,
  kConfig,
  kVerify
};

enum class ConflictOption { kRename, kSkip, kOverwrite };
enum class CongestionOption { kCubic, kBbr, kScavenger };

struct Options {
  Verb verb = Verb::kHelp;
  // As they were given: the verb and what follows it.
  std::vector<std::string> words;
  // This process carries one of several transfers: its peer is task's.
  std::optional<WorkerTask> worker;
  // --help was given, or `help VERB`: print the help of `verb`.
  bool help = false;

  // Everywhere.
  std::vector<std::string> brokers;       // mqtt[s]://[user@]HOST[:PORT]
  std::string broker_password_file;       // Empty: no passwords.
  std::string broker_ca;                  // PEM file; empty: the system's.
  std::vector<std::string> stun_servers;  // HOST[:PORT]
  std::string turn;                       // turn[s]://USER@HOST[:PORT]
  std::string turn_password_file;         // The file with it.
  std::uint16_t port = 0;                 // Local UDP port; 0: any.
  bool ipv4_only = false;
  bool ipv6_only = false;
  std::optional<Duration> timeout;  // For the peer to appear; none: for ever.
  Console::Config console;
  std::filesystem::path config;  // Named by --config; empty: the usual place.

  // send, recv, pair.
  std::vector<std::string> paths;  // "-" alone: what stdin has, ...
  std::string name;                // ... under this name.
  // Every --to or --from, each once; peer is the first of them.
  std::vector<std::string> peers;
  std::string peer;
  // Through which a pairing code goes from the side that shows it to the side
  // that takes it; "-": stdout and stdin. Empty: over the screen.
  std::string code_file;
  bool show = false;
  bool verify = false;  // Let the users compare six digits.
  std::filesystem::path out = ".";
  // By a flag or the environment; the configuration file speaks for everybody.
  bool out_is_asked_for = false;
  CongestionOption congestion = CongestionOption::kBbr;
  std::uint64_t bwlimit = 0;  // Bytes a second on the wire; 0: no limit.
  ConflictOption conflict = ConflictOption::kRename;
  bool whole_file = false;  // No deltas.
  bool ask = false;
  bool allow_dotfiles = false;
  bool no_sync = false;
  std::vector<std::string> exclude;       // Patterns, and
  std::vector<std::string> exclude_from;  // files of them.
  bool gitignore = false;
  bool follow = false;
  bool dry_run = false;
  std::string receipt;  // The file to write one into; empty: none is wanted.
  bool listen = false;
  unsigned max_transfers = 4;  // At once, with listen.
  bool no_port_guess = false;

  // How long a lost peer is waited for.
  Duration patience = 600s;
  // recv: what unfinished transfers have left is listed, or deleted.
  bool list_partial = false;
  bool clean_partial = false;

  bool json = false;  // Events on stdout (cmd/EVENTS.md); send and recv.
  std::string trace;  // The file to write a trace into; empty: none.

  // id.
  bool rotate = false;
  bool forget_old = false;

  // verify: whose receipt it must be, a name or a key; empty: of anybody known.
  std::string signer;

  // peers, verify.
  std::vector<std::string> arguments;  // After the verb: list, add, ...

  // serve.
  std::string bind = "0.0.0.0";
  std::uint16_t broker_port = 1883;  // 0: any.
  std::string tls_cert, tls_key;     // PEM files; both or none.
  std::string password_file;         // mosquitto_passwd's; empty: for all.
  std::string host;                  // For others to call it by.
  std::uint16_t stun_port = 3478;    // 0: any.
  bool print_config = false;
};

}  // namespace p2pcp::cmd

#endif  // P2PCP_CMD_OPTIONS_OPTION_VALUES_H_

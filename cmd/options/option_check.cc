#include "cmd/options/option_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cmd/text.h"
#include "transfer/file/path_policy.h"

namespace p2pcp::cmd {
namespace {

// A packet of an Ethernet in each second, in bytes.
constexpr std::uint64_t kMinBwlimit = 1500;
// Of transfers at once. Each is a process, with what it keeps in memory.
constexpr unsigned kMaxTransfers = 64;
constexpr char kAny[] = "any";

Error Usage(std::string message) {
  return Error{ErrorCode::kUsage, std::move(message)};
}

// The value that `typed` stands for after --option.
template <typename Table, typename Value>
Status TakeWord(const std::string& option, const Table& table,
                const std::string& typed, Value* value) {
  if (const auto meant = ValueOf(table, typed)) {
    *value = *meant;
    return {};
  }
  const std::vector<std::string> words = WordsOf(option);
  std::string message = fmt::format("--{}: {}, not '{}'", option,
                                    Enumerate(words, "or"), Escape(typed));
  if (const auto nearest = Nearest(typed, words)) {
    message += fmt::format("; did you mean '{}'?", *nearest);
  }
  return Usage(message);
}

// Of more than one peer, or more than one transfer.
Status CheckSeveral(const RawOptions& raw) {
  for (const auto& names : {raw.to, raw.from}) {
    for (const std::string& name : names) {
      if (std::count(names.begin(), names.end(), name) > 1) {
        return Usage(fmt::format("'{}' is named twice", Escape(name)));
      }
      if (name == kAny && names.size() > 1) {
        return Usage("--from any is everybody already");
      }
    }
  }
  const bool any = raw.from.size() == 1 && raw.from.front() == kAny;
  const bool several =
      raw.to.size() > 1 || raw.from.size() > 1 || any || raw.listen;
  if (!several) return {};
  if (raw.to.size() > kMaxTransfers) {
    return Usage(fmt::format("--to: {} peers at most", kMaxTransfers));
  }
  if (!raw.trace.empty()) return Usage("--trace is for one transfer");
  if (!raw.receipt.empty()) {
    return Usage("--receipt is for one peer: send to each by itself");
  }
  if (raw.ask || raw.verify) {
    return Usage(
        "--ask and --verify are for one peer that is named, without --listen");
  }
  return {};
}

// Of streams: stdin as what is sent, stdout as where it goes.
Status CheckStreams(Verb verb, const RawOptions& raw) {
  const bool in = std::count(raw.paths.begin(), raw.paths.end(), "-") > 0;
  if (verb == Verb::kSend && in) {
    if (raw.paths.size() > 1) return Usage("- (stdin) can only be sent alone");
    if (raw.to.size() > 1) return Usage("- (stdin) can go to one peer only");
    if (raw.dry_run) return Usage("--dry-run: - (stdin) can't be read twice");
  }
  if (verb == Verb::kSend && !raw.name.empty()) {
    if (!in) return Usage("--name is for what comes from stdin (PATH -)");
    if (file::CheckComponent(raw.name) != file::NameProblem::kNone) {
      return Usage(fmt::format("--name: '{}' can't be the name of a file",
                               Escape(raw.name)));
    }
  }
  if (verb != Verb::kRecv || raw.out != "-") return {};
  if (raw.json) return Usage("--json and --out - both want stdout");
  if (raw.listen) return Usage("--listen: --out must be a folder");
  if (raw.ask) return Usage("--ask: not with --out -");
  return {};
}

Status Check(Verb verb, const RawOptions& raw, Options* options) {
  for (const auto& [option, port] :
       {std::pair{"--port", raw.port},
        {"--broker-port", raw.broker_port.value_or(0)},
        {"--stun-port", raw.stun_port}}) {
    if (port > std::numeric_limits<std::uint16_t>::max()) {
      return Usage(
          fmt::format("{}: a port is 0 to 65535, not {}", option, port));
    }
  }
  if (raw.tls_cert.empty() != raw.tls_key.empty()) {
    return Usage("--tls-cert and --tls-key go together");
  }
  if (raw.turn.empty() != raw.turn_password_file.empty()) {
    return Usage("--turn and --turn-password-file go together");
  }
  if (raw.ipv4 && raw.ipv6) return Usage("-4 and -6 exclude each other");
  if (!(raw.patience >= 0) || raw.patience > 1e9) {
    return Usage("--patience: a number of seconds, 0 or more");
  }
  if (!(raw.timeout >= 0) || raw.timeout > 1e9) {
    return Usage("--timeout: a number of seconds, 0 or more");
  }
  if (Status taken = TakeWord("progress", kProgressWords, raw.progress,
                              &options->console.progress);
      !taken.ok()) {
    return taken;
  }
  if (!raw.cc.empty()) {
    if (Status taken =
            TakeWord("cc", kCongestionWords, raw.cc, &options->congestion);
        !taken.ok()) {
      return taken;
    }
  }
  if (raw.background) {
    if (!raw.cc.empty()) {
      return Usage(
          "--background is a congestion control of its own, and excludes --cc "
          "(on the command line, in the environment or in the configuration)");
    }
    options->congestion = CongestionOption::kScavenger;
  }
  const std::optional<std::uint64_t> bwlimit = ParseSize(raw.bwlimit);
  if (!bwlimit) {
    return Usage("--bwlimit: bytes a second, such as 500k, 1.5M or 1G");
  }
  if (*bwlimit > 0 && *bwlimit < kMinBwlimit) {
    return Usage(
        fmt::format("--bwlimit: at least {}, a packet a second (0: no limit)",
                    kMinBwlimit));
  }
  options->bwlimit = *bwlimit;
  if (Status taken = TakeWord("conflict", kConflictWords, raw.conflict,
                              &options->conflict);
      !taken.ok()) {
    return taken;
  }
  if (verb == Verb::kSend && !raw.help) {
    if (raw.paths.empty()) {
      return Usage("nothing to send; usage: p2pcp send PATH... --to PEER");
    }
    if (raw.to.empty() && !raw.dry_run) {
      return Usage("say whom to send to: p2pcp send PATH... --to PEER");
    }
  }
  if (verb == Verb::kSend && raw.json && raw.code_file == "-") {
    return Usage("--json and --code-file - both want stdout");
  }
  if (verb == Verb::kRecv && !raw.help) {
    if (raw.list_partial && raw.clean_partial) {
      return Usage("--list-partial and --clean-partial exclude each other");
    }
    if (raw.from.empty() && !raw.list_partial && !raw.clean_partial) {
      return Usage("say whose files to take: p2pcp recv --from PEER");
    }
    if (!raw.arguments.empty()) {
      return Usage(fmt::format("'{}' is too much; a folder is given as --out",
                               Escape(raw.arguments.front())));
    }
  }
  if (raw.max_transfers < 1 || raw.max_transfers > kMaxTransfers) {
    return Usage(fmt::format("--max-transfers: 1 to {}", kMaxTransfers));
  }
  if (!raw.help) {
    if (Status checked = CheckSeveral(raw); !checked.ok()) return checked;
    if (Status checked = CheckStreams(verb, raw); !checked.ok()) return checked;
  }
  if (verb == Verb::kPair && !raw.help && raw.arguments.size() != 1) {
    return Usage(
        fmt::format("say whom to pair with; usage: {}", TextOf(verb).usage));
  }
  if (verb == Verb::kVerify && !raw.help &&
      (raw.arguments.empty() || raw.arguments.size() > 2)) {
    return Usage(
        fmt::format("say which receipt; usage: {}", TextOf(verb).usage));
  }
  if (verb == Verb::kCompletion && !raw.help && raw.arguments.size() != 1) {
    return Usage(
        fmt::format("say for which shell; usage: {}", TextOf(verb).usage));
  }
  if ((verb == Verb::kId || verb == Verb::kConfig || verb == Verb::kServe ||
       verb == Verb::kDoctor) &&
      !raw.arguments.empty()) {
    return Usage(fmt::format("'{}' is too much; usage: {}",
                             Escape(raw.arguments.front()),
                             TextOf(verb).usage));
  }
  return {};
}

}  // namespace

Result<Options> CheckOptions(Verb verb, const RawOptions& raw) {
  Options options;
  options.verb = verb;
  if (Status checked = Check(verb, raw, &options); !checked.ok()) {
    return std::move(checked).error();
  }
  options.help = raw.help;
  options.brokers = raw.brokers;
  options.broker_password_file = raw.broker_password_file;
  options.broker_ca = raw.broker_ca;
  options.stun_servers = raw.stun_servers;
  options.turn = raw.turn;
  options.turn_password_file = raw.turn_password_file;
  options.port = static_cast<std::uint16_t>(raw.port);
  options.ipv4_only = raw.ipv4;
  options.ipv6_only = raw.ipv6;
  options.patience =
      std::chrono::round<Duration>(std::chrono::duration<double>(raw.patience));
  if (raw.timeout > 0) {
    options.timeout = std::chrono::round<Duration>(
        std::chrono::duration<double>(raw.timeout));
  }
  options.console.quiet = raw.quiet;
  options.console.verbose = raw.verbose;
  options.config = raw.config;
  options.paths = raw.paths;
  options.name = raw.name.empty() ? "stdin" : raw.name;
  options.peers = verb == Verb::kSend ? raw.to : raw.from;
  if (verb == Verb::kPair) options.peers = raw.arguments;
  if (verb == Verb::kDoctor && !raw.with.empty()) options.peers = {raw.with};
  if (!options.peers.empty()) options.peer = options.peers.front();
  options.listen = raw.listen;
  options.max_transfers = raw.max_transfers;
  options.code_file = raw.code_file;
  options.show = raw.show;
  options.out = raw.out;
  options.out_is_asked_for = raw.out_is_asked_for;
  options.ask = raw.ask;
  options.rotate = raw.rotate;
  options.verify = raw.verify;
  options.forget_old = raw.forget_old;
  options.list_partial = raw.list_partial;
  options.clean_partial = raw.clean_partial;
  options.allow_dotfiles = raw.allow_dotfiles;
  options.no_sync = raw.no_sync;
  options.whole_file = raw.whole_file;
  options.exclude = raw.exclude;
  options.exclude_from = raw.exclude_from;
  options.gitignore = raw.gitignore;
  options.follow = raw.follow;
  options.dry_run = raw.dry_run;
  options.receipt = raw.receipt;
  options.signer = raw.signer;
  options.no_port_guess = raw.no_port_guess;
  options.json = raw.json;
  options.trace = raw.trace;
  options.arguments = raw.arguments;
  options.bind = raw.bind;
  options.broker_port = static_cast<std::uint16_t>(
      raw.broker_port.value_or(raw.tls_cert.empty() ? 1883 : 8883));
  options.tls_cert = raw.tls_cert;
  options.tls_key = raw.tls_key;
  options.password_file = raw.password_file;
  options.host = raw.host;
  options.print_config = raw.print_config;
  options.stun_port = static_cast<std::uint16_t>(raw.stun_port);
  return options;
}

}  // namespace p2pcp::cmd

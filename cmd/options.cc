#include "cmd/options.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/program_options.hpp>
#include <fstream>
#include <limits>
#include <sstream>

#include "cmd/exit_code.h"
#include "cmd/text.h"

namespace p2pcp::cmd {
namespace {

namespace po = boost::program_options;

struct VerbText {
  Verb verb;
  const char* name;
  const char* usage;
  const char* summary;
  const char* example;
};

constexpr std::array<VerbText, 6> kVerbs = {{
    {Verb::kSend, "send",
     "p2pcp send FILE... --to PEER [--background | --cc bbr|cubic] [--bwlimit "
     "RATE]",
     "send files to a peer", "  p2pcp send holiday.mp4 --to bob\n"},
    {Verb::kRecv, "recv",
     "p2pcp recv --from PEER [--out DIR|FILE] [--conflict rename|skip|"
     "overwrite] [--ask]",
     "receive what a peer sends",
     "  p2pcp recv --from alice --out ~/Downloads\n"},
    {Verb::kPair, "pair", "p2pcp pair PEER [--show] [--code-file FILE]",
     "get to know a peer by a code that is shown on one side and typed on the "
     "other",
     "  p2pcp pair bob\n"},
    {Verb::kId, "id", "p2pcp id", "print this device's public key",
     "  p2pcp id\n"},
    {Verb::kPeers, "peers",
     "p2pcp peers [list | add NAME KEY | rename OLD NEW | remove NAME]",
     "show or change the contact book",
     "  p2pcp peers add bob KEY-THAT-BOB-READ-FROM-p2pcp-id\n"},
    {Verb::kServe, "serve", "p2pcp serve [--bind ADDRESS]",
     "run a rendezvous of your own: an MQTT broker and a STUN server",
     "  p2pcp serve --bind 192.0.2.7\n"},
}};

// A packet of an Ethernet in each second, in bytes.
constexpr std::uint64_t kMinBwlimit = 1500;

// Other spellings that people type.
struct Alias {
  const char* name;
  Verb verb;
};
constexpr std::array<Alias, 5> kAliases = {{{"receive", Verb::kRecv},
                                            {"rx", Verb::kRecv},
                                            {"get", Verb::kRecv},
                                            {"tx", Verb::kSend},
                                            {"contacts", Verb::kPeers}}};

struct Raw {
  std::vector<std::string> brokers, stun_servers, paths, arguments;
  std::string to, from, out = ".", conflict = "rename", cc, bwlimit = "0",
                        progress = "auto", bind = "0.0.0.0", config, code_file,
                        trace;
  unsigned port = 0, broker_port = 1883, stun_port = 3478;
  double timeout = 0;
  bool ipv4 = false, ipv6 = false, quiet = false, verbose = false, ask = false,
       show = false, json = false, background = false, help = false;
};

po::options_description CommonOptions(Raw* raw) {
  po::options_description options("Options of every command that connects");
  auto add = options.add_options();
  add("broker", po::value(&raw->brokers)->value_name("URL"),
      "MQTT broker, mqtt[s]://[user@]HOST[:PORT]; repeat for more");
  add("stun", po::value(&raw->stun_servers)->value_name("HOST[:PORT]"),
      "STUN server; repeat for more");
  add("port", po::value(&raw->port)->value_name("N"),
      "local UDP port (default: any)");
  add("ipv4,4", po::bool_switch(&raw->ipv4), "use IPv4 only");
  add("ipv6,6", po::bool_switch(&raw->ipv6), "use IPv6 only");
  add("timeout", po::value(&raw->timeout)->value_name("SECONDS"),
      "how long to wait for the peer to appear (default: for ever)");
  return options;
}

po::options_description OutputOptions(Raw* raw) {
  po::options_description options("Options of every command");
  auto add = options.add_options();
  add("quiet,q", po::bool_switch(&raw->quiet), "say nothing but errors");
  add("verbose,v", po::bool_switch(&raw->verbose), "say each step");
  add("progress", po::value(&raw->progress)->value_name("WHEN"),
      "progress line: auto (on a terminal), always or never");
  add("config", po::value(&raw->config)->value_name("FILE"),
      "read options from FILE instead of the usual place");
  add("help,h", po::bool_switch(&raw->help), "print this help");
  return options;
}

po::options_description VerbOptions(Verb verb, Raw* raw) {
  po::options_description options("Options");
  auto add = options.add_options();
  if (verb == Verb::kSend) {
    add("to", po::value(&raw->to)->value_name("PEER"),
        "whom to send to; with a name that is new, a code is shown first");
    add("code-file", po::value(&raw->code_file)->value_name("FILE"),
        "write that code to FILE (-: stdout) instead of showing it");
    add("background", po::bool_switch(&raw->background),
        "take only what others leave of the line");
    add("bwlimit", po::value(&raw->bwlimit)->value_name("RATE"),
        "bytes a second to send at most; k, M, G: times 1024 each (default: 0, "
        "no limit)");
    add("cc", po::value(&raw->cc)->value_name("HOW"),
        "congestion control: bbr (default), or cubic, which takes every loss "
        "for a full queue");
  }
  if (verb == Verb::kRecv) {
    add("from", po::value(&raw->from)->value_name("PEER"),
        "whose files to take; with a name that is new, a code is asked first");
    add("code-file", po::value(&raw->code_file)->value_name("FILE"),
        "read that code from FILE (-: stdin) instead of asking for it");
    add("out,o", po::value(&raw->out)->value_name("DIR|FILE"),
        "the folder to write into, or the name of a single file");
    add("conflict", po::value(&raw->conflict)->value_name("HOW"),
        "when a file of that name exists: rename (default), skip, overwrite");
    add("ask", po::bool_switch(&raw->ask), "show what is offered, then ask");
  }
  if (verb == Verb::kSend || verb == Verb::kRecv) {
    add("json", po::bool_switch(&raw->json),
        "tell what happens on stdout, one JSON object a line");
    add("trace", po::value(&raw->trace)->value_name("FILE"),
        "write a qlog of the connection to FILE, for viewers such as qvis");
  }
  if (verb == Verb::kPair) {
    add("show", po::bool_switch(&raw->show),
        "show a code only, do not ask for one");
    add("code-file", po::value(&raw->code_file)->value_name("FILE"),
        "read the code from FILE (-: stdin); with --show, write it there "
        "(-: stdout)");
  }
  if (verb == Verb::kServe) {
    add("bind", po::value(&raw->bind)->value_name("ADDRESS"),
        "the address to serve on (default: every IPv4 address)");
    add("broker-port", po::value(&raw->broker_port)->value_name("N"),
        "TCP port of the broker (default: 1883; 0: any that is free)");
    add("stun-port", po::value(&raw->stun_port)->value_name("N"),
        "UDP port of the STUN server (default: 3478; 0: any that is free)");
  }
  return options;
}

bool Connects(Verb verb) {
  return verb == Verb::kSend || verb == Verb::kRecv || verb == Verb::kPair;
}

// What the verb takes, all but positional words.
po::options_description AllOptions(Verb verb, Raw* raw) {
  po::options_description options;
  if (const auto own = VerbOptions(verb, raw); !own.options().empty()) {
    options.add(own);
  }
  if (Connects(verb)) options.add(CommonOptions(raw));
  options.add(OutputOptions(raw));
  return options;
}

std::vector<std::string> LongNames(const po::options_description& options) {
  std::vector<std::string> names;
  for (const auto& option : options.options()) {
    names.push_back(option->long_name());
  }
  return names;
}

const VerbText& TextOf(Verb verb) {
  return *std::find_if(kVerbs.begin(), kVerbs.end(),
                       [&](const VerbText& text) { return text.verb == verb; });
}

Error Usage(std::string message) {
  return Error{ErrorCode::kUsage, std::move(message)};
}

Result<Verb> ParseVerb(const std::string& word) {
  if (word == "help" || word == "--help" || word == "-h") return Verb::kHelp;
  if (word == "version" || word == "--version") return Verb::kVersion;
  std::vector<std::string> names;
  for (const VerbText& text : kVerbs) {
    if (word == text.name) return text.verb;
    names.push_back(text.name);
  }
  for (const Alias& alias : kAliases) {
    if (word == alias.name) return alias.verb;
  }
  std::string message = fmt::format("there is no command '{}'", Escape(word));
  if (const auto nearest = Nearest(word, names)) {
    message += fmt::format("; did you mean '{}'?", *nearest);
  } else {
    message += "; see: p2pcp --help";
  }
  return Usage(message);
}

// P2PCP_BROKER for "broker"; others of that prefix (P2PCP_HOME) are not ours.
std::string TwinOf(const std::string& long_name) {
  std::string twin = "P2PCP_";
  for (char c : long_name) {
    twin += c == '-' ? '_' : static_cast<char>(std::toupper(c));
  }
  return twin;
}

// Environment twins as the text of a configuration file, so that there is one
// reader for both; a list stands in one variable, separated by spaces.
std::string EnvironmentAsConfig(const po::options_description& options,
                                const Environment& environment) {
  std::string text;
  for (const auto& option : options.options()) {
    const std::string& name = option->long_name();
    if (name == "help") continue;
    const auto value = environment(TwinOf(name));
    if (!value || value->empty()) continue;
    if (name == "broker" || name == "stun") {
      std::istringstream words(*value);
      for (std::string word; words >> word;) {
        text += name + "=" + word + "\n";
      }
    } else {
      text += name + "=" + *value + "\n";
    }
  }
  return text;
}

Status Store(const std::vector<std::string>& args, Verb verb, Raw* raw,
             const Environment& environment,
             std::filesystem::path config_file) {
  po::options_description named = AllOptions(verb, raw);
  po::options_description all;
  all.add(named);
  all.add_options()("word", po::value<std::vector<std::string>>());
  po::positional_options_description positional;
  positional.add("word", -1);
  // Every verb's options, so that one configuration file serves all.
  po::options_description known;
  Raw unused;
  for (const VerbText& each : kVerbs) {
    const po::options_description of_verb = AllOptions(each.verb, &unused);
    for (const auto& option : of_verb.options()) {
      if (known.find_nothrow(option->long_name(), false) == nullptr) {
        known.add(option);
      }
    }
  }
  std::string source = "the command line";
  try {
    po::variables_map values;
    po::store(po::command_line_parser(args)
                  .options(all)
                  .positional(positional)
                  .style(po::command_line_style::default_style &
                         ~po::command_line_style::allow_guessing)
                  .run(),
              values);
    source = "the environment (P2PCP_*)";
    std::istringstream twins(EnvironmentAsConfig(named, environment));
    po::store(po::parse_config_file(twins, named), values);
    if (values.count("config") != 0) {
      config_file = values["config"].as<std::string>();
    }
    source = config_file.string();
    std::ifstream file(config_file);
    if (file) {
      // First everything is known, then what concerns this verb is taken.
      po::parse_config_file(file, known);
      file.clear();
      file.seekg(0);
      po::store(po::parse_config_file(file, named, true), values);
    } else if (values.count("config") != 0) {
      return Usage(fmt::format("cannot read {}", Escape(source)));
    }
    po::notify(values);
    if (values.count("word") != 0) {
      const auto words = values["word"].as<std::vector<std::string>>();
      (verb == Verb::kSend ? raw->paths : raw->arguments) = words;
    }
  } catch (const po::unknown_option& error) {
    std::string name = error.get_option_name();
    name.erase(0, name.find_first_not_of('-'));
    std::string message =
        fmt::format("{}: there is no option '--{}'", source, Escape(name));
    if (const auto nearest = Nearest(name, LongNames(named))) {
      message += fmt::format("; did you mean '--{}'?", *nearest);
    } else {
      message += fmt::format("; see: p2pcp {} --help", TextOf(verb).name);
    }
    return Usage(message);
  } catch (const po::error& error) {
    return Usage(fmt::format("{}: {}", source, Escape(error.what())));
  }
  return {};
}

Status Check(Verb verb, const Raw& raw, Options* options) {
  for (unsigned port : {raw.port, raw.broker_port, raw.stun_port}) {
    if (port > std::numeric_limits<std::uint16_t>::max()) {
      return Usage(fmt::format("port {}: a port is 0 to 65535", port));
    }
  }
  if (raw.ipv4 && raw.ipv6) return Usage("-4 and -6 exclude each other");
  if (!(raw.timeout >= 0) || raw.timeout > 1e9) {
    return Usage("--timeout: a number of seconds, 0 or more");
  }
  if (raw.progress == "always") {
    options->console.progress = ProgressMode::kAlways;
  } else if (raw.progress == "never") {
    options->console.progress = ProgressMode::kNever;
  } else if (raw.progress != "auto") {
    return Usage("--progress: auto, always or never");
  }
  if (raw.cc == "cubic") {
    options->congestion = CongestionOption::kCubic;
  } else if (!raw.cc.empty() && raw.cc != "bbr") {
    return Usage("--cc: bbr or cubic");
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
  if (raw.conflict == "skip") {
    options->conflict = ConflictOption::kSkip;
  } else if (raw.conflict == "overwrite") {
    options->conflict = ConflictOption::kOverwrite;
  } else if (raw.conflict != "rename") {
    return Usage("--conflict: rename, skip or overwrite");
  }
  if (verb == Verb::kSend && !raw.help) {
    if (raw.paths.empty()) {
      return Usage("nothing to send; usage: p2pcp send FILE... --to PEER");
    }
    if (raw.to.empty()) {
      return Usage("say whom to send to: p2pcp send FILE... --to PEER");
    }
  }
  if (verb == Verb::kSend && raw.json && raw.code_file == "-") {
    return Usage("--json and --code-file - both want stdout");
  }
  if (verb == Verb::kRecv && !raw.help) {
    if (raw.from.empty()) {
      return Usage("say whose files to take: p2pcp recv --from PEER");
    }
    if (!raw.arguments.empty()) {
      return Usage(fmt::format("'{}' is too much; a folder is given as --out",
                               Escape(raw.arguments.front())));
    }
  }
  if (verb == Verb::kPair && !raw.help && raw.arguments.size() != 1) {
    return Usage(
        fmt::format("say whom to pair with; usage: {}", TextOf(verb).usage));
  }
  if ((verb == Verb::kId || verb == Verb::kServe) && !raw.arguments.empty()) {
    return Usage(fmt::format("'{}' is too much; usage: {}",
                             Escape(raw.arguments.front()),
                             TextOf(verb).usage));
  }
  return {};
}

}  // namespace

Result<Options> ParseOptions(const std::vector<std::string>& args,
                             const Environment& environment,
                             const std::filesystem::path& config_file) {
  Options options;
  if (args.empty()) return options;
  Result<Verb> verb = ParseVerb(args.front());
  if (!verb.ok()) return std::move(verb).error();
  options.verb = *verb;
  if (*verb == Verb::kVersion) return options;
  if (*verb == Verb::kHelp) {
    options.help = true;
    if (args.size() > 1) {
      Result<Verb> about = ParseVerb(args[1]);
      if (!about.ok()) return std::move(about).error();
      options.verb = *about;
    }
    return options;
  }
  Raw raw;
  const std::vector<std::string> rest(args.begin() + 1, args.end());
  if (Status stored = Store(rest, *verb, &raw, environment, config_file);
      !stored.ok()) {
    return std::move(stored).error();
  }
  if (Status checked = Check(*verb, raw, &options); !checked.ok()) {
    return std::move(checked).error();
  }
  options.help = raw.help;
  options.brokers = raw.brokers;
  options.stun_servers = raw.stun_servers;
  options.port = static_cast<std::uint16_t>(raw.port);
  options.ipv4_only = raw.ipv4;
  options.ipv6_only = raw.ipv6;
  if (raw.timeout > 0) {
    options.timeout = std::chrono::round<Duration>(
        std::chrono::duration<double>(raw.timeout));
  }
  options.console.quiet = raw.quiet;
  options.console.verbose = raw.verbose;
  options.paths = raw.paths;
  options.peer = *verb == Verb::kSend ? raw.to : raw.from;
  if (*verb == Verb::kPair && !raw.arguments.empty()) {
    options.peer = raw.arguments.front();
  }
  options.code_file = raw.code_file;
  options.show = raw.show;
  options.out = raw.out;
  options.ask = raw.ask;
  options.json = raw.json;
  options.trace = raw.trace;
  options.arguments = raw.arguments;
  options.bind = raw.bind;
  options.broker_port = static_cast<std::uint16_t>(raw.broker_port);
  options.stun_port = static_cast<std::uint16_t>(raw.stun_port);
  return options;
}

std::string HelpText(Verb verb) {
  std::ostringstream text;
  if (verb == Verb::kHelp || verb == Verb::kVersion) {
    text << "p2pcp gets a file from one computer to another: directly, through "
            "the NATs of\nboth, encrypted end to end, verified.\n\nCommands:\n";
    for (const VerbText& each : kVerbs) {
      text << fmt::format("  {:<7}{}\n", each.name, each.summary);
    }
    text << "\nIn either order:\n"
            "  p2pcp send FILE --to bob         on alice's computer\n"
            "  p2pcp recv --from alice          on bob's computer\n"
            "The first time alice sees a code, which bob types; from then on "
            "they know each\nother.\n\n"
            "'p2pcp COMMAND --help' says more. Every long option may stand in "
            "the\nconfiguration file (option=value) or in the environment "
            "(P2PCP_OPTION).\n\nExit codes:\n";
    for (const ExitCodeText& each : kExitCodes) {
      text << fmt::format("  {:>3}  {}\n", static_cast<int>(each.code),
                          each.text);
    }
    return text.str();
  }
  const VerbText& about = TextOf(verb);
  Raw raw;
  text << "usage: " << about.usage << "\n\nTo " << about.summary
       << ".\n\nExample:\n"
       << about.example << "\n"
       << AllOptions(verb, &raw);
  return text.str();
}

}  // namespace p2pcp::cmd

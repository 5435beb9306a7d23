#include "cmd/options/option_tables.h"

#include <algorithm>

namespace p2pcp::cmd {

namespace po = boost::program_options;

const std::array<VerbText, 10> kVerbs = {{
    {Verb::kSend, "send",
     "p2pcp send PATH... --to PEER... [--exclude GLOB]... [--background | "
     "--cc bbr|cubic] [--bwlimit RATE] [--receipt FILE]",
     "send files and folders to a peer",
     "  p2pcp send holiday.mp4 photos --to bob\n"},
    {Verb::kRecv, "recv",
     "p2pcp recv --from PEER...|any [--out DIR|FILE|-] [--conflict rename|skip|"
     "overwrite] [--ask] [--listen] [--allow-dotfiles]",
     "receive what a peer sends",
     "  p2pcp recv --from alice --out ~/Downloads\n"},
    {Verb::kPair, "pair", "p2pcp pair PEER [--show] [--code-file FILE]",
     "get to know a peer by a code that is shown here and typed there",
     "  p2pcp pair bob\n"},
    {Verb::kId, "id", "p2pcp id [--rotate] [--forget-old]",
     "print this device's public key, or replace it", "  p2pcp id\n"},
    {Verb::kPeers, "peers",
     "p2pcp peers [list | add NAME KEY | rename OLD NEW | remove NAME | set "
     "NAME [ask=yes|no] [out=DIR] [max-size=SIZE]]",
     "show or change the contact book",
     "  p2pcp peers add bob KEY-THAT-BOB-READ-FROM-p2pcp-id\n"},
    {Verb::kVerify, "verify", "p2pcp verify RECEIPT [DIR] [--signer PEER|KEY]",
     "check a receipt of 'send --receipt', and the files that it names",
     "  p2pcp verify photos.receipt ~/Pictures\n"},
    {Verb::kDoctor, "doctor", "p2pcp doctor [--with PEER]",
     "see what this network allows, and what to do about it",
     "  p2pcp doctor --with bob\n"},
    {Verb::kServe, "serve",
     "p2pcp serve [--bind ADDRESS] [--tls-cert FILE --tls-key FILE] "
     "[--password-file FILE]",
     "run a rendezvous of your own: an MQTT broker and a STUN server",
     "  p2pcp serve --bind 192.0.2.7\n"},
    {Verb::kConfig, "config", "p2pcp config",
     "print which options hold, and where each was said", "  p2pcp config\n"},
    {Verb::kCompletion, "completion", "p2pcp completion bash|zsh|fish",
     "print a script that completes p2pcp's words in a shell",
     "  eval \"$(p2pcp completion bash)\"\n"},
}};

const std::array<VerbAlias, 5> kVerbAliases = {{{"receive", Verb::kRecv},
                                                {"rx", Verb::kRecv},
                                                {"get", Verb::kRecv},
                                                {"tx", Verb::kSend},
                                                {"contacts", Verb::kPeers}}};

const VerbText& TextOf(Verb verb) {
  return *std::find_if(kVerbs.begin(), kVerbs.end(),
                       [&](const VerbText& text) { return text.verb == verb; });
}

namespace {

template <typename Table>
std::vector<std::string> WordsIn(const Table& table) {
  std::vector<std::string> words;
  for (const auto& each : table) words.push_back(each.word);
  return words;
}

}  // namespace

std::vector<std::string> WordsOf(const std::string& option) {
  if (option == "conflict") return WordsIn(kConflictWords);
  if (option == "progress") return WordsIn(kProgressWords);
  if (option == "cc") return WordsIn(kCongestionWords);
  return {};
}

std::vector<std::string> WordsOf(Verb verb) {
  if (verb == Verb::kPeers) return WordsIn(kPeersWords);
  if (verb == Verb::kCompletion) return WordsIn(kShellWords);
  return {};
}

std::string Enumerate(const std::vector<std::string>& words,
                      std::string_view last) {
  std::string text = words.front();
  for (std::size_t i = 1; i < words.size(); ++i) {
    text += i + 1 == words.size() ? " " + std::string(last) + " " : ", ";
    text += words[i];
  }
  return text;
}

std::vector<std::string> AliasesOf(Verb verb) {
  std::vector<std::string> names;
  for (const VerbAlias& alias : kVerbAliases) {
    if (alias.verb == verb) names.push_back(alias.name);
  }
  return names;
}

namespace {

po::options_description CommonOptions(RawOptions* raw) {
  po::options_description options("Options of every command that connects");
  auto add = options.add_options();
  add("broker", po::value(&raw->brokers)->value_name("URL"),
      "MQTT broker, mqtt[s]://[user@]HOST[:PORT]; repeat for more");
  add("broker-password-file",
      po::value(&raw->broker_password_file)->value_name("FILE"),
      "passwords of brokers with a user: the only one, or URL and password a "
      "line");
  add("broker-ca", po::value(&raw->broker_ca)->value_name("FILE"),
      "certificates of the authorities that mqtts:// brokers must have theirs "
      "from (default: the system's)");
  add("stun", po::value(&raw->stun_servers)->value_name("HOST[:PORT]"),
      "STUN server; repeat for more");
  add("turn", po::value(&raw->turn)->value_name("URL"),
      "relay of last resort, turn[s]://USER@HOST[:PORT]");
  add("turn-password-file",
      po::value(&raw->turn_password_file)->value_name("FILE"),
      "the file with USER's password there (mode 0600)");
  add("port", po::value(&raw->port)->value_name("N"),
      "local UDP port (default: any)");
  add("ipv4,4", po::bool_switch(&raw->ipv4), "use IPv4 only");
  add("ipv6,6", po::bool_switch(&raw->ipv6), "use IPv6 only");
  add("timeout", po::value(&raw->timeout)->value_name("SECONDS"),
      "how long to wait for the peer to appear (default: for ever)");
  return options;
}

po::options_description OutputOptions(RawOptions* raw) {
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

bool Connects(Verb verb) {
  return verb == Verb::kSend || verb == Verb::kRecv || verb == Verb::kPair ||
         verb == Verb::kDoctor;
}

po::options_description VerbOptions(Verb verb, RawOptions* raw) {
  po::options_description options("Options");
  auto add = options.add_options();
  if (verb == Verb::kSend) {
    add("to", po::value(&raw->to)->value_name("PEER"),
        "whom to send to; with a name that is new, a code is shown first; "
        "repeat to send to several at once");
    add("code-file", po::value(&raw->code_file)->value_name("FILE"),
        "write that code to FILE (-: stdout) instead of showing it");
    add("name", po::value(&raw->name)->value_name("NAME"),
        "with PATH -: what to call what comes from stdin (default: stdin)");
    add("exclude", po::value(&raw->exclude)->value_name("GLOB"),
        "leave out what fits, as in a .gitignore: *.o, /build, cache/; repeat "
        "for more");
    add("exclude-from", po::value(&raw->exclude_from)->value_name("FILE"),
        "read such patterns from FILE, one a line");
    add("gitignore", po::bool_switch(&raw->gitignore),
        "leave out .git, and what each folder's .gitignore says");
    add("follow", po::bool_switch(&raw->follow),
        "send what symbolic links point to (default: they are left out)");
    add("dry-run,n", po::bool_switch(&raw->dry_run),
        "show what would be sent, and send nothing");
    add("receipt", po::value(&raw->receipt)->value_name("FILE"),
        "write what arrived into FILE, signed by the receiver; 'p2pcp verify' "
        "checks it");
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
        "whose files to take; with a name that is new, a code is asked first; "
        "repeat for more, any: everybody in the contact book");
    add("code-file", po::value(&raw->code_file)->value_name("FILE"),
        "read that code from FILE (-: stdin) instead of asking for it");
    add("out,o", po::value(&raw->out)->value_name("DIR|FILE|-"),
        "the folder to write into, the name of a single file, or -: stdout");
    add("conflict", po::value(&raw->conflict)->value_name("HOW"),
        "when a file of that name exists: rename (default), skip, overwrite");
    add("whole-file", po::bool_switch(&raw->whole_file),
        "with --conflict overwrite: send all of a file, not only what differs "
        "from the one that is there");
    add("ask", po::bool_switch(&raw->ask), "show what is offered, then ask");
    add("list-partial", po::bool_switch(&raw->list_partial),
        "list what unfinished transfers have left, and do nothing else");
    add("clean-partial", po::bool_switch(&raw->clean_partial),
        "delete what unfinished transfers have left, and do nothing else");
    add("allow-dotfiles", po::bool_switch(&raw->allow_dotfiles),
        "take files and folders whose own name begins with a dot");
    add("no-sync", po::bool_switch(&raw->no_sync),
        "for measuring only: leave what came to the system to write, so that a "
        "power failure may take it");
    add("listen", po::bool_switch(&raw->listen),
        "stay, and take one transfer after another");
    add("max-transfers", po::value(&raw->max_transfers)->value_name("N"),
        "with --listen: how many at once (default: 4)");
  }
  if (Connects(verb) && verb != Verb::kDoctor) {
    add("verify", po::bool_switch(&raw->verify),
        "show six digits of the pairing that must be the same on both sides, "
        "and ask");
  }
  if (verb == Verb::kSend || verb == Verb::kRecv) {
    add("patience", po::value(&raw->patience)->value_name("SECONDS"),
        "when the connection is lost, how long to wait for the peer to come "
        "back (default: 600)");
    add("json", po::bool_switch(&raw->json),
        "tell what happens on stdout, one JSON object a line");
    add("trace", po::value(&raw->trace)->value_name("FILE"),
        "write a qlog of the connection to FILE, for viewers such as qvis");
    add("no-port-guess", po::bool_switch(&raw->no_port_guess),
        "do not guess ports of the peer's NAT, which may look like a scan");
  }
  if (verb == Verb::kPair) {
    add("show", po::bool_switch(&raw->show),
        "show a code only, do not ask for one");
    add("code-file", po::value(&raw->code_file)->value_name("FILE"),
        "read the code from FILE (-: stdin); with --show, write it there "
        "(-: stdout)");
  }
  if (verb == Verb::kDoctor) {
    add("with", po::value(&raw->with)->value_name("PEER"),
        "try it with PEER, who runs 'p2pcp doctor --with' or 'p2pcp recv'");
    add("json", po::bool_switch(&raw->json),
        "tell it on stdout as JSON objects, one a line");
  }
  if (verb == Verb::kVerify) {
    add("signer", po::value(&raw->signer)->value_name("PEER|KEY"),
        "who must have signed it (default: anybody in the contact book)");
  }
  if (verb == Verb::kId) {
    add("rotate", po::bool_switch(&raw->rotate),
        "make a new key; peers get it at the next transfer, signed by the old "
        "one");
    add("forget-old", po::bool_switch(&raw->forget_old),
        "drop the key of before the last rotation, and who knows no other");
  }
  if (verb == Verb::kServe) {
    add("bind", po::value(&raw->bind)->value_name("ADDRESS"),
        "the address to serve on (default: every IPv4 address)");
    add("broker-port",
        po::value<unsigned>()->value_name("N")->notifier(
            [raw](unsigned port) { raw->broker_port = port; }),
        "TCP port of the broker (default: 1883, with TLS 8883; 0: any that is "
        "free)");
    add("stun-port", po::value(&raw->stun_port)->value_name("N"),
        "UDP port of the STUN server (default: 3478; 0: any that is free)");
    add("tls-cert", po::value(&raw->tls_cert)->value_name("FILE"),
        "the broker's certificate and those above it (PEM): take TLS only");
    add("tls-key", po::value(&raw->tls_key)->value_name("FILE"),
        "the key of that certificate (PEM)");
    add("password-file", po::value(&raw->password_file)->value_name("FILE"),
        "let only these users in; the file is made by mosquitto_passwd(1)");
    add("host", po::value(&raw->host)->value_name("NAME"),
        "the name that others know this host by, for the options that are "
        "printed (default: its address)");
    add("print-config", po::bool_switch(&raw->print_config),
        "print the broker's configuration, for a mosquitto that you run "
        "yourself, and end");
  }
  return options;
}

}  // namespace

po::options_description AllOptions(Verb verb, RawOptions* raw) {
  po::options_description options;
  if (const auto own = VerbOptions(verb, raw); !own.options().empty()) {
    options.add(own);
  }
  if (Connects(verb)) options.add(CommonOptions(raw));
  options.add(OutputOptions(raw));
  return options;
}

}  // namespace p2pcp::cmd

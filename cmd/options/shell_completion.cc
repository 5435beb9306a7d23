#include "cmd/options/shell_completion.h"

#include <fmt/format.h>

#include <boost/program_options.hpp>
#include <optional>
#include <string_view>
#include <vector>

#include "cmd/options/option_tables.h"
#include "cmd/text.h"

namespace p2pcp::cmd {
namespace {

namespace po = boost::program_options;

// What stands after an option or a command.
enum class Takes { kNothing, kPath, kPeer, kWords, kOther };

struct Argument {
  Takes takes = Takes::kNothing;
  std::string name;   // As --help has it.
  std::string words;  // Of kWords, separated by spaces.
};

struct Item {
  std::string name;    // "--out"
  std::string letter;  // "-o", or empty.
  std::string summary;
  Argument argument;
};

// The first column of the contact book's table.
constexpr const char* kPeerNames =
    "p2pcp peers list 2>/dev/null | cut -d ' ' -f 1";

std::string Joined(const std::vector<std::string>& words) {
  return fmt::format("{}", fmt::join(words, " "));
}

// The command and its other spellings, as a pattern of `case`.
std::string Spellings(const VerbText& verb, std::string_view separator) {
  std::string names = verb.name;
  for (const std::string& alias : AliasesOf(verb.verb)) {
    names += std::string(separator) + alias;
  }
  return names;
}

Argument ArgumentOf(Verb verb) {
  switch (verb) {
    case Verb::kSend:
    case Verb::kVerify:
      return {Takes::kPath, "FILE", ""};
    case Verb::kPair:
      return {Takes::kPeer, "PEER", ""};
    case Verb::kPeers:
      return {Takes::kWords, "ACTION", Joined(WordsOf(verb))};
    case Verb::kCompletion:
      return {Takes::kWords, "SHELL", Joined(WordsOf(verb))};
    case Verb::kRecv:
    case Verb::kId:
    case Verb::kConfig:
    case Verb::kDoctor:
    case Verb::kServe:
    case Verb::kHelp:
    case Verb::kVersion:
      break;
  }
  return {Takes::kNothing, "", ""};
}

Argument ArgumentOf(const po::option_description& option) {
  if (option.semantic()->max_tokens() == 0) return {Takes::kNothing, "", ""};
  Argument argument{Takes::kOther, option.format_parameter(), ""};
  if (const auto words = WordsOf(option.long_name()); !words.empty()) {
    argument.takes = Takes::kWords;
    argument.words = Joined(words);
    return argument;
  }
  if (argument.name.starts_with("PEER")) argument.takes = Takes::kPeer;
  if (argument.name.find("FILE") != std::string::npos ||
      argument.name.find("DIR") != std::string::npos) {
    argument.takes = Takes::kPath;
  }
  return argument;
}

std::vector<Item> ItemsOf(Verb verb) {
  std::vector<Item> items;
  RawOptions unused;
  const po::options_description options = AllOptions(verb, &unused);
  for (const auto& option : options.options()) {
    const std::string letter = option->canonical_display_name(
        po::command_line_style::allow_dash_for_short);
    items.push_back({"--" + option->long_name(),
                     letter.size() == 2 ? letter : std::string(),
                     option->description(), ArgumentOf(*option)});
  }
  return items;
}

// In single quotes: a quote ends them, stands alone, and begins them again.
std::string Quote(std::string_view text) {
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? "'\\''" : std::string(1, c);
  return quoted + "'";
}

// --- bash ---

std::string BashReply(const Argument& argument) {
  switch (argument.takes) {
    case Takes::kPath:
      return "compopt -o filenames; COMPREPLY=($(compgen -f -- \"$cur\"))";
    case Takes::kPeer:
      return fmt::format("COMPREPLY=($(compgen -W \"$({})\" -- \"$cur\"))",
                         kPeerNames);
    case Takes::kWords:
      return fmt::format("COMPREPLY=($(compgen -W '{}' -- \"$cur\"))",
                         argument.words);
    case Takes::kNothing:
    case Takes::kOther:
      break;
  }
  return ":";
}

std::string Bash() {
  std::string commands;
  std::string cases;
  for (const VerbText& verb : kVerbs) {
    commands += fmt::format("{}{}", commands.empty() ? "" : " ", verb.name);
    std::string options;
    std::string arguments;
    for (const Item& item : ItemsOf(verb.verb)) {
      options += (options.empty() ? "" : " ") + item.name;
      if (item.argument.takes == Takes::kNothing) continue;
      arguments += fmt::format("        {}{}) {}; return ;;\n", item.name,
                               item.letter.empty() ? "" : "|" + item.letter,
                               BashReply(item.argument));
    }
    cases += fmt::format(
        "    {})\n"
        "      case $prev in\n{}"
        "      esac\n"
        "      case $cur in\n"
        "        -*) COMPREPLY=($(compgen -W '{}' -- \"$cur\")) ;;\n"
        "        *) {} ;;\n"
        "      esac ;;\n",
        Spellings(verb, "|"), arguments, options,
        BashReply(ArgumentOf(verb.verb)));
  }
  return fmt::format(
      "# p2pcp(1) for bash; made by `p2pcp completion bash`\n"
      "_p2pcp() {{\n"
      "  local cur=${{COMP_WORDS[COMP_CWORD]}}\n"
      "  local prev=${{COMP_WORDS[COMP_CWORD-1]}}\n"
      "  COMPREPLY=()\n"
      "  if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
      "    COMPREPLY=($(compgen -W '{} --help --version' -- \"$cur\"))\n"
      "    return\n"
      "  fi\n"
      "  case ${{COMP_WORDS[1]}} in\n{}"
      "  esac\n"
      "}}\n"
      "complete -F _p2pcp p2pcp\n",
      commands, cases);
}

// --- zsh ---

std::string ZshAction(const Argument& argument) {
  switch (argument.takes) {
    case Takes::kPath:
      return "_files";
    case Takes::kPeer:
      return "_p2pcp_peers";
    case Takes::kWords:
      return fmt::format("({})", argument.words);
    case Takes::kNothing:
    case Takes::kOther:
      break;
  }
  return "";
}

// What _arguments reads has brackets and colons of its own.
std::string ZshText(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '[' || c == ']' || c == ':' || c == '\\') escaped += '\\';
    escaped += c;
  }
  return escaped;
}

std::string Zsh() {
  std::string commands;
  std::string cases;
  for (const VerbText& verb : kVerbs) {
    commands += fmt::format(
        "    {}\n",
        Quote(fmt::format("{}:{}", verb.name, ZshText(verb.summary))));
    std::string specs;
    for (const Item& item : ItemsOf(verb.verb)) {
      std::string argument;
      if (item.argument.takes != Takes::kNothing) {
        argument = fmt::format(":{}:{}", ZshText(item.argument.name),
                               ZshAction(item.argument));
      }
      for (const std::string& name : {item.name, item.letter}) {
        if (name.empty()) continue;
        specs +=
            fmt::format("        {} \\\n",
                        Quote(fmt::format("*{}[{}]{}", name,
                                          ZshText(item.summary), argument)));
      }
    }
    const Argument own = ArgumentOf(verb.verb);
    cases += fmt::format(
        "      {})\n"
        "      _arguments -S \\\n{}"
        "        {} ;;\n",
        Spellings(verb, "|"), specs,
        own.takes == Takes::kNothing
            ? "'*: :'"
            : Quote(fmt::format("*:{}:{}", own.name, ZshAction(own))));
  }
  return fmt::format(
      "#compdef p2pcp\n"
      "# p2pcp(1) for zsh; made by `p2pcp completion zsh`\n"
      "_p2pcp_peers() {{\n"
      "  local -a names\n"
      "  names=(${{(f)\"$({})\"}})\n"
      "  compadd -a names\n"
      "}}\n"
      "_p2pcp() {{\n"
      "  local -a commands\n"
      "  commands=(\n{}  )\n"
      "  if (( CURRENT == 2 )); then\n"
      "    _describe command commands\n"
      "    return\n"
      "  fi\n"
      "  local command=$words[2]\n"
      "  words=(p2pcp ${{words[3,-1]}})\n"
      "  (( CURRENT-- ))\n"
      "  case $command in\n{}"
      "  esac\n"
      "}}\n"
      "_p2pcp \"$@\"\n",
      kPeerNames, commands, cases);
}

// --- fish ---

std::string FishArgument(const Argument& argument) {
  switch (argument.takes) {
    case Takes::kPath:
      return " -r -F";
    case Takes::kPeer:
      return fmt::format(" -x -a {}", Quote(fmt::format("({})", kPeerNames)));
    case Takes::kWords:
      return fmt::format(" -x -a {}", Quote(argument.words));
    case Takes::kOther:
      return " -x";
    case Takes::kNothing:
      break;
  }
  return "";
}

std::string Fish() {
  std::string text =
      "# p2pcp(1) for fish; made by `p2pcp completion fish`\n"
      "complete -c p2pcp -f\n";
  for (const VerbText& verb : kVerbs) {
    text +=
        fmt::format("complete -c p2pcp -n __fish_use_subcommand -a {} -d {}\n",
                    verb.name, Quote(verb.summary));
    const std::string when = Quote(
        fmt::format("__fish_seen_subcommand_from {}", Spellings(verb, " ")));
    for (const Item& item : ItemsOf(verb.verb)) {
      text +=
          fmt::format("complete -c p2pcp -n {} -l {}{}{} -d {}\n", when,
                      item.name.substr(2),
                      item.letter.empty() ? "" : " -s " + item.letter.substr(1),
                      FishArgument(item.argument), Quote(item.summary));
    }
    if (const Argument own = ArgumentOf(verb.verb);
        own.takes != Takes::kNothing) {
      text +=
          fmt::format("complete -c p2pcp -n {}{}\n", when, FishArgument(own));
    }
  }
  return text;
}

}  // namespace

Result<std::string> CompletionScript(const std::string& shell) {
  const std::optional<Shell> known = ValueOf(kShellWords, shell);
  if (!known) {
    return Error{ErrorCode::kUsage,
                 fmt::format("there are completions for {}, not for '{}'",
                             Enumerate(WordsOf(Verb::kCompletion), "and"),
                             Escape(shell))};
  }
  switch (*known) {
    case Shell::kBash:
      return Bash();
    case Shell::kZsh:
      return Zsh();
    case Shell::kFish:
      break;
  }
  return Fish();
}

}  // namespace p2pcp::cmd

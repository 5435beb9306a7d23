#include "cmd/options/options.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/program_options.hpp>
#include <cerrno>
#include <fstream>
#include <sstream>
#include <utility>

#include "cmd/exit_code.h"
#include "cmd/options/option_check.h"
#include "cmd/options/option_sources.h"
#include "cmd/options/option_tables.h"
#include "cmd/text.h"

namespace p2pcp::cmd {
namespace {

namespace po = boost::program_options;

std::vector<std::string> LongNames(const po::options_description& options) {
  std::vector<std::string> names;
  for (const auto& option : options.options()) {
    names.push_back(option->long_name());
  }
  return names;
}

Error Usage(std::string message) {
  return Error{ErrorCode::kUsage, std::move(message)};
}

Result<Verb> ParseVerb(const std::string& word) {
  if (word == "help" || word == "--help" || word == "-h") return Verb::kHelp;
  if (word == "version" || word == "--version" || word == "-V") {
    return Verb::kVersion;
  }
  std::vector<std::string> names;
  for (const VerbText& text : kVerbs) {
    if (word == text.name) return text.verb;
    names.push_back(text.name);
  }
  for (const VerbAlias& alias : kVerbAliases) {
    if (word == alias.name) return alias.verb;
    names.push_back(alias.name);
  }
  std::string message = fmt::format("there is no command '{}'", Escape(word));
  if (const auto nearest = Nearest(word, names)) {
    message += fmt::format("; did you mean '{}'?", *nearest);
  } else {
    message += "; see: p2pcp --help";
  }
  return Usage(message);
}

// config_file: the usual one; then that of --config, if it was given.
Status Store(const std::vector<std::string>& args, Verb verb, RawOptions* raw,
             const Environment& environment,
             std::filesystem::path& config_file) {
  po::options_description named = AllOptions(verb, raw);
  po::options_description all;
  all.add(named);
  all.add_options()("word", po::value<std::vector<std::string>>());
  po::positional_options_description positional;
  positional.add("word", -1);
  RawOptions unused;
  const po::options_description known = KnownOptions(&unused);
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
    raw->out_is_asked_for = values.count("out") != 0;
    if (values.count("config") != 0) {
      config_file = values["config"].as<std::string>();
    }
    source = config_file.string();
    std::ifstream file(config_file);
    // A folder can be opened, and has no lines.
    if (file) file.peek();
    if (file.bad()) {
      return Usage(
          ErrnoError(ErrorCode::kUsage, "cannot read " + Escape(source), EISDIR)
              .message);
    }
    if (file) {
      file.clear();
      // First everything is known, then what concerns this verb is taken.
      po::parse_config_file(file, known);
      file.clear();
      file.seekg(0);
      po::store(po::parse_config_file(file, named, true), values);
    } else if (values.count("config") != 0) {
      return ErrnoError(ErrorCode::kUsage, "cannot read " + Escape(source),
                        errno);
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
  } catch (const po::invalid_config_file_syntax& error) {
    return Usage(fmt::format("{}: '{}' is not OPTION = VALUE", source,
                             Escape(error.tokens())));
  } catch (const po::error& error) {
    return Usage(fmt::format("{}: {}", source, Escape(error.what())));
  }
  return {};
}

// Where the option that the message begins with was said, before it, unless
// that was on the command line.
Error WithSource(Error error, const std::vector<std::string>& args,
                 const Environment& environment,
                 const std::filesystem::path& config_file) {
  const std::string option = error.message.substr(0, error.message.find(':'));
  if (!option.starts_with("--") ||
      std::any_of(args.begin(), args.end(), [&](const std::string& word) {
        return word.starts_with(option);
      })) {
    return error;
  }
  const auto in_force = OptionsInForce(environment, config_file);
  if (!in_force.ok()) return error;
  for (const OptionInForce& each : *in_force) {
    if ("--" + each.name != option || each.source.empty()) continue;
    return Annotate(std::move(error), each.source);
  }
  return error;
}

// What a command would say of this value, whatever else it was told.
Status CheckValue(const OptionInForce& option) {
  RawOptions raw;
  const po::options_description known = KnownOptions(&raw);
  try {
    std::istringstream line(option.name + "=" + option.value);
    po::variables_map values;
    po::store(po::parse_config_file(line, known), values);
    po::notify(values);
  } catch (const po::error& error) {
    return Usage(Escape(error.what()));
  }
  // What a command needs to be told besides is not missed.
  raw.help = true;
  const Result<Options> checked = CheckOptions(Verb::kConfig, raw);
  if (checked.ok() ||
      !checked.error().message.starts_with("--" + option.name + ": ")) {
    return {};
  }
  return checked.error();
}

}  // namespace

Status CheckValues(const std::vector<OptionInForce>& options) {
  for (const OptionInForce& option : options) {
    if (option.source.empty()) continue;
    if (Status checked = CheckValue(option); !checked.ok()) {
      return Annotate(std::move(checked).error(), Escape(option.source));
    }
  }
  return {};
}

Result<Options> ParseOptions(const std::vector<std::string>& args,
                             const Environment& environment,
                             const std::filesystem::path& config_file) {
  Options options;
  options.words = args;
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
  RawOptions raw;
  const std::vector<std::string> rest(args.begin() + 1, args.end());
  std::filesystem::path config_path = config_file;
  if (Status stored = Store(rest, *verb, &raw, environment, config_path);
      !stored.ok()) {
    return std::move(stored).error();
  }
  Result<Options> checked = CheckOptions(*verb, raw);
  if (!checked.ok()) {
    return WithSource(std::move(checked).error(), rest, environment,
                      config_path);
  }
  checked->words = args;
  return checked;
}

void BecomeWorker(const WorkerTask& task, Options* options) {
  // Who came and is gone before there was a path is not waited for.
  constexpr Duration kPatience = 30s;
  options->worker = task;
  options->peers = {task.peer};
  options->peer = task.peer;
  options->listen = false;
  if (options->verb == Verb::kRecv) options->timeout = kPatience;
  // The line to the brokers serves once; who lost it comes again.
  options->patience = Duration::zero();
  // What it prints is passed on, line by line.
  options->console.progress = ProgressMode::kNever;
  if (options->port != 0) {
    options->port = static_cast<std::uint16_t>(options->port + task.place);
  }
}

std::string FirstWords() {
  return "p2pcp sends files straight from one computer to another, encrypted.\n"
         "Here:   p2pcp send FILE --to bob      the first time it shows a "
         "code\n"
         "There:  p2pcp recv --from alice       and there it is typed\n"
         "From then on the names are enough, and either side may start "
         "first.\n"
         "More:   p2pcp --help, man p2pcp\n";
}

std::string HelpText(Verb verb) {
  std::ostringstream text;
  if (verb == Verb::kHelp || verb == Verb::kVersion) {
    text << "p2pcp gets files and folders from one computer to another: "
            "directly, through the\nNATs of both, encrypted end to end, "
            "verified.\n\nCommands:\n";
    for (const VerbText& each : kVerbs) {
      text << fmt::format("  {:<12}{}\n", each.name, each.summary);
    }
    text << "\nIn either order:\n"
            "  p2pcp send PATH --to bob         on alice's computer\n"
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
  RawOptions raw;
  text << "usage: " << about.usage << "\n\nTo " << about.summary << ".";
  if (const auto aliases = AliasesOf(verb); !aliases.empty()) {
    text << fmt::format("\n{} may be spelt {}, too.", about.name,
                        fmt::join(aliases, ", "));
  }
  text << "\n\nExample:\n" << about.example << AllOptions(verb, &raw);
  return text.str();
}

}  // namespace p2pcp::cmd

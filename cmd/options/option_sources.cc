#include "cmd/options/option_sources.h"

#include <fmt/format.h>

#include <cctype>
#include <fstream>
#include <map>
#include <sstream>
#include <utility>

#include "cmd/text.h"

namespace p2pcp::cmd {

namespace po = boost::program_options;

po::options_description KnownOptions(RawOptions* raw) {
  po::options_description known;
  for (const VerbText& each : kVerbs) {
    const po::options_description of_verb = AllOptions(each.verb, raw);
    for (const auto& option : of_verb.options()) {
      if (known.find_nothrow(option->long_name(), false) == nullptr) {
        known.add(option);
      }
    }
  }
  return known;
}

std::string TwinOf(const std::string& long_name) {
  std::string twin = "P2PCP_";
  for (char c : long_name) {
    twin += c == '-' ? '_' : static_cast<char>(std::toupper(c));
  }
  return twin;
}

std::string EnvironmentAsConfig(const po::options_description& options,
                                const Environment& environment) {
  std::string text;
  for (const auto& option : options.options()) {
    const std::string& name = option->long_name();
    if (name == "help") continue;
    const auto value = environment(TwinOf(name));
    if (!value || value->empty()) continue;
    if (name == "broker" || name == "stun" || name == "to" || name == "from") {
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

namespace {

using Values = std::map<std::string, std::vector<std::string>>;

Values Read(std::istream& text, const po::options_description& known) {
  Values values;
  for (const auto& option : po::parse_config_file(text, known).options) {
    std::vector<std::string>& of = values[option.string_key];
    of.insert(of.end(), option.value.begin(), option.value.end());
  }
  return values;
}

}  // namespace

Result<std::vector<OptionInForce>> OptionsInForce(
    const Environment& environment, const std::filesystem::path& config_file) {
  RawOptions unused;
  const po::options_description known = KnownOptions(&unused);
  std::string source = "the environment (P2PCP_*)";
  Values of_environment;
  Values of_file;
  try {
    std::istringstream twins(EnvironmentAsConfig(known, environment));
    of_environment = Read(twins, known);
    source = config_file.string();
    std::ifstream file(config_file);
    if (file) of_file = Read(file, known);
  } catch (const po::error& error) {
    return Error{ErrorCode::kUsage,
                 fmt::format("{}: {}", source, Escape(error.what()))};
  }
  std::vector<OptionInForce> in_force;
  for (const auto& option : known.options()) {
    const std::string& name = option->long_name();
    // Neither is an option of a run.
    if (name == "help" || name == "config") continue;
    if (const auto found = of_environment.find(name);
        found != of_environment.end()) {
      for (const std::string& value : found->second) {
        in_force.push_back({name, value, TwinOf(name)});
      }
    } else if (const auto in_file = of_file.find(name);
               in_file != of_file.end()) {
      for (const std::string& value : in_file->second) {
        in_force.push_back({name, value, config_file.string()});
      }
    } else {
      in_force.push_back({name, {}, {}});
    }
  }
  return in_force;
}

}  // namespace p2pcp::cmd

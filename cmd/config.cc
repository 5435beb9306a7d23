// p2pcp config: which options hold without the command line, and where each was
// said; in the form of a configuration file. And which value none would take.

#include <fmt/format.h>

#include <string>
#include <utility>

#include "cmd/commands.h"
#include "cmd/options/option_sources.h"
#include "cmd/options/options.h"
#include "cmd/product.h"
#include "cmd/text.h"

namespace p2pcp::cmd {

Result<ExitCode> RunConfig(const Options& options, const Home& home,
                           const Environment& environment) {
  const std::filesystem::path& file =
      options.config.empty() ? home.config : options.config;
  const Result<std::vector<OptionInForce>> in_force =
      OptionsInForce(environment, file);
  if (!in_force.ok()) return in_force.error();
  std::string text =
      fmt::format("# {}{}\n", Escape(file.string()),
                  std::filesystem::exists(file) ? "" : " (there is none)");
  std::string defaults;
  for (const OptionInForce& option : *in_force) {
    if (option.source.empty()) {
      defaults += (defaults.empty() ? "" : ", ") + option.name;
      continue;
    }
    text += fmt::format("{} = {}  # {}\n", option.name, Escape(option.value),
                        Escape(option.source));
  }
  text += fmt::format("# as by default: {}\n", defaults);
  if (Status written = WriteProduct(text); !written.ok()) {
    return std::move(written).error();
  }
  // The list comes first: it says where to look.
  if (Status sound = CheckValues(*in_force); !sound.ok()) {
    return std::move(sound).error();
  }
  return ExitCode::kVerified;
}

}  // namespace p2pcp::cmd

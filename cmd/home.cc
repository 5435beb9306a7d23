#include "cmd/home.h"

#include <cstdlib>

namespace p2pcp::cmd {

Environment ProcessEnvironment() {
  return [](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    if (value == nullptr) return std::nullopt;
    return value;
  };
}

Result<Home> FindHome(const Environment& environment) {
  const auto set = [&](const char* name) {
    const std::optional<std::string> value = environment(name);
    return value && !value->empty() ? value : std::nullopt;
  };
  std::filesystem::path folder;
  if (const auto home = set("P2PCP_HOME")) {
    folder = *home;
  } else if (const auto xdg = set("XDG_CONFIG_HOME");
             xdg && std::filesystem::path(*xdg).is_absolute()) {
    // The XDG base directory specification: relative paths are ignored.
    folder = std::filesystem::path(*xdg) / "p2pcp";
  } else if (const auto user = set("HOME")) {
    folder = std::filesystem::path(*user) / ".config" / "p2pcp";
  } else {
    return Error{ErrorCode::kUsage,
                 "neither HOME nor P2PCP_HOME is set; say where the keys are "
                 "kept: P2PCP_HOME=FOLDER p2pcp ..."};
  }
  return Home{folder / "identity", folder / "identity.old", folder / "peers",
              folder / "config"};
}

}  // namespace p2pcp::cmd

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
  const auto folder = [&](const char* xdg,
                          const char* otherwise) -> std::filesystem::path {
    // The XDG base directory specification: relative paths are ignored.
    if (const auto base = set(xdg);
        base && std::filesystem::path(*base).is_absolute()) {
      return std::filesystem::path(*base) / "p2pcp";
    }
    if (const auto user = set("HOME")) {
      return std::filesystem::path(*user) / otherwise / "p2pcp";
    }
    return {};
  };
  std::filesystem::path config;
  std::filesystem::path state;
  if (const auto home = set("P2PCP_HOME")) {
    config = state = *home;
  } else {
    config = folder("XDG_CONFIG_HOME", ".config");
    state = folder("XDG_STATE_HOME", ".local/state");
  }
  if (config.empty()) {
    return Error{ErrorCode::kUsage,
                 "neither HOME nor P2PCP_HOME is set; say where the keys are "
                 "kept: P2PCP_HOME=FOLDER p2pcp ..."};
  }
  // Without a home, but with a place for the configuration.
  if (state.empty()) state = config;
  return Home{config / "identity", config / "identity.old", config / "peers",
              config / "config", state / "partial"};
}

}  // namespace p2pcp::cmd

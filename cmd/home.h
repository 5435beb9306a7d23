// Where p2pcp keeps what it keeps.

#ifndef P2PCP_CMD_HOME_H_
#define P2PCP_CMD_HOME_H_

#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "net/base/result.h"

namespace p2pcp::cmd {

using Environment =
    std::function<std::optional<std::string>(const std::string&)>;

// The process's own environment.
Environment ProcessEnvironment();

struct Home {
  std::filesystem::path identity;  // The secret key.
  std::filesystem::path
      old_identity;               // The one before it (trust/key_rotation.h).
  std::filesystem::path peers;    // The contact book.
  std::filesystem::path config;   // Options, one a line.
  std::filesystem::path partial;  // Journals of unfinished transfers.
};

// All in $P2PCP_HOME where that is set; otherwise in
// $XDG_CONFIG_HOME/p2pcp, which is ~/.config/p2pcp by default, but journals in
// $XDG_STATE_HOME/p2pcp, which is ~/.local/state/p2pcp.
Result<Home> FindHome(const Environment& environment);

}  // namespace p2pcp::cmd

#endif  // P2PCP_CMD_HOME_H_

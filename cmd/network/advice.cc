#include "cmd/network/advice.h"

#include <fmt/format.h>

#include "cmd/text.h"

namespace p2pcp::cmd {

Error NeverAppeared(const std::string& peer, Duration timeout, bool sends) {
  return Error{
      ErrorCode::kPeerNeverAppeared,
      fmt::format("{0} did not appear within {1}.\nEither '{2}' does not run "
                  "there with a broker in common, or the two don't know each "
                  "other any more: 'p2pcp peers' there must list the "
                  "fingerprint that 'p2pcp id' prints here, and the other way "
                  "round. One side may have removed the other, have a new key, "
                  "or have been paired alone; then, on both sides:\n"
                  "  p2pcp pair {0}        (there with the name of this side)",
                  peer, FormatDuration(timeout),
                  sends ? "p2pcp recv" : "p2pcp send")};
}

std::string HowToMendSecrets(const std::string& peer, bool has_secret) {
  return fmt::format(
      "\n{}\nTo mend it, on both sides:\n"
      "  p2pcp pair {}        (there with the name of this side)",
      has_secret
          ? "This side has a secret; the other has lost it, has one of another "
            "pairing, or has got this side's key by hand."
          : "This side has none, since it got the other's key by hand; the "
            "other has one of a pairing.",
      peer);
}

}  // namespace p2pcp::cmd

// p2pcp completion: the script that completes p2pcp's words in a shell.

#include <string>
#include <utility>

#include "cmd/commands.h"
#include "cmd/options/shell_completion.h"
#include "cmd/product.h"

namespace p2pcp::cmd {

Result<ExitCode> RunCompletion(const Options& options) {
  Result<std::string> script = CompletionScript(options.arguments.front());
  if (!script.ok()) return std::move(script).error();
  if (Status written = WriteProduct(*script); !written.ok()) {
    return std::move(written).error();
  }
  return ExitCode::kVerified;
}

}  // namespace p2pcp::cmd

#include "cmd/product.h"

#include <unistd.h>

#include <cerrno>

namespace p2pcp::cmd {

Status WriteProduct(std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = write(STDOUT_FILENO, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoError(ErrorCode::kCannotWrite, "stdout", errno);
    text.remove_prefix(static_cast<std::size_t>(n));
  }
  return {};
}

}  // namespace p2pcp::cmd

#include "cmd/network/guess_lock.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace p2pcp::cmd {
namespace {

// An abstract name (unix(7)): it begins with a zero and stands in no folder.
constexpr std::string_view kName("\0p2pcp-port-guess", 17);

}  // namespace

std::optional<GuessLock> GuessLock::Try() {
  udp::FileDescriptor fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return std::nullopt;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::ranges::copy(kName, address.sun_path);
  const auto size =
      static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + kName.size());
  if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0) {
    return std::nullopt;
  }
  return GuessLock(std::move(fd));
}

}  // namespace p2pcp::cmd

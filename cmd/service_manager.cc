#include "cmd/service_manager.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cstddef>
#include <cstdlib>

namespace p2pcp::cmd {

ServiceManager::ServiceManager() {
  const char* const path = std::getenv("NOTIFY_SOCKET");
  if (path == nullptr) return;
  path_ = path;
  unsetenv("NOTIFY_SOCKET");
  sockaddr_un limits;
  if (path_.empty() || path_.size() >= sizeof(limits.sun_path)) return;
  socket_ = udp::FileDescriptor(
      socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

void ServiceManager::Ready(std::string_view status) {
  Send("READY=1\nSTATUS=" + std::string(status));
}

void ServiceManager::Status(std::string_view status) {
  Send("STATUS=" + std::string(status));
}

void ServiceManager::Stopping() { Send("STOPPING=1"); }

void ServiceManager::Send(const std::string& lines) {
  if (!socket_.valid()) return;
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  path_.copy(address.sun_path, path_.size());
  // A name that begins so is one of the kernel's, not of the file system.
  if (path_.front() == '@') address.sun_path[0] = '\0';
  sendto(
      socket_.get(), lines.data(), lines.size(), MSG_NOSIGNAL,
      reinterpret_cast<const sockaddr*>(&address),
      static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path_.size()));
}

}  // namespace p2pcp::cmd

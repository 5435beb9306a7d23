#include "cmd/mosquitto_process.h"

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <string_view>

#include "net/udp/sockaddr.h"

namespace p2pcp::cmd {
namespace {

// Debian installs it in sbin, which is not on an ordinary user's PATH.
std::filesystem::path FindMosquitto() {
  const char* path = std::getenv("PATH");
  std::string folders = path == nullptr ? "" : path;
  folders += ":/usr/sbin:/usr/local/sbin:/usr/local/opt/mosquitto/sbin";
  std::string_view rest = folders;
  while (!rest.empty()) {
    const std::size_t colon = std::min(rest.find(':'), rest.size());
    if (colon > 0) {
      const auto file =
          std::filesystem::path(rest.substr(0, colon)) / "mosquitto";
      if (access(file.c_str(), X_OK) == 0) return file;
    }
    rest.remove_prefix(std::min(colon + 1, rest.size()));
  }
  return {};
}

Error OsError(std::string_view context) {
  return ErrnoError(ErrorCode::kOther, context, errno);
}

// A TCP port that nobody listens on now. Somebody may take it before the
// broker does; then the broker says so and ends.
Result<std::uint16_t> FreePort(const SocketAddress& address) {
  udp::Sockaddr sockaddr;
  socklen_t size = udp::ToSockaddr(address, &sockaddr);
  const udp::FileDescriptor fd(
      socket(sockaddr.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd.valid() || bind(fd.get(), &sockaddr.any, size) != 0 ||
      getsockname(fd.get(), &sockaddr.any, &size) != 0) {
    return OsError("cannot serve on " + address.ToString());
  }
  return udp::FromSockaddr(sockaddr)->port;
}

pid_t Spawn(const std::filesystem::path& program,
            const std::filesystem::path& config) {
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid != 0) return pid;
  // The child: it must not outlive us, even if we are killed.
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() != parent) _exit(127);
  // Its own group, so that a Ctrl-C reaches it only through us.
  setpgid(0, 0);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  execl(program.c_str(), program.c_str(), "-c", config.c_str(), nullptr);
  _exit(127);
}

}  // namespace

std::string MosquittoConfig(const SocketAddress& listen) {
  // Every p2pcp message is 1024 bytes, plus topic and header; the rest is to
  // keep a stranger from using up the machine.
  return fmt::format(
      "listener {} {}\n"
      "socket_domain {}\n"
      "allow_anonymous true\n"
      "persistence false\n"
      "max_connections 10000\n"
      "max_packet_size 2048\n"
      "max_inflight_messages 16\n"
      "max_queued_messages 64\n"
      "max_keepalive 120\n"
      // Without it each message waits some 40 ms for an acknowledgement of the
      // one before (Nagle's algorithm against delayed ACKs).
      "set_tcp_nodelay true\n"
      "retain_available false\n"
      "sys_interval 0\n"
      "log_dest stderr\n"
      "log_type error\n"
      "log_type warning\n",
      listen.port, listen.ip.ToString(), listen.ip.is_v6() ? "ipv6" : "ipv4");
}

Result<MosquittoProcess> MosquittoProcess::Start(SocketAddress listen) {
  const std::filesystem::path program = FindMosquitto();
  if (program.empty()) {
    return Error{ErrorCode::kOther,
                 "there is no mosquitto on this machine; install it "
                 "(Debian: apt install mosquitto)"};
  }
  if (listen.port == 0) {
    Result<std::uint16_t> port = FreePort(listen);
    if (!port.ok()) return std::move(port).error();
    listen.port = *port;
  }
  std::string folder =
      (std::filesystem::temp_directory_path() / "p2pcp-serve.XXXXXX").string();
  if (mkdtemp(folder.data()) == nullptr) return OsError(folder);
  // Started by root, mosquitto gives up its rights before it reads the file
  // again, and the file holds no secret.
  std::filesystem::permissions(folder, std::filesystem::perms(0755));
  const std::filesystem::path config =
      std::filesystem::path(folder) / "mosquitto.conf";
  std::ofstream file(config);
  file << MosquittoConfig(listen);
  file.close();
  if (!file) return OsError(config.string());
  const pid_t pid = Spawn(program, config);
  if (pid < 0) return OsError("starting mosquitto");
  udp::FileDescriptor pidfd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  return MosquittoProcess(listen, folder, pid, std::move(pidfd));
}

MosquittoProcess::MosquittoProcess(SocketAddress address,
                                   std::filesystem::path folder, pid_t pid,
                                   udp::FileDescriptor pidfd)
    : address_(address),
      folder_(std::move(folder)),
      pid_(pid),
      pidfd_(std::move(pidfd)) {}

MosquittoProcess::MosquittoProcess(MosquittoProcess&& other) noexcept
    : address_(other.address_),
      folder_(std::move(other.folder_)),
      pid_(std::exchange(other.pid_, -1)),
      pidfd_(std::move(other.pidfd_)) {}

MosquittoProcess::~MosquittoProcess() {
  if (pid_ < 0) return;
  kill(pid_, SIGTERM);
  // It ends at once; a broker that hangs is not waited for longer than this.
  pollfd ended = {pidfd_.get(), POLLIN, 0};
  if (poll(&ended, 1, 2000) == 0) kill(pid_, SIGKILL);
  while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

bool MosquittoProcess::Accepts() const {
  SocketAddress to = address_;
  if (to.ip.IsUnspecified()) {
    to.ip = *IpAddress::Parse(to.ip.is_v6() ? "::1" : "127.0.0.1");
  }
  udp::Sockaddr sockaddr;
  const socklen_t size = udp::ToSockaddr(to, &sockaddr);
  const udp::FileDescriptor fd(
      socket(sockaddr.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  return fd.valid() && connect(fd.get(), &sockaddr.any, size) == 0;
}

}  // namespace p2pcp::cmd

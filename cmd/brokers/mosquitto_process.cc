#include "cmd/brokers/mosquitto_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <optional>
#include <string_view>
#include <utility>

#include "net/base/bytes.h"
#include "net/udp/sockaddr.h"

namespace p2pcp::cmd {
namespace {

// The heap in bytes: what mosquitto limits itself, and what OpenSSL takes for
// 1,000 connections (some 60 KiB each).
constexpr rlim_t kMaxData = 512 << 20;

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

// The TCP port of address, or any for 0, if nobody listens there now. Somebody
// may take it before the broker does; then the broker says so and ends.
Result<std::uint16_t> FreePort(const SocketAddress& address) {
  udp::Sockaddr sockaddr;
  socklen_t size = udp::ToSockaddr(address, &sockaddr);
  const udp::FileDescriptor fd(
      socket(sockaddr.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  // As mosquitto does: connections of before may not have died away.
  const int on = 1;
  if (!fd.valid() ||
      setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
      bind(fd.get(), &sockaddr.any, size) != 0 ||
      getsockname(fd.get(), &sockaddr.any, &size) != 0) {
    const bool taken = errno == EADDRINUSE;
    Error error = OsError("cannot serve on " + address.ToString());
    if (taken) {
      error.message +=
          "; another broker may be there (Debian starts one with its package: "
          "systemctl disable --now mosquitto), or take --broker-port N";
    }
    return error;
  }
  return udp::FromSockaddr(sockaddr)->port;
}

// A port that only root can open makes mosquitto change its user by itself.
bool ChangesUserItself(const SocketAddress& listen) {
  return listen.port < 1024;
}

// An empty folder of that user alone, under /run, which is memory, where we may
// write there: root's copies of keys.
Result<std::filesystem::path> MakeFolder(bool as_other_user) {
  std::error_code ignored;
  std::filesystem::path above = std::filesystem::temp_directory_path(ignored);
  if (above.empty()) above = "/tmp";
  if (as_other_user && access("/run", W_OK) == 0) above = "/run";
  std::string path = (above / "p2pcp-serve.XXXXXX").string();
  if (mkdtemp(path.data()) == nullptr) return OsError(path);
  return std::filesystem::path(path);
}

// Another text where one of the files has become another.
std::string StateOf(const MosquittoOptions& options) {
  std::string text;
  for (const std::filesystem::path* file :
       {&options.tls_cert, &options.tls_key, &options.password_file}) {
    struct stat state = {};
    if (file->empty() || stat(file->c_str(), &state) != 0) {
      text += "-;";
    } else {
      text += fmt::format("{} {} {} {};", state.st_ino, state.st_size,
                          state.st_mtim.tv_sec, state.st_mtim.tv_nsec);
    }
  }
  return text;
}

}  // namespace

std::optional<MosquittoProcess::User> MosquittoProcess::UserToBecome() {
  if (geteuid() != 0) return std::nullopt;
  for (const char* name : {"mosquitto", "nobody"}) {
    if (const passwd* entry = getpwnam(name)) {
      return User{entry->pw_uid, entry->pw_gid};
    }
  }
  return std::nullopt;
}

Result<std::filesystem::path> MosquittoProcess::Write(const char* name,
                                                      ByteSpan content) const {
  const std::filesystem::path file = folder_ / name;
  std::string path = (folder_ / "new.XXXXXX").string();
  const udp::FileDescriptor fd(mkostemp(path.data(), O_CLOEXEC));
  if (!fd.valid() || write(fd.get(), content.data(), content.size()) !=
                         static_cast<ssize_t>(content.size())) {
    return OsError(file.string());
  }
  if (user_ && fchown(fd.get(), user_->uid, user_->gid) != 0) {
    return OsError("giving " + file.string() + " to mosquitto's user");
  }
  if (rename(path.c_str(), file.c_str()) != 0) return OsError(file.string());
  return file;
}

Status MosquittoProcess::WriteFiles() {
  MosquittoFiles files;
  if (Status read = ReadMosquittoFiles(given_, files); !read.ok()) return read;
  MosquittoOptions options = given_;
  if (user_) {
    // Copies, since mosquitto is to run as somebody else.
    std::ifstream stream(given_.tls_cert, std::ios::binary);
    const std::string cert{std::istreambuf_iterator<char>(stream), {}};
    const auto copy = [&](std::filesystem::path& file, const char* name,
                          ByteSpan content) -> Status {
      if (file.empty()) return {};
      Result<std::filesystem::path> written = Write(name, content);
      if (!written.ok()) return std::move(written).error();
      file = *std::move(written);
      return {};
    };
    Status status = copy(options.tls_cert, "cert.pem", AsBytes(cert));
    if (status.ok()) status = copy(options.tls_key, "key.pem", files.key);
    if (status.ok()) status = copy(options.password_file, "users", files.users);
    if (!status.ok()) return status;
  }
  const auto acl = Write("acl", AsBytes(MosquittoAcl(files.names)));
  if (!acl.ok()) return acl.error();
  const std::string text = MosquittoConfig(options, *acl);
  const auto config = Write("mosquitto.conf", AsBytes(text));
  if (!config.ok()) return config.error();
  config_ = *config;
  return {};
}

pid_t MosquittoProcess::Spawn() const {
  const std::optional<User> user =
      ChangesUserItself(address_) ? std::nullopt : user_;
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid != 0) return pid;
  // The child. A change of the user would undo what comes after it.
  if (user && (setgroups(0, nullptr) != 0 || setgid(user->gid) != 0 ||
               setuid(user->uid) != 0)) {
    std::perror("p2pcp: starting mosquitto as another user");
    _exit(127);
  }
  // It must not outlive us, even if we are killed.
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() != parent) _exit(127);
  // Its own group, so that a Ctrl-C reaches it only through us.
  setpgid(0, 0);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  // Keys of TLS, passwords; and memory that mosquitto's own limit leaves out.
  const rlimit no_core = {0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  const rlimit data = {kMaxData, kMaxData};
  setrlimit(RLIMIT_DATA, &data);
  rlimit files = {};
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur =
        std::min<rlim_t>(files.rlim_max, kMaxMosquittoClients + 64);
    setrlimit(RLIMIT_NOFILE, &files);
  }
  execl(program_.c_str(), program_.c_str(), "-c", config_.c_str(), nullptr);
  _exit(127);
}

Result<MosquittoProcess> MosquittoProcess::Start(MosquittoOptions options) {
  const std::filesystem::path program = FindMosquitto();
  if (program.empty()) {
    return Error{ErrorCode::kOther,
                 "there is no mosquitto on this machine; install it "
                 "(Debian: apt install mosquitto)"};
  }
  if (Status checked = CheckMosquittoFiles(options); !checked.ok()) {
    return std::move(checked).error();
  }
  Result<std::uint16_t> port = FreePort(options.listen);
  if (!port.ok()) return std::move(port).error();
  options.listen.port = *port;
  // What is wrong with the user's files is told before anything else is.
  {
    MosquittoFiles files;
    if (Status read = ReadMosquittoFiles(options, files); !read.ok()) {
      return std::move(read).error();
    }
  }
  MosquittoProcess process(std::move(options), program);
  process.user_ = UserToBecome();
  Result<std::filesystem::path> folder = MakeFolder(process.user_.has_value());
  if (!folder.ok()) return std::move(folder).error();
  process.folder_ = *std::move(folder);
  const std::optional<User>& user = process.user_;
  if (user && chown(process.folder_.c_str(), user->uid, user->gid) != 0) {
    return OsError("giving " + process.folder_.string() +
                   " to mosquitto's user");
  }
  if (Status written = process.WriteFiles(); !written.ok()) {
    return std::move(written).error();
  }
  if (Status started = process.Restart(); !started.ok()) {
    return std::move(started).error();
  }
  return process;
}

MosquittoProcess::MosquittoProcess(MosquittoOptions given,
                                   std::filesystem::path program)
    : address_(given.listen),
      given_(std::move(given)),
      loaded_(StateOf(given_)),
      seen_(loaded_),
      program_(std::move(program)) {}

Result<bool> MosquittoProcess::Refresh() {
  const std::string last = std::exchange(seen_, StateOf(given_));
  // While it changes a key may stand beside the certificate of another.
  if (seen_ == loaded_ || seen_ != last) return false;
  loaded_ = seen_;
  if (Status written = WriteFiles(); !written.ok()) {
    return std::move(written).error();
  }
  kill(pid_, SIGHUP);
  return true;
}

Status MosquittoProcess::Restart() {
  pid_ = Spawn();
  if (pid_ < 0) return OsError("starting mosquitto");
  pidfd_ =
      udp::FileDescriptor(static_cast<int>(syscall(SYS_pidfd_open, pid_, 0)));
  return {};
}

std::string MosquittoProcess::Reap() {
  int status = 0;
  while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
  pidfd_ = udp::FileDescriptor();
  return WIFSIGNALED(status)
             ? fmt::format("signal {}", WTERMSIG(status))
             : fmt::format("exit status {}", WEXITSTATUS(status));
}

MosquittoProcess::MosquittoProcess(MosquittoProcess&& other) noexcept
    : address_(other.address_),
      given_(std::move(other.given_)),
      loaded_(std::move(other.loaded_)),
      seen_(std::move(other.seen_)),
      program_(std::move(other.program_)),
      folder_(std::exchange(other.folder_, {})),
      config_(std::move(other.config_)),
      user_(other.user_),
      pid_(std::exchange(other.pid_, -1)),
      pidfd_(std::move(other.pidfd_)) {}

MosquittoProcess::~MosquittoProcess() {
  if (pid_ >= 0) {
    kill(pid_, SIGTERM);
    // It ends at once; a broker that hangs is not waited for longer than this.
    pollfd ended = {pidfd_.get(), POLLIN, 0};
    if (poll(&ended, 1, 2000) == 0) kill(pid_, SIGKILL);
    Reap();
  }
  std::error_code ignored;
  if (!folder_.empty()) std::filesystem::remove_all(folder_, ignored);
}

void MosquittoProcess::Kill() { kill(pid_, SIGKILL); }

SocketAddress MosquittoProcess::local_address() const {
  SocketAddress address = address_;
  if (address.ip.IsUnspecified()) {
    address.ip = *IpAddress::Parse(address.ip.is_v6() ? "::1" : "127.0.0.1");
  }
  return address;
}

bool MosquittoProcess::Accepts() const {
  udp::Sockaddr sockaddr;
  const socklen_t size = udp::ToSockaddr(local_address(), &sockaddr);
  const udp::FileDescriptor fd(
      socket(sockaddr.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  return fd.valid() && connect(fd.get(), &sockaddr.any, size) == 0;
}

}  // namespace p2pcp::cmd

#include "net/udp/port_mapping.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "net/udp/default_router.h"
#include "net/udp/interfaces.h"
#include "net/udp/sockaddr.h"
#include "net/udp/upnp_child.h"

extern char** environ;

namespace p2pcp::udp {
namespace {

// The process, and our end of the socketpair to it in *end; -1 without one.
pid_t Spawn(const PortMapping::Command& command, std::uint16_t port,
            FileDescriptor* end) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    return -1;
  }
  FileDescriptor ours(ends[0]);
  // Above what the actions below overwrite.
  const FileDescriptor theirs(
      fcntl(ends[1], F_DUPFD_CLOEXEC, kUpnpChildFd + 1));
  close(ends[1]);
  std::vector<std::string> words = {command.path};
  words.insert(words.end(), command.arguments.begin(), command.arguments.end());
  words.push_back(std::to_string(port));
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);

  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  for (const int standard : {0, 1, 2}) {
    posix_spawn_file_actions_addopen(&files, standard, "/dev/null", O_RDWR, 0);
  }
  posix_spawn_file_actions_adddup2(&files, theirs.get(), kUpnpChildFd);
  posix_spawn_file_actions_addclosefrom_np(&files, kUpnpChildFd + 1);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  pid_t pid = -1;
  const int error = theirs.valid()
                        ? posix_spawn(&pid, command.path.c_str(), &files,
                                      &attributes, argv.data(), environ)
                        : EMFILE;
  posix_spawn_file_actions_destroy(&files);
  posix_spawnattr_destroy(&attributes);
  if (error != 0) return -1;
  *end = std::move(ours);
  return pid;
}

}  // namespace

std::unique_ptr<PortMapping> PortMapping::Start(
    EventLoop* loop, std::uint16_t port, const Command& upnp, Random& random,
    std::function<void()> on_change) {
  const auto router = DefaultRouter();
  if (!router) return nullptr;
  const SocketAddress server{*router, kPcpPort, 0};
  const auto client = RouteSource(server);
  FileDescriptor fd(
      socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  Sockaddr address;
  const socklen_t size = ToSockaddr(server, &address);
  // Connected: the kernel drops what does not come from there.
  if (!client || !fd.valid() || connect(fd.get(), &address.any, size) != 0) {
    return nullptr;
  }
  std::unique_ptr<PortMapping> mapping(new PortMapping(
      loop, std::move(fd), client->ip, port, random, std::move(on_change)));
  mapping->StartUpnp(upnp, port);
  mapping->Turn();
  return mapping;
}

PortMapping::PortMapping(EventLoop* loop, FileDescriptor socket,
                         const IpAddress& client, std::uint16_t port,
                         Random& random, std::function<void()> on_change)
    : loop_(loop),
      socket_(std::move(socket)),
      mapper_(loop->Now(), client, port, random),
      on_change_(std::move(on_change)) {
  loop_->Watch(socket_.get(), EPOLLIN,
               [this](std::uint32_t) { HandleRouter(); });
}

PortMapping::~PortMapping() {
  if (timer_) loop_->CancelTimer(*timer_);
  mapper_.Release();
  std::array<std::byte, kPcpMapSize> out;
  while (const auto size = mapper_.PollTransmit(out)) {
    send(socket_.get(), out.data(), *size, MSG_DONTWAIT | MSG_NOSIGNAL);
  }
  loop_->Unwatch(socket_.get());
  if (!upnp_.valid()) return;
  // Its end of the socket tells the child; it cleans up and ends by itself.
  loop_->Unwatch(upnp_.get());
  upnp_ = FileDescriptor();
  ReapUpnp(WNOHANG);
}

void PortMapping::StartUpnp(const Command& command, std::uint16_t port) {
  upnp_pid_ = Spawn(command, port, &upnp_);
  if (upnp_pid_ < 0) return;
  loop_->Watch(upnp_.get(), EPOLLIN, [this](std::uint32_t) { HandleUpnp(); });
}

void PortMapping::HandleRouter() {
  std::array<std::byte, kMaxPcpMessage + 1> buffer;
  for (;;) {
    const ssize_t size =
        recv(socket_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (size < 0 && errno == ECONNREFUSED) continue;
    if (size < 0) break;
    mapper_.HandleDatagram(
        loop_->Now(), ByteSpan(buffer).first(static_cast<std::size_t>(size)));
  }
  Turn();
}

void PortMapping::HandleUpnp() {
  std::array<char, kMaxUpnpMessage> text;
  const ssize_t size =
      recv(upnp_.get(), text.data(), text.size(), MSG_DONTWAIT);
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (size <= 0) {
    loop_->Unwatch(upnp_.get());
    upnp_ = FileDescriptor();
    upnp_mapped_.reset();
    ReapUpnp(0);
  } else {
    // The text is the router's, through a process that has read it.
    const auto mapped = SocketAddress::Parse(
        std::string_view(text.data(), static_cast<std::size_t>(size)));
    if (mapped && mapped->port != 0 && mapped->ip.is_v4() &&
        !mapped->ip.IsUnspecified() && !mapped->ip.IsLoopback() &&
        !mapped->ip.IsMulticast() && !mapped->ip.IsBroadcast()) {
      upnp_mapped_ = mapped;
    }
  }
  Turn();
}

void PortMapping::ReapUpnp(int options) {
  if (upnp_pid_ < 0) return;
  while (waitpid(upnp_pid_, nullptr, options) < 0 && errno == EINTR) {
  }
  upnp_pid_ = -1;
}

void PortMapping::Turn() {
  const TimePoint now = loop_->Now();
  mapper_.HandleTimeout(now);
  std::array<std::byte, kPcpMapSize> out;
  while (const auto size = mapper_.PollTransmit(out)) {
    send(socket_.get(), out.data(), *size, MSG_DONTWAIT | MSG_NOSIGNAL);
  }
  if (timer_) loop_->CancelTimer(*timer_);
  timer_.reset();
  if (const auto next = mapper_.PollTimeout()) {
    timer_ = loop_->SetTimer(*next, [this] {
      timer_.reset();
      Turn();
    });
  }
  if (std::vector<SocketAddress> all = mapped(); all != told_) {
    told_ = std::move(all);
    on_change_();
  }
}

std::vector<SocketAddress> PortMapping::mapped() const {
  std::vector<SocketAddress> all;
  if (const auto mapped = mapper_.mapped()) all.push_back(*mapped);
  if (upnp_mapped_ && (all.empty() || all.front() != *upnp_mapped_)) {
    all.push_back(*upnp_mapped_);
  }
  return all;
}

std::vector<std::string> PortMapping::protocols() const {
  std::vector<std::string> protocols;
  if (mapper_.mapped()) protocols.emplace_back(mapper_.protocol());
  if (upnp_mapped_) protocols.emplace_back("UPnP");
  return protocols;
}

}  // namespace p2pcp::udp

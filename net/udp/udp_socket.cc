#include "net/udp/udp_socket.h"

#include <linux/udp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <charconv>
#include <optional>
#include <string>
#include <utility>

#include "net/udp/sockaddr.h"

namespace p2pcp::udp {
namespace {

class OptionSetter {
 public:
  OptionSetter(Syscalls* syscalls, int fd) : syscalls_(syscalls), fd_(fd) {}

  template <typename Value>
  bool Set(int level, int option, Value value) {
    const int result =
        syscalls_->SetSockOpt(fd_, level, option, &value, sizeof(value));
    if (result < 0) os_errno_ = -result;
    return result >= 0;
  }
  int os_errno() const { return os_errno_; }

 private:
  Syscalls* syscalls_;
  int fd_;
  int os_errno_ = 0;
};

// Asks for `size` bytes, past the system's limit where we may, and returns what
// was granted. The kernel doubles what it is asked for, to pay for its own
// bookkeeping, and reports the doubled value.
int SetBuffer(OptionSetter& options, int fd, int force, int option, int size) {
  if (!options.Set(SOL_SOCKET, force, size)) {
    options.Set(SOL_SOCKET, option, size);
  }
  int doubled = 0;
  socklen_t length = sizeof(doubled);
  if (getsockopt(fd, SOL_SOCKET, option, &doubled, &length) != 0) return 0;
  return doubled / 2;
}

}  // namespace

bool KernelHasUsableGro(std::string_view release) {
  int major = 0;
  int minor = 0;
  const char* const end = release.data() + release.size();
  const auto [dot, ec] = std::from_chars(release.data(), end, major);
  if (ec != std::errc() || dot == end || *dot != '.') return false;
  if (std::from_chars(dot + 1, end, minor).ec != std::errc()) return false;
  return major > 5 || (major == 5 && minor >= 12);
}

UdpSocket::UdpSocket(FileDescriptor fd, Syscalls* syscalls, bool gso, bool gro)
    : fd_(std::move(fd)),
      syscalls_(syscalls),
      gro_enabled_(gro),
      sender_(syscalls, fd_.get(), gso),
      receiver_(syscalls, fd_.get()) {}

Result<UdpSocket> UdpSocket::Open(const SocketAddress& bind,
                                  const Options& options) {
  const bool v6 = bind.ip.is_v6();
  const std::string context = "UDP socket on " + bind.ToString();
  FileDescriptor fd(socket(v6 ? AF_INET6 : AF_INET,
                           SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return ErrnoError(ErrorCode::kOther, context, errno);
  OptionSetter setter(options.syscalls, fd.get());
  if (v6 && !setter.Set(IPPROTO_IPV6, IPV6_V6ONLY, 1)) {
    return ErrnoError(ErrorCode::kOther, context, setter.os_errno());
  }
  Sockaddr address;
  const socklen_t size = ToSockaddr(bind, &address);
  if (::bind(fd.get(), &address.any, size) != 0) {
    return ErrnoError(ErrorCode::kOther, context, errno);
  }
  return Adopt(std::move(fd), options);
}

Result<UdpSocket> UdpSocket::Adopt(FileDescriptor fd, const Options& options) {
  Sockaddr address;
  socklen_t local_size = sizeof(address);
  if (getsockname(fd.get(), &address.any, &local_size) != 0) {
    return ErrnoError(ErrorCode::kOther, "UDP socket", errno);
  }
  const std::optional<SocketAddress> local = FromSockaddr(address);
  if (!local) return ErrnoError(ErrorCode::kOther, "UDP socket", EAFNOSUPPORT);

  OptionSetter setter(options.syscalls, fd.get());
  // PROBE and not DO: Don't Fragment is set, and what the kernel believes to
  // be the path MTU, which anyone can forge by ICMP, is not enforced.
  const bool mandatory =
      local->ip.is_v6()
          ? setter.Set(IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE)
          : setter.Set(IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE);
  if (!mandatory) {
    return ErrnoError(ErrorCode::kOther, "UDP socket on " + local->ToString(),
                      setter.os_errno());
  }

  // Without these it works too, only slower or blinder.
  const bool gso = options.gso && setter.Set(IPPROTO_UDP, UDP_SEGMENT, 0);
  const bool gro = options.gro &&
                   KernelHasUsableGro(options.syscalls->KernelRelease()) &&
                   setter.Set(IPPROTO_UDP, UDP_GRO, 1);
  setter.Set(SOL_SOCKET, SO_RXQ_OVFL, 1);

  UdpSocket udp_socket(std::move(fd), options.syscalls, gso, gro);
  udp_socket.local_address_ = *local;
  udp_socket.receive_buffer_ =
      SetBuffer(setter, udp_socket.fd(), SO_RCVBUFFORCE, SO_RCVBUF,
                options.receive_buffer);
  udp_socket.send_buffer_ = SetBuffer(setter, udp_socket.fd(), SO_SNDBUFFORCE,
                                      SO_SNDBUF, options.send_buffer);
  return udp_socket;
}

bool UdpSocket::Admit(const Admission* admission) {
  OptionSetter setter(syscalls_, fd_.get());
  if (admission == nullptr) {
    receiver_.SetRefusing(false);
    return setter.Set(SOL_SOCKET, SO_DETACH_FILTER, 0);
  }
  AdmissionProgram program(*admission);
  const bool attached = setter.Set(SOL_SOCKET, SO_ATTACH_FILTER, program.Get());
  if (attached) receiver_.SetRefusing(true);
  return attached;
}

}  // namespace p2pcp::udp

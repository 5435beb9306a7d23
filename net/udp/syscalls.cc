#include "net/udp/syscalls.h"

#include <sys/utsname.h>

#include <cerrno>

namespace p2pcp::udp {
namespace {

template <typename T>
T OrErrno(T result) {
  return result < 0 ? static_cast<T>(-errno) : result;
}

}  // namespace

ssize_t Syscalls::SendMsg(int fd, const msghdr& message, int flags) {
  return OrErrno(::sendmsg(fd, &message, flags));
}

int Syscalls::SendMmsg(int fd, mmsghdr* messages, unsigned count, int flags) {
  return OrErrno(::sendmmsg(fd, messages, count, flags));
}

int Syscalls::RecvMmsg(int fd, mmsghdr* messages, unsigned count, int flags) {
  return OrErrno(::recvmmsg(fd, messages, count, flags, nullptr));
}

int Syscalls::SetSockOpt(int fd, int level, int option, const void* value,
                         socklen_t size) {
  return OrErrno(::setsockopt(fd, level, option, value, size));
}

std::string Syscalls::KernelRelease() {
  utsname name;
  return ::uname(&name) == 0 ? name.release : "";
}

Syscalls& SystemSyscalls() {
  static Syscalls* const syscalls = new Syscalls;
  return *syscalls;
}

}  // namespace p2pcp::udp

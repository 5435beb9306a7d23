// The system calls on the packet path, behind a seam: a test can have sendmsg
// answer EIO on cue, or lose the last message of a batch.

#ifndef P2PCP_NET_UDP_SYSCALLS_H_
#define P2PCP_NET_UDP_SYSCALLS_H_

#include <sys/socket.h>
#include <sys/types.h>

#include <string>

namespace p2pcp::udp {

// Each call returns what the kernel's returns on success and -errno on
// failure. Implementations keep no state between calls that a socket relies on.
class Syscalls {
 public:
  virtual ~Syscalls() = default;
  virtual ssize_t SendMsg(int fd, const msghdr& message, int flags);
  virtual int SendMmsg(int fd, mmsghdr* messages, unsigned count, int flags);
  virtual int RecvMmsg(int fd, mmsghdr* messages, unsigned count, int flags);
  virtual int SetSockOpt(int fd, int level, int option, const void* value,
                         socklen_t size);
  // uname's release, such as "6.1.0-18-amd64".
  virtual std::string KernelRelease();
};

// The kernel's own; never destroyed.
Syscalls& SystemSyscalls();

}  // namespace p2pcp::udp

#endif  // P2PCP_NET_UDP_SYSCALLS_H_

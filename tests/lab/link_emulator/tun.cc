#include "tests/lab/link_emulator/tun.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace p2pcp::lab {
namespace {

class FileDescriptor {
 public:
  explicit FileDescriptor(int fd) : fd_(fd) {}
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  ~FileDescriptor() {
    if (fd_ >= 0) close(fd_);
  }
  int get() const { return fd_; }
  int Release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

Error SystemError(const std::string& context) {
  return ErrnoError(ErrorCode::kOther, context, errno);
}

// Makes the device in the namespace that the calling thread is in.
Result<int> MakeDevice(const std::string& device, int mtu) {
  FileDescriptor tun(open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC));
  if (tun.get() < 0) return SystemError("/dev/net/tun");
  ifreq request{};
  if (device.empty() || device.size() >= sizeof(request.ifr_name)) {
    return Error{ErrorCode::kUsage, "bad device name \"" + device + "\""};
  }
  std::memcpy(request.ifr_name, device.data(), device.size());
  request.ifr_flags = IFF_TUN | IFF_NO_PI;
  if (ioctl(tun.get(), TUNSETIFF, &request) != 0) {
    return SystemError("TUNSETIFF " + device);
  }
  const FileDescriptor socket_fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (socket_fd.get() < 0) return SystemError("socket");
  request.ifr_mtu = mtu;
  if (ioctl(socket_fd.get(), SIOCSIFMTU, &request) != 0) {
    return SystemError("mtu of " + device);
  }
  request.ifr_flags = IFF_UP;
  if (ioctl(socket_fd.get(), SIOCSIFFLAGS, &request) != 0) {
    return SystemError("setting up " + device);
  }
  return tun.Release();
}

}  // namespace

Result<Tun> Tun::Open(const std::string& netns_file, const std::string& device,
                      int mtu) {
  const FileDescriptor home(open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
  const FileDescriptor there(open(netns_file.c_str(), O_RDONLY | O_CLOEXEC));
  if (home.get() < 0 || there.get() < 0) return SystemError(netns_file);
  if (setns(there.get(), CLONE_NEWNET) != 0) return SystemError(netns_file);
  Result<int> fd = MakeDevice(device, mtu);
  // Nothing of this program belongs into the other namespace but the device.
  if (setns(home.get(), CLONE_NEWNET) != 0) return SystemError("setns back");
  if (!fd) return Annotate(fd.error(), netns_file);
  return Tun(*fd);
}

Tun::Tun(Tun&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

Tun::~Tun() {
  if (fd_ >= 0) close(fd_);
}

std::size_t Tun::Read(MutableByteSpan out) {
  const ssize_t size = read(fd_, out.data(), out.size());
  return size > 0 ? static_cast<std::size_t>(size) : 0;
}

bool Tun::Write(ByteSpan packet) {
  return write(fd_, packet.data(), packet.size()) ==
         static_cast<ssize_t>(packet.size());
}

}  // namespace p2pcp::lab

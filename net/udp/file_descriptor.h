// FileDescriptor: the owner of a descriptor; closes it when it goes.

#ifndef P2PCP_NET_UDP_FILE_DESCRIPTOR_H_
#define P2PCP_NET_UDP_FILE_DESCRIPTOR_H_

#include <unistd.h>

#include <utility>

namespace p2pcp::udp {

class FileDescriptor {
 public:
  FileDescriptor() = default;
  // Takes over fd; negative means none.
  explicit FileDescriptor(int fd) : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~FileDescriptor() {
    if (fd_ >= 0) ::close(fd_);
  }

  bool valid() const { return fd_ >= 0; }
  int get() const { return fd_; }

 private:
  int fd_ = -1;
};

}  // namespace p2pcp::udp

#endif  // P2PCP_NET_UDP_FILE_DESCRIPTOR_H_

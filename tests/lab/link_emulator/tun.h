// A TUN device in a network namespace: one end of the emulated link.

#ifndef P2PCP_TESTS_LAB_LINK_EMULATOR_TUN_H_
#define P2PCP_TESTS_LAB_LINK_EMULATOR_TUN_H_

#include <cstdint>
#include <string>

#include "net/base/bytes.h"
#include "net/base/result.h"

namespace p2pcp::lab {

class Tun {
 public:
  // Makes the device in the namespace that the file stands for
  // (/run/netns/NAME), and sets it up. It vanishes with this object.
  static Result<Tun> Open(const std::string& netns_file,
                          const std::string& device, int mtu);
  Tun(Tun&& other) noexcept;
  Tun& operator=(Tun&&) = delete;
  ~Tun();

  int fd() const { return fd_; }
  // Bytes of the packet read into out; 0: there is none now.
  std::size_t Read(MutableByteSpan out);
  // False if the kernel did not take it.
  bool Write(ByteSpan packet);

 private:
  explicit Tun(int fd) : fd_(fd) {}

  int fd_;
};

}  // namespace p2pcp::lab

#endif  // P2PCP_TESTS_LAB_LINK_EMULATOR_TUN_H_

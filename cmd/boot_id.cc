#include "cmd/boot_id.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <string>

#include "net/base/bytes.h"
#include "net/base/random.h"

namespace p2pcp::cmd {

file::BootId CurrentBoot() {
  std::array<char, 64> text = {};
  const int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
  const ssize_t size = fd < 0 ? -1 : read(fd, text.data(), text.size());
  if (fd >= 0) close(fd);
  std::string digits(text.data(),
                     size > 0 ? static_cast<std::size_t>(size) : 0);
  std::erase_if(digits, [](char c) { return c == '-' || c == '\n'; });
  const Bytes bytes = Unhex(digits);
  file::BootId boot = SystemRandom().Array<16>();
  if (bytes.size() == boot.size()) CopyBytes(bytes, boot);
  return boot;
}

}  // namespace p2pcp::cmd

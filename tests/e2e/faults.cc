// Faults that no laboratory can make from outside, for LD_PRELOAD. FAULT says
// which:
// - damage: a disk that changes a byte of each block that is written to an
//   unfinished file at an offset;
// - version: a program that speaks other versions of the protocol only. They
//   stand in clear at the beginning of each message, before it is sealed
//   (net/signaling/PROTOCOL.md).

#include <dlfcn.h>
#include <sys/types.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace {

constexpr unsigned char kOtherVersion = 200;

bool Is(std::string_view fault) {
  const char* const wanted = std::getenv("FAULT");
  return wanted != nullptr && wanted == fault;
}

template <typename Function>
Function Next(const char* name) {
  return reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
}

bool IsUnfinishedFile(int fd) {
  std::array<char, 4096> name;
  const std::string link = "/proc/self/fd/" + std::to_string(fd);
  const ssize_t size = readlink(link.c_str(), name.data(), name.size());
  return size > 0 &&
         std::string_view(name.data(), static_cast<std::size_t>(size))
                 .find(".part") != std::string_view::npos;
}

using Pwrite = ssize_t (*)(int, const void*, std::size_t, off64_t);

ssize_t Write(const char* name, int fd, const void* buffer, std::size_t size,
              off64_t offset) {
  const auto next = Next<Pwrite>(name);
  if (size == 0 || !Is("damage") || !IsUnfinishedFile(fd)) {
    return next(fd, buffer, size, offset);
  }
  std::vector<unsigned char> changed(size);
  std::memcpy(changed.data(), buffer, size);
  changed[0] ^= 1;
  return next(fd, changed.data(), size, offset);
}

}  // namespace

extern "C" ssize_t pwrite(int fd, const void* buffer, std::size_t size,
                          off_t offset) {
  return Write("pwrite", fd, buffer, size, offset);
}

extern "C" ssize_t pwrite64(int fd, const void* buffer, std::size_t size,
                            off64_t offset) {
  return Write("pwrite64", fd, buffer, size, offset);
}

extern "C" int crypto_aead_xchacha20poly1305_ietf_encrypt(
    unsigned char* c, unsigned long long* c_size, const unsigned char* m,
    unsigned long long m_size, const unsigned char* ad,
    unsigned long long ad_size, const unsigned char* secret_nonce,
    const unsigned char* nonce, const unsigned char* key) {
  using Encrypt =
      int (*)(unsigned char*, unsigned long long*, const unsigned char*,
              unsigned long long, const unsigned char*, unsigned long long,
              const unsigned char*, const unsigned char*, const unsigned char*);
  const auto next = Next<Encrypt>("crypto_aead_xchacha20poly1305_ietf_encrypt");
  std::vector<unsigned char> message(m, m + m_size);
  if (Is("version") && m_size > 2) message[1] = message[2] = kOtherVersion;
  return next(c, c_size, message.data(), m_size, ad, ad_size, secret_nonce,
              nonce, key);
}

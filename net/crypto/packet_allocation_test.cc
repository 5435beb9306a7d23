// That no packet allocates: neither here nor inside OpenSSL.

#include <openssl/crypto.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "gtest/gtest.h"
#include "net/base/check.h"
#include "net/base/random.h"
#include "net/crypto/packet_aead.h"

namespace {

std::atomic<int> allocations{0};

void* CountedMalloc(std::size_t size, const char*, int) {
  ++allocations;
  return std::malloc(size);
}
void* CountedRealloc(void* memory, std::size_t size, const char*, int) {
  ++allocations;
  return std::realloc(memory, size);
}
void CountedFree(void* memory, const char*, int) { std::free(memory); }

// Before OpenSSL allocates anything: it takes no other functions afterwards.
const bool counted =
    CRYPTO_set_mem_functions(CountedMalloc, CountedRealloc, CountedFree) == 1;

}  // namespace

void* operator new(std::size_t size) {
  ++allocations;
  void* const memory = std::malloc(size);
  P2PCP_CHECK(memory != nullptr);
  return memory;
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace p2pcp::crypto {
namespace {

TEST(PacketAllocation, SealingAndOpeningAllocateNothing) {
  ASSERT_TRUE(counted);
  SeededRandom random(19);
  for (const Suite suite : {Suite::kAes256Gcm, Suite::kChaCha20Poly1305}) {
    const Key secret(random.Array<32>());
    PacketSealer sealer(suite, secret);
    PacketOpener opener(suite, secret);
    EXPECT_GT(allocations, 0) << "the counter works";
    std::array<std::byte, 12> header{};
    std::array<std::byte, 1435> data{};
    std::array<std::byte, 1500> out;
    const int before = allocations;
    bool ok = true;
    for (std::uint64_t number = 0; number < 1000; ++number) {
      const std::size_t size =
          sealer.Seal(PacketNumber(number), header, {}, data, out);
      const MutableByteSpan sealed =
          MutableByteSpan(out).subspan(header.size(), size - header.size());
      if (number % 10 == 9) {
        sealed.front() ^= std::byte{1};
        ok = ok && !opener.Open(PacketNumber(number), header, sealed);
      } else {
        ok = ok && opener.Open(PacketNumber(number), header, sealed);
      }
    }
    EXPECT_EQ(allocations - before, 0);
    EXPECT_TRUE(ok);
  }
}

}  // namespace
}  // namespace p2pcp::crypto

// The replay window against its definition: a set of all numbers that came.
// Numbers jump, creep and repeat as the input says.

#include <cstddef>
#include <cstdint>
#include <set>

#include "net/base/check.h"
#include "net/base/packet_number.h"
#include "net/channel/replay_window.h"
#include "tests/fuzz/fuzz_input.h"

namespace p2pcp::channel {
namespace {

constexpr std::size_t kMaxOperations = 2'000;

// Relative to the highest: what matters happens around it and around the end
// of the window.
std::uint64_t TakeNumber(fuzz::FuzzInput& input, std::uint64_t highest) {
  const std::uint8_t kind = input.TakeU8();
  const std::uint64_t near = input.TakeU8();
  std::uint64_t number = 0;
  switch (kind % 8) {
    case 0:
      number = highest + near;
      break;
    case 1:
      number = highest - near;
      break;
    case 2:
      number = highest - ReplayWindow::kSize + near - 128;
      break;
    case 3:
      number = highest + ReplayWindow::kRingBits + near - 128;
      break;
    case 4:
      number = highest + near * ReplayWindow::kWordBits;
      break;
    case 5:
      number = highest - near * 1'021;
      break;
    case 6:
      number = near;
      break;
    case 7:
      number = input.TakeU64();
      break;
  }
  // What wrapped around becomes some other number.
  return number % (PacketNumber::kMax + 1);
}

void Run(fuzz::FuzzInput input) {
  ReplayWindow window;
  std::set<std::uint64_t> seen;
  std::uint64_t highest = 0;
  for (std::size_t i = 0; i < kMaxOperations && !input.empty(); ++i) {
    const std::uint64_t number = TakeNumber(input, highest);
    ReplayWindow::Verdict expected = ReplayWindow::Verdict::kNew;
    if (!seen.empty() && number + ReplayWindow::kSize <= highest) {
      expected = ReplayWindow::Verdict::kTooOld;
    } else if (seen.contains(number)) {
      expected = ReplayWindow::Verdict::kSeen;
    }
    const PacketNumber packet(number);
    P2PCP_CHECK(window.Check(packet) == expected);
    P2PCP_CHECK(window.Reached(packet) == (!seen.empty() && number <= highest));
    if (expected != ReplayWindow::Verdict::kNew) continue;
    window.Add(packet);
    seen.insert(number);
    highest = *seen.rbegin();
  }
}

}  // namespace
}  // namespace p2pcp::channel

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  p2pcp::channel::Run(
      p2pcp::fuzz::FuzzInput(p2pcp::fuzz::InputBytes(data, size)));
  return 0;
}

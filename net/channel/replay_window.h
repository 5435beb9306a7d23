// Which packet numbers were seen (RFC 6479: a ring of words, advanced by whole
// words, so that sliding costs nothing per packet).

#ifndef P2PCP_NET_CHANNEL_REPLAY_WINDOW_H_
#define P2PCP_NET_CHANNEL_REPLAY_WINDOW_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "net/base/packet_number.h"

namespace p2pcp::channel {

class ReplayWindow {
 public:
  static constexpr std::uint64_t kWordBits = 64;
  // At least twice what can be in flight: 2^18 packets of 1.4 kB are 380 MB,
  // 10 Gbit/s for 0.3 s. 32 kB of memory.
  static constexpr std::uint64_t kRingBits = std::uint64_t{1} << 18;
  // Numbers this far behind the highest, or further, are too old to be told
  // apart.
  static constexpr std::uint64_t kSize = kRingBits - kWordBits;

  enum class Verdict : std::uint8_t { kNew, kSeen, kTooOld };

  ReplayWindow() : words_(kRingBits / kWordBits) {}

  // Whether a packet of this number may be looked at. Changes nothing: the
  // number is not the sender's yet.
  Verdict Check(PacketNumber number) const;
  // The packet has proved authentic. REQUIRES: Check(number) is kNew.
  void Add(PacketNumber number);

  // The highest number added is above `number` or the same.
  bool Reached(PacketNumber number) const {
    return any_ && number.value() <= highest_;
  }

 private:
  std::uint64_t& Word(std::uint64_t index) {
    return words_[index % words_.size()];
  }

  bool any_ = false;
  std::uint64_t highest_ = 0;
  std::vector<std::uint64_t> words_;
};

}  // namespace p2pcp::channel

#endif  // P2PCP_NET_CHANNEL_REPLAY_WINDOW_H_

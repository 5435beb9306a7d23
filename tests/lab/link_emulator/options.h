// What one direction of the emulated link does to packets, and the text form
// of it: words such as `rate=100mbit delay=20ms loss=5%`.

#ifndef P2PCP_TESTS_LAB_LINK_EMULATOR_OPTIONS_H_
#define P2PCP_TESTS_LAB_LINK_EMULATOR_OPTIONS_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "net/base/result.h"
#include "net/base/time.h"

namespace p2pcp::lab {

// All chances are per packet, in [0, 1].
struct Options {
  // Bits a second of IP packets; 0: without limit.
  std::uint64_t rate = 0;
  // Bytes that may wait for their turn where a rate is set; a packet that finds
  // no room is dropped.
  std::size_t queue = 256 * 1024;
  // Bits a second that a policer before the queue lets pass, with a bucket of
  // so many bytes for bursts; it drops the rest. 0: there is none.
  std::uint64_t policer = 0;
  std::size_t policer_burst = 128 * 1024;
  Duration delay{};
  // Each packet takes up to this much longer; order is kept all the same.
  Duration jitter{};
  double loss = 0;
  // Losses in bursts (Gilbert): the link enters a bad state before a packet,
  // loses packets with chance burst_loss in it, and leaves it again.
  double burst_enter = 0;
  double burst_leave = 1;
  double burst_loss = 1;
  // A reordered packet is held back by reorder_delay, so later ones pass it.
  double reorder = 0;
  Duration reorder_delay = 5ms;
  double duplicate = 0;  // A second copy follows at once.

  // What the middlebox does to UDP, with checksums that are right afterwards.
  double flip = 0;      // Inverts 1 to 8 bits of the payload.
  double truncate = 0;  // Cuts 1 byte up to all of the payload.
  double replay = 0;    // Sends one of the last datagrams again as well.
  double reflect = 0;   // Sends a copy back to its sender, as from the peer.
  // Invented datagrams a second to the last destination seen: from strangers'
  // addresses, and in the name of the peer.
  double strangers = 0;
  double forged = 0;
};

// Changes the options that the text names, or none of them. Words are separated
// by blanks; "clear" sets everything back to the default.
Result<Options> ParseOptions(std::string_view text, Options options);

// The words in which options can be given, one line each.
std::string DescribeOptions();

}  // namespace p2pcp::lab

#endif  // P2PCP_TESTS_LAB_LINK_EMULATOR_OPTIONS_H_

// What a simulated transfer has to get through: the path, its faults, what
// happens on the way. Drawn from a seed, or written by hand in a test.

#ifndef P2PCP_TESTS_SIM_SCENARIO_H_
#define P2PCP_TESTS_SIM_SCENARIO_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "net/base/time.h"
#include "net/crypto/packet_cipher.h"
#include "tests/sim/attacker.h"
#include "tests/sim/disk_options.h"
#include "tests/sim/link.h"

namespace p2pcp::sim {

// Something that happens once, when so much of the transfer is done.
struct Happening {
  enum class Kind {
    kOutage,          // Nothing passes, either way, for `duration`.
    kOneWayOutage,    // Nothing passes from the sender to the receiver.
    kRebindSender,    // The sender's NAT gives it another port.
    kRebindReceiver,  // The receiver's NAT ...
    kRenumberSender,  // The sender's home gets another address.
    kStorm,           // For `duration` every packet comes 20 times.
    kSmallerMtu,      // Packets beyond 1,280 bytes vanish from now on.
    kKillSender,      // The process is gone from one moment to the next.
    kKillReceiver,
    kCancelSender,  // Its user gives up.
    kCancelReceiver,
  };
  Kind kind = Kind::kOutage;
  double when = 0;  // Part of the bytes that the receiver has, in [0, 1).
  Duration duration{};
};

enum class Side { kBoth, kSender, kReceiver };

struct Scenario {
  std::uint64_t seed = 1;
  std::vector<std::uint64_t> file_sizes = {4 << 20};
  LinkOptions to_receiver;
  LinkOptions to_sender;
  AttackerOptions attacker;
  // Each side in a home behind a NAT; else joined by a wire.
  bool homes = false;
  // Of both hosts' interfaces. That of the path: LinkOptions::mtu.
  std::size_t link_mtu = 1500;
  std::vector<Happening> happenings;
  // Bytes are sent before the receiver wants them.
  bool early = true;
  DiskOptions disk;
  Side slow_side = Side::kBoth;  // Whose disk that is; the other's is fast.
  crypto::Suite suite = crypto::Suite::kAes256Gcm;

  std::uint64_t TotalBytes() const;
  Duration RoundTrip() const { return to_receiver.delay + to_sender.delay; }
  // Of a packet from the sender to the receiver to be of no use, by all causes.
  double LossToReceiver() const;
  // How many bytes of payload the sender may send: more would be a storm of
  // its own making.
  double MostBytesSent() const;
  // The virtual time within which the transfer must be over. Far from what is
  // wanted of the transport's speed (that is tests/bench's), but it tells a
  // slow transfer from one that hangs.
  Duration TimeLimit() const;
  // One line, for whoever looks at a failure.
  std::string Describe() const;
};

// The matrix: loss 0, 1, 5 or 20 %, bursts, reordering, duplicates, bit flips,
// round trips of 1, 50 or 300 ms, rates, queues, attackers, disks, NATs,
// outages and rebindings, in combinations that the seed chooses and that leave
// the transfer a way. At least 4 MiB each.
Scenario DrawScenario(std::uint64_t seed);

}  // namespace p2pcp::sim

#endif  // P2PCP_TESTS_SIM_SCENARIO_H_

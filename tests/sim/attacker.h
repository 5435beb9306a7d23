// Someone on the path who holds no key: flips, truncates, repeats, returns and
// invents datagrams, in both directions.

#ifndef P2PCP_TESTS_SIM_ATTACKER_H_
#define P2PCP_TESTS_SIM_ATTACKER_H_

#include <cstddef>
#include <cstdint>
#include <utility>

#include "net/base/time.h"
#include "tests/sim/middlebox.h"
#include "tests/sim/simulator.h"

namespace p2pcp::sim {

// Chances per packet that passes. Flipping and truncating replace the packet;
// the rest comes on top of it.
struct AttackerOptions {
  double flip = 0;      // 1 to 8 random bits.
  double truncate = 0;  // Anything from 0 bytes to one less.
  double replay = 0;    // A copy follows, up to replay_delay later.
  Duration replay_delay = std::chrono::seconds(2);
  double reflect = 0;  // A copy goes back to its sender, from its receiver.
  double invent = 0;   // Random bytes in the sender's name.
  // Every replayed packet comes this many times: a storm.
  int copies = 1;
};

class Attacker final : public Middlebox {
 public:
  Attacker(Simulator& simulator, const AttackerOptions& options)
      : simulator_(simulator), options_(options) {}

  AttackerOptions& options() { return options_; }
  // Packets changed or added.
  std::uint64_t tampered() const { return tampered_; }

 private:
  void HandleOutbound(PacketPtr packet) override {
    Attack(std::move(packet), true);
  }
  void HandleInbound(PacketPtr packet) override {
    Attack(std::move(packet), false);
  }
  void Attack(PacketPtr packet, bool outbound);
  void Emit(PacketPtr packet, bool outbound);
  bool Chance(double probability);

  // Sends on without a further attack.
  class Exit final : public PacketSink {
   public:
    Exit(Attacker& attacker, bool outbound)
        : attacker_(attacker), outbound_(outbound) {}
    void Receive(PacketPtr packet) override {
      attacker_.Emit(std::move(packet), outbound_);
    }

   private:
    Attacker& attacker_;
    bool outbound_;
  };

  Simulator& simulator_;
  AttackerOptions options_;
  Exit to_outside_{*this, true};
  Exit to_inside_{*this, false};
  std::uint64_t tampered_ = 0;
};

}  // namespace p2pcp::sim

#endif  // P2PCP_TESTS_SIM_ATTACKER_H_

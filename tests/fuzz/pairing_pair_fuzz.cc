// Somebody who shows a code and somebody who types one, right or wrong, and a
// broker that the input drives: which message comes late, twice, damaged or
// never, who shows a code too, who can't keep what he got. Nobody pairs with
// the wrong one, whoever pairs agrees with the other, and no more guesses are
// answered than there may be.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/check.h"
#include "net/base/time.h"
#include "net/crypto/identity.h"
#include "net/crypto/pairing_code.h"
#include "net/signaling/pairing_world_for_tests.h"
#include "tests/fuzz/fuzz_input.h"

namespace p2pcp::signaling {
namespace {

constexpr std::size_t kMaxOperations = 40;

class Arena {
 public:
  explicit Arena(fuzz::FuzzInput input) : input_(input) {
    const std::uint8_t setting = input_.TakeU8();
    world_.fate = [this](std::size_t) -> std::vector<Duration> {
      if (honest_ || input_.empty()) return {0s};
      const std::uint8_t choice = input_.TakeU8();
      if (choice < 128) return {0s};
      if (choice < 170) return {};
      if (choice < 200) return {0s, (choice - 170) * 100ms};
      return {(choice - 200) * 50ms};
    };
    alice_ = &world_.Start(world_.alice, kShown);
    std::optional<crypto::PairingCode> of_bob;
    if ((setting & 1) != 0) of_bob = kOther;
    bob_ = &world_.Start(world_.bob, of_bob);
    bob_->keeps = (setting & 2) == 0;
    alice_->keeps = (setting & 4) == 0;
    both_ = of_bob.has_value();
  }

  void Run() {
    for (std::size_t i = 0; i < kMaxOperations && !input_.empty(); ++i) {
      const std::uint8_t operation = input_.TakeU8();
      switch (operation & 7) {
        case 0:
          Enter(*bob_, (operation & 8) != 0 ? kShown : kWrong);
          break;
        case 1:
          if (both_) Enter(*alice_, (operation & 8) != 0 ? kOther : kWrong);
          break;
        case 2:
          Again(input_.TakeU8(), std::nullopt);
          break;
        case 3:
          Again(input_.TakeU8(), input_.TakeU16());
          break;
        default:
          world_.Run(input_.TakeU8() * 40ms);
          break;
      }
    }
    honest_ = true;
    world_.Run(11min);
    Check();
  }

 private:
  static inline const crypto::PairingCode kShown =
      simulated::Code("4821-acid-bagel-crumb");
  static inline const crypto::PairingCode kOther =
      simulated::Code("1234-bagel-crumb-acid");
  static inline const crypto::PairingCode kWrong =
      simulated::Code("4821-acid-acid-acid");

  void Enter(simulated::Person& person, const crypto::PairingCode& code) {
    world_.Enter(person, code);
  }

  // What was said once, again, perhaps damaged.
  void Again(std::uint8_t index, std::optional<std::uint16_t> damage) {
    if (world_.sent.empty()) return;
    simulated::Heard message = world_.sent[index % world_.sent.size()];
    if (damage) {
      message.payload[*damage % message.payload.size()] ^= std::byte{4};
    }
    world_.Inject(message);
  }

  void Check() {
    for (const simulated::Person* person : {alice_, bob_}) {
      P2PCP_CHECK(person->times_paired <= 1);
      P2PCP_CHECK(person->guesses_left.size() <= 3);
      if (!person->paired) continue;
      const crypto::Identity& other =
          person == alice_ ? world_.bob : world_.alice;
      P2PCP_CHECK(person->paired->peer == other.public_key());
    }
    if (alice_->paired && bob_->paired) {
      P2PCP_CHECK(alice_->paired->psk == bob_->paired->psk);
    }
    // Both are done with it.
    P2PCP_CHECK(alice_->paired || alice_->failure);
    P2PCP_CHECK((*alice_)->over());
  }

  fuzz::FuzzInput input_;
  simulated::PairingWorld world_;
  simulated::Person* alice_ = nullptr;
  simulated::Person* bob_ = nullptr;
  bool both_ = false;
  bool honest_ = false;
};

}  // namespace
}  // namespace p2pcp::signaling

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  return p2pcp::fuzz::RunArena<p2pcp::signaling::Arena>(data, size);
}

// Two channels behind NATs of some kind, and a network that the input drives:
// what is lost, late, changed, repeated, sent back or brought from elsewhere;
// which NAT forgets; how time passes. Whatever happens, what arrives was sent,
// once, and by the other side; and when the network is honest again, the two
// are connected or have said that they are not.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/check.h"
#include "net/base/time.h"
#include "net/channel/channel_pair.h"
#include "net/ice/virtual_network.h"
#include "tests/fuzz/fuzz_input.h"

namespace p2pcp::channel {
namespace {

constexpr std::size_t kMaxOperations = 150;
constexpr std::size_t kMaxHistory = 64;

std::optional<ice::NatKind> KindOf(std::uint8_t bits) {
  constexpr std::array kKinds = {
      ice::NatKind::kFullCone, ice::NatKind::kAddressRestricted,
      ice::NatKind::kPortRestricted, ice::NatKind::kSymmetric};
  if ((bits & 7) >= kKinds.size()) return std::nullopt;
  return kKinds[bits & 7];
}

class Arena {
 public:
  explicit Arena(fuzz::FuzzInput input)
      : input_(input),
        nat_a_(input_.TakeU8()),
        pair_({.nat_a = KindOf(nat_a_),
               .nat_b = KindOf(nat_a_ >> 3),
               .second_at_a = (nat_a_ & 64) != 0}) {}

  void Run() {
    pair_.network().tap = [this](TimePoint now,
                                 ice::VirtualDatagram& datagram) {
      return Tap(now, datagram);
    };
    pair_.Start();
    for (std::size_t i = 0; i < kMaxOperations && !input_.empty(); ++i) {
      const std::uint8_t operation = input_.TakeU8();
      switch (operation & 7) {
        case 0:
        case 1:
          Say(pair_.a(), "a");
          break;
        case 2:
        case 3:
          Say(pair_.b(), "b");
          break;
        case 4:
          pair_.RunFor(Duration(operation >> 3) * 1'000'000);
          break;
        case 5:
          pair_.RunFor((operation >> 3) * 200ms);
          break;
        case 6: {
          End& end = (operation & 8) != 0 ? pair_.a() : pair_.b();
          for (auto& nat : end.nats) {
            if (nat) nat->Reboot();
          }
          break;
        }
        case 7:
          mode_ = operation >> 3 & 7;
          break;
      }
    }
    mode_ = 0;
    input_ = fuzz::FuzzInput({});
    pair_.RunFor(60s);
    CheckArrived(pair_.a(), 'b');
    CheckArrived(pair_.b(), 'a');
    for (End* end : {&pair_.a(), &pair_.b()}) {
      const int ends =
          end->Count(EventType::kLost) + end->Count(EventType::kFailed);
      P2PCP_CHECK(ends <= 1);
      P2PCP_CHECK(end->Count(EventType::kConnected) <= 1);
      // It knows where it stands.
      P2PCP_CHECK((ends == 1) != end->channel.connected());
      P2PCP_CHECK(end->channel.PollTimeout().has_value() == (ends == 0));
      std::vector<PacketNumber> numbers = end->sent_numbers;
      std::sort(numbers.begin(), numbers.end());
      P2PCP_CHECK(std::adjacent_find(numbers.begin(), numbers.end()) ==
                  numbers.end());
    }
    // Nothing went where nothing may go.
    for (const auto& stray : pair_.network().strays()) {
      P2PCP_CHECK(!stray.to.ip.IsMulticast());
    }
  }

 private:
  void Say(End& end, const char* who) {
    if (pair_.SendText(end, who + std::to_string(said_))) ++said_;
  }

  bool Tap(TimePoint now, ice::VirtualDatagram& datagram) {
    if (inside_ || mode_ == 0 || input_.empty()) return false;
    inside_ = true;
    const bool dropped = Meddle(now, datagram);
    inside_ = false;
    return dropped;
  }

  bool Meddle(TimePoint now, ice::VirtualDatagram& datagram) {
    ice::VirtualNetwork& network = pair_.network();
    if (history_.size() < kMaxHistory) {
      history_.push_back(datagram);
    } else {
      history_[next_++ % kMaxHistory] = datagram;
    }
    const std::uint8_t choice = input_.TakeU8();
    switch (mode_) {
      case 1:  // Lossy.
        return (choice & 1) != 0;
      case 2:  // Late, and perhaps twice.
        network.Inject(now + choice * 10ms, datagram);
        return (choice & 1) != 0;
      case 3:  // Changed.
        datagram.bytes[choice % datagram.bytes.size()] ^= std::byte{0x20};
        return false;
      case 4:  // An old one again.
        network.Inject(now, history_[choice % history_.size()]);
        return false;
      case 5: {  // Sent back.
        ice::VirtualDatagram copy = datagram;
        std::swap(copy.from, copy.to);
        network.Inject(now, copy);
        return false;
      }
      case 6: {  // A copy that comes first, from somewhere else.
        ice::VirtualDatagram copy = datagram;
        copy.from = fuzz::PublicAddress(choice, 7'777);
        network.Inject(now, copy);
        return (choice & 1) != 0;
      }
      default:  // Cut off.
        return true;
    }
  }

  static void CheckArrived(const End& end, char who) {
    std::map<std::string, int> times;
    for (const std::string& text : end.payloads) {
      P2PCP_CHECK(!text.empty() && text[0] == who);
      P2PCP_CHECK(++times[text] == 1);
    }
  }

  fuzz::FuzzInput input_;
  const std::uint8_t nat_a_;
  ChannelPair pair_;
  int mode_ = 0;
  bool inside_ = false;
  int said_ = 0;
  std::vector<ice::VirtualDatagram> history_;
  std::size_t next_ = 0;
};

}  // namespace
}  // namespace p2pcp::channel

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  return p2pcp::fuzz::RunArena<p2pcp::channel::Arena>(data, size);
}

// A binding transaction and the responder of `p2pcp serve`, and between them a
// network that the input drives: datagrams of either are lost, repeated,
// changed, sent back or answered by others. What is believed is what the asked
// server said to this transaction, and it ends whatever comes.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>

#include "net/base/bytes.h"
#include "net/base/check.h"
#include "net/base/random.h"
#include "net/base/socket_address.h"
#include "net/base/time.h"
#include "net/stun/binding_responder.h"
#include "net/stun/binding_transaction.h"
#include "tests/fuzz/fuzz_input.h"

namespace p2pcp::stun {
namespace {

constexpr std::size_t kMaxOperations = 200;
// Header and FINGERPRINT.
constexpr std::size_t kRequestSize = 28;

class Exchange {
 public:
  void Drive(fuzz::FuzzInput input) {
    for (std::size_t i = 0; i < kMaxOperations && !input.empty(); ++i) {
      const std::uint8_t operation = input.TakeU8();
      std::deque<Bytes>& queue = (operation & 8) != 0 ? requests_ : responses_;
      switch (operation & 7) {
        case 0:
          now_ += input.TakeU8() * 10ms;
          transaction_.HandleTimeout(now_);
          break;
        case 1:
          Answer();
          break;
        case 2:
          Deliver(kServer);
          break;
        case 3:  // From elsewhere.
          if (!responses_.empty()) Hand(kStranger, responses_.front());
          break;
        case 4:
          if (!queue.empty()) queue.pop_front();
          break;
        case 5:
          if (!queue.empty()) {
            Bytes& bytes = queue.front();
            bytes[input.TakeU8() % bytes.size()] ^=
                static_cast<std::byte>(1 + input.TakeU8() % 255);
            tampered_ = true;
          }
          break;
        case 6:  // Its own request comes back, or what somebody made up.
          if ((operation & 8) != 0 && !requests_.empty()) {
            Hand(kServer, requests_.front());
          } else {
            tampered_ = true;
            Hand(kServer, ToBytes(input.TakeBytes(input.TakeU8())));
          }
          break;
        case 7:
          if (!queue.empty()) queue.push_back(queue.front());
          break;
      }
      Poll();
    }
    // It ends by itself.
    for (int i = 0; i < 100 && transaction_.PollTimeout(); ++i) {
      now_ = *transaction_.PollTimeout();
      transaction_.HandleTimeout(now_);
      Poll();
    }
    P2PCP_CHECK(transaction_.state() != BindingTransaction::State::kPending);
    P2PCP_CHECK(sent_ <= kMaxRequests);
  }

 private:
  static inline const SocketAddress kServer =
      *SocketAddress::Parse("198.51.100.10:3478");
  static inline const SocketAddress kStranger =
      *SocketAddress::Parse("198.51.100.66:3478");
  static inline const SocketAddress kUs =
      *SocketAddress::Parse("203.0.113.7:41000");

  void Poll() {
    Bytes out(kRequestSize);
    while (const auto size = transaction_.PollTransmit(now_, out)) {
      ++sent_;
      requests_.push_back(ToBytes(ByteSpan(out).first(*size)));
    }
  }

  void Answer() {
    if (requests_.empty()) return;
    const Bytes request = requests_.front();
    requests_.pop_front();
    Bytes out(BindingResponder::kMaxResponseSize);
    const std::size_t size = responder_.HandleDatagram(kUs, request, out);
    P2PCP_CHECK(size <= out.size());
    if (size > 0) responses_.push_back(ToBytes(ByteSpan(out).first(size)));
  }

  void Deliver(const SocketAddress& from) {
    if (responses_.empty()) return;
    const Bytes response = responses_.front();
    responses_.pop_front();
    Hand(from, response);
  }

  void Hand(const SocketAddress& from, const Bytes& bytes) {
    const bool taken = transaction_.HandleDatagram(now_, from, bytes);
    P2PCP_CHECK(!taken || from == kServer);
    if (transaction_.state() == BindingTransaction::State::kSucceeded &&
        !tampered_) {
      P2PCP_CHECK(transaction_.mapped_address() == kUs);
    }
  }

  TimePoint now_{1s};
  SeededRandom random_{1};
  BindingTransaction transaction_{now_, kServer, random_};
  BindingResponder responder_;
  std::deque<Bytes> requests_;
  std::deque<Bytes> responses_;
  bool tampered_ = false;
  int sent_ = 0;
};

}  // namespace
}  // namespace p2pcp::stun

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  p2pcp::stun::Exchange exchange;
  exchange.Drive(p2pcp::fuzz::FuzzInput(p2pcp::fuzz::InputBytes(data, size)));
  return 0;
}

// A box with an inside and an outside through which packets pass: a NAT, a
// firewall, an attacker.

#ifndef P2PCP_TESTS_SIM_MIDDLEBOX_H_
#define P2PCP_TESTS_SIM_MIDDLEBOX_H_

#include <utility>

#include "net/base/check.h"
#include "tests/sim/packet.h"

namespace p2pcp::sim {

class Middlebox {
 public:
  Middlebox() = default;
  Middlebox(const Middlebox&) = delete;
  Middlebox& operator=(const Middlebox&) = delete;
  virtual ~Middlebox() = default;

  // Where the two networks send what is to pass.
  PacketSink& inside() { return inside_; }
  PacketSink& outside() { return outside_; }
  // Where the box sends what comes out. REQUIRES: both set before use.
  void ConnectInside(PacketSink& sink) { to_inside_ = &sink; }
  void ConnectOutside(PacketSink& sink) { to_outside_ = &sink; }

 protected:
  virtual void HandleOutbound(PacketPtr packet) = 0;
  virtual void HandleInbound(PacketPtr packet) = 0;

  void SendOutside(PacketPtr packet) {
    P2PCP_CHECK(to_outside_ != nullptr);
    to_outside_->Receive(std::move(packet));
  }
  void SendInside(PacketPtr packet) {
    P2PCP_CHECK(to_inside_ != nullptr);
    to_inside_->Receive(std::move(packet));
  }

 private:
  class Port final : public PacketSink {
   public:
    Port(Middlebox& box, bool outbound) : box_(box), outbound_(outbound) {}
    void Receive(PacketPtr packet) override {
      if (outbound_) {
        box_.HandleOutbound(std::move(packet));
      } else {
        box_.HandleInbound(std::move(packet));
      }
    }

   private:
    Middlebox& box_;
    bool outbound_;
  };

  Port inside_{*this, true};
  Port outside_{*this, false};
  PacketSink* to_inside_ = nullptr;
  PacketSink* to_outside_ = nullptr;
};

}  // namespace p2pcp::sim

#endif  // P2PCP_TESTS_SIM_MIDDLEBOX_H_

// Finds out that a broker of ours hangs: its process is there, and nothing
// comes of it. Calls it every few seconds and hangs up at once; a broker that
// lives hangs up too, whatever it speaks, TLS included, and a dead or stopped
// one leaves that to nobody: the kernel takes calls in its name, but does not
// end them.

#ifndef P2PCP_CMD_BROKERS_BROKER_WATCHDOG_H_
#define P2PCP_CMD_BROKERS_BROKER_WATCHDOG_H_

#include <functional>
#include <optional>

#include "net/base/socket_address.h"
#include "net/base/time.h"
#include "net/udp/event_loop.h"
#include "net/udp/file_descriptor.h"

namespace p2pcp::cmd {

class BrokerWatchdog {
 public:
  struct Pace {
    // Between calls, and for each to be answered. A thousand clients that set
    // up TLS at once keep a broker busy for some 2 s.
    Duration call = 5s;
    // Unanswered calls in a row that make it a broker that hangs: one may be
    // that this machine was asleep.
    int misses = 3;
  };

  // The loop must outlive it. broker: where it can be called from this host.
  BrokerWatchdog(udp::EventLoop* loop, const SocketAddress& broker, Pace pace,
                 std::function<void()> on_hang);
  ~BrokerWatchdog() { Stop(); }
  BrokerWatchdog(const BrokerWatchdog&) = delete;
  BrokerWatchdog& operator=(const BrokerWatchdog&) = delete;

  // Begins with a first call; it has forgotten all of before. on_hang is called
  // once, from a turn of the loop.
  void Start();
  void Stop();

 private:
  void Call();
  void HandleReady(std::uint32_t events);
  void HandleDue();
  void HangUp();

  udp::EventLoop* const loop_;
  const SocketAddress broker_;
  const Pace pace_;
  const std::function<void()> on_hang_;
  int misses_ = 0;
  udp::FileDescriptor call_;  // Valid while it is not answered.
  std::optional<udp::EventLoop::TimerId> timer_;
};

}  // namespace p2pcp::cmd

#endif  // P2PCP_CMD_BROKERS_BROKER_WATCHDOG_H_

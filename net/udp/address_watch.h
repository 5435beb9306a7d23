// Tells when the addresses or routes of this host have changed: a cable, a
// lease that ran out, another Wi-Fi (rtnetlink(7)).
//
// One thread, that of the loop. What has changed is for ListInterfaces() to
// say; several changes at once are told as one.

#ifndef P2PCP_NET_UDP_ADDRESS_WATCH_H_
#define P2PCP_NET_UDP_ADDRESS_WATCH_H_

#include <functional>
#include <memory>
#include <optional>

#include "net/base/result.h"
#include "net/base/time.h"
#include "net/udp/event_loop.h"
#include "net/udp/file_descriptor.h"

namespace p2pcp::udp {

class AddressWatch {
 public:
  // A network that comes up changes address, routes and more within so long;
  // that much later it is told.
  static constexpr Duration kSettleTime = 50ms;

  // Calls on_change from turns of the loop, which must outlive the watch. Fails
  // where the system has no rtnetlink.
  static Result<std::unique_ptr<AddressWatch>> Create(
      EventLoop* loop, std::function<void()> on_change);
  ~AddressWatch();
  AddressWatch(const AddressWatch&) = delete;
  AddressWatch& operator=(const AddressWatch&) = delete;

 private:
  AddressWatch(EventLoop* loop, FileDescriptor socket,
               std::function<void()> on_change);
  void HandleReadable();

  EventLoop* const loop_;
  const FileDescriptor socket_;
  const std::function<void()> on_change_;
  std::optional<EventLoop::TimerId> timer_;
};

}  // namespace p2pcp::udp

#endif  // P2PCP_NET_UDP_ADDRESS_WATCH_H_

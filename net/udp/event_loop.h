// EventLoop: the one place that waits, and the only reader of a clock.
//
// The driver asks its state machines for their earliest deadline, calls
// RunOnce with it, and acts on what became ready or due. Time is
// CLOCK_BOOTTIME: it counts through suspend, and a deadline that passed while
// the machine slept is due at once when it wakes.
//
// One thread only. Callbacks may watch and unwatch any descriptor, set and
// cancel any timer, their own included, but must not call RunOnce.

#ifndef P2PCP_NET_UDP_EVENT_LOOP_H_
#define P2PCP_NET_UDP_EVENT_LOOP_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <unordered_map>
#include <utility>

#include "net/base/result.h"
#include "net/base/time.h"
#include "net/udp/file_descriptor.h"

namespace p2pcp::udp {

// What the calendar shows (CLOCK_REALTIME); it may jump.
UnixTime WallTime();

class EventLoop {
 public:
  // Receives the EPOLL* bits that are set.
  using FdCallback = std::function<void(std::uint32_t epoll_events)>;
  using TimerId = std::pair<TimePoint, std::uint64_t>;

  // Fails only where the process or system is out of descriptors or memory.
  static Result<std::unique_ptr<EventLoop>> Create();

  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  TimePoint Now() const;

  // Calls `callback` whenever one of `events` (EPOLLIN, EPOLLOUT, ...) holds,
  // level-triggered unless EPOLLET is among them. A second Watch of the same
  // descriptor replaces events and callback; events 0 pauses it (epoll still
  // reports EPOLLERR and EPOLLHUP).
  // REQUIRES: fd is open and of a kind that epoll knows (no regular file), and
  // is unwatched before it is closed.
  void Watch(int fd, std::uint32_t events, FdCallback callback);
  // Nothing is called for fd from here on, not even what was already found
  // ready in this turn. A descriptor that is not watched is ignored.
  void Unwatch(int fd);

  // Calls `callback` once from the first RunOnce that finds `when` reached.
  // For objects that do their own IO; state machines have PollTimeout.
  TimerId SetTimer(TimePoint when, std::function<void()> callback);
  // A timer that was called already is ignored.
  void CancelTimer(const TimerId& id);

  // One turn: waits until a descriptor is ready, `deadline` or a timer is
  // reached or a signal handler has run, calls what is ready and due, and
  // returns. A deadline in the past only polls; without one it waits for ever.
  // Before rest_until, deadlines excepted, descriptors are not looked at: what
  // becomes ready until then is called in one turn.
  void RunOnce(std::optional<TimePoint> deadline, TimePoint rest_until = {});

  // How long RunOnce() has waited in all: the rest of the time went into what
  // it called, and into what its caller did.
  Duration waited() const { return waited_; }

 private:
  struct Watcher {
    std::uint32_t generation;
    std::uint32_t events;
    FdCallback callback;
  };

  EventLoop(FileDescriptor epoll, FileDescriptor timer)
      : epoll_(std::move(epoll)), timer_(std::move(timer)) {}
  void ArmTimer(TimePoint deadline);
  void Rest(TimePoint until);
  void RunTimers();

  FileDescriptor epoll_;
  FileDescriptor timer_;
  // What timer_ will fire at; empty once it has fired or was never set.
  std::optional<TimePoint> armed_;
  std::uint32_t next_generation_ = 1;
  std::uint64_t next_timer_ = 1;
  Duration waited_{0};
  // Shared, so that a callback that unwatches itself outlives its own call.
  std::unordered_map<int, std::shared_ptr<Watcher>> watchers_;
  std::map<TimerId, std::function<void()>> timers_;
};

}  // namespace p2pcp::udp

#endif  // P2PCP_NET_UDP_EVENT_LOOP_H_

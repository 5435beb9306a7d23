// Resolver: host names to addresses without ever holding up the loop.
//
// getaddrinfo blocks for as long as a dead name server likes, so it runs on
// threads that own nothing of ours: they share a small state with the resolver
// and outlive it where they must. The destructor never waits for them, and
// neither does the program's exit.

#ifndef P2PCP_NET_UDP_RESOLVER_H_
#define P2PCP_NET_UDP_RESOLVER_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "net/base/result.h"
#include "net/base/socket_address.h"
#include "net/base/time.h"
#include "net/udp/event_loop.h"

namespace p2pcp::udp {

class Resolver {
 public:
  // On success at least one address, each once, in the system's order of
  // preference, at most kMaxAddresses. Errors are kRendezvousUnreachable.
  using Callback = std::function<void(Result<std::vector<SocketAddress>>)>;
  using RequestId = std::uint64_t;
  // What runs on the threads; it may block for ever.
  using Lookup =
      std::function<Result<std::vector<IpAddress>>(const std::string& host)>;

  static constexpr std::size_t kMaxAddresses = 16;
  // Names that are being looked up or wait for a thread. Far more than the
  // brokers and STUN servers that a user lists.
  static constexpr std::size_t kMaxRequests = 32;
  // Each may be stuck in a dead name server until getaddrinfo gives up.
  static constexpr std::size_t kMaxThreads = 8;

  // The loop must outlive the resolver. Fails where the system is out of
  // descriptors.
  static Result<std::unique_ptr<Resolver>> Create(EventLoop* loop);
  static Result<std::unique_ptr<Resolver>> Create(EventLoop* loop,
                                                  Lookup lookup);
  // No callback is called from here on.
  ~Resolver();

  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  // Calls `callback` exactly once, from a later turn of the loop: with the
  // addresses of `host`, each with `port`, or with an error, at `deadline` at
  // the latest. Numeric addresses (without brackets) need no thread and no
  // name server. The callback may destroy the resolver.
  RequestId Resolve(std::string host, std::uint16_t port, TimePoint deadline,
                    Callback callback);
  // The callback of `id` is not called any more. Unknown ids are ignored.
  void Cancel(RequestId id);

 private:
  struct Shared;
  struct Request {
    std::string host;
    std::uint16_t port;
    EventLoop::TimerId timer;
    Callback callback;
  };

  Resolver(EventLoop* loop, std::shared_ptr<Shared> shared);
  void StartLookup(RequestId id, const std::string& host);
  void HandleReadable();
  void Finish(RequestId id, Result<std::vector<IpAddress>> result);

  EventLoop* loop_;
  std::shared_ptr<Shared> shared_;
  RequestId next_id_ = 1;
  std::map<RequestId, Request> requests_;
};

}  // namespace p2pcp::udp

#endif  // P2PCP_NET_UDP_RESOLVER_H_

#include "net/udp/resolver.h"

#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <deque>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

#include "net/base/check.h"
#include "net/udp/file_descriptor.h"
#include "net/udp/sockaddr.h"

namespace p2pcp::udp {
namespace {

// RFC 1035 section 2.3.4: 255 octets on the wire, 253 characters as text.
constexpr std::size_t kMaxHostSize = 253;

Error LookupError(const std::string& host, const std::string& reason) {
  return {ErrorCode::kRendezvousUnreachable,
          "cannot resolve '" + host + "': " + reason};
}

Result<std::vector<IpAddress>> SystemLookup(const std::string& host) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* first = nullptr;
  const int failure = getaddrinfo(host.c_str(), nullptr, &hints, &first);
  if (failure != 0) {
    const int os_errno = failure == EAI_SYSTEM ? errno : 0;
    Error error = LookupError(host, gai_strerror(failure));
    error.os_errno = os_errno;
    return error;
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(first,
                                                                 &freeaddrinfo);
  std::vector<IpAddress> addresses;
  for (const addrinfo* item = first; item != nullptr; item = item->ai_next) {
    Sockaddr sockaddr;
    if (item->ai_addrlen > sizeof(sockaddr)) continue;
    std::copy_n(reinterpret_cast<const std::byte*>(item->ai_addr),
                item->ai_addrlen, reinterpret_cast<std::byte*>(&sockaddr));
    const std::optional<SocketAddress> address = FromSockaddr(sockaddr);
    if (address) addresses.push_back(address->ip);
  }
  return addresses;
}

// Starts a detached thread that no signal is delivered to, so that signals
// still interrupt the thread that runs the loop. False: the system has none.
template <typename Function>
bool StartDetached(Function function) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  P2PCP_CHECK(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
  bool started = true;
  try {
    std::thread(std::move(function)).detach();
  } catch (const std::system_error&) {
    started = false;
  }
  P2PCP_CHECK(pthread_sigmask(SIG_SETMASK, &before, nullptr) == 0);
  return started;
}

}  // namespace

// What the threads may touch. It goes with whoever lets go of it last.
struct Resolver::Shared {
  struct Job {
    RequestId id;
    std::string host;
  };
  struct Answer {
    RequestId id;
    Result<std::vector<IpAddress>> result;
  };

  Shared(FileDescriptor event_fd, Lookup lookup_function)
      : event(std::move(event_fd)), lookup(std::move(lookup_function)) {}

  // Hands an answer to the loop.
  void Post(RequestId id, Result<std::vector<IpAddress>> result) {
    const std::lock_guard lock(mutex);
    if (closed) return;
    answers.push_back({id, std::move(result)});
    const std::uint64_t one = 1;
    // It can't fail: the counter is far from full.
    P2PCP_CHECK(write(event.get(), &one, sizeof(one)) == sizeof(one));
  }

  // A thread's life: one name after the other until none is left.
  void Work() {
    while (true) {
      Job job;
      {
        const std::lock_guard lock(mutex);
        if (closed || jobs.empty()) {
          --threads;
          return;
        }
        job = std::move(jobs.front());
        jobs.pop_front();
      }
      Result<std::vector<IpAddress>> result = lookup(job.host);
      Post(job.id, std::move(result));
    }
  }

  const FileDescriptor event;
  const Lookup lookup;
  std::mutex mutex;
  // Guarded by mutex.
  bool closed = false;  // The resolver is gone. Set by the loop's thread only.
  std::size_t threads = 0;
  std::deque<Job> jobs;
  std::vector<Answer> answers;
};

Result<std::unique_ptr<Resolver>> Resolver::Create(EventLoop* loop) {
  return Create(loop, SystemLookup);
}

Result<std::unique_ptr<Resolver>> Resolver::Create(EventLoop* loop,
                                                   Lookup lookup) {
  FileDescriptor event(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!event.valid()) return ErrnoError(ErrorCode::kOther, "eventfd", errno);
  return std::unique_ptr<Resolver>(new Resolver(
      loop, std::make_shared<Shared>(std::move(event), std::move(lookup))));
}

Resolver::Resolver(EventLoop* loop, std::shared_ptr<Shared> shared)
    : loop_(loop), shared_(std::move(shared)) {
  loop_->Watch(shared_->event.get(), EPOLLIN,
               [this](std::uint32_t) { HandleReadable(); });
}

Resolver::~Resolver() {
  loop_->Unwatch(shared_->event.get());
  for (const auto& [id, request] : requests_) {
    loop_->CancelTimer(request.timer);
  }
  const std::lock_guard lock(shared_->mutex);
  shared_->closed = true;
  shared_->jobs.clear();
}

Resolver::RequestId Resolver::Resolve(std::string host, std::uint16_t port,
                                      TimePoint deadline, Callback callback) {
  const RequestId id = next_id_++;
  const EventLoop::TimerId timer = loop_->SetTimer(deadline, [this, id] {
    Finish(id, LookupError(requests_.at(id).host, "no answer in time"));
  });
  const Request& request = requests_
                               .emplace(id, Request{std::move(host), port,
                                                    timer, std::move(callback)})
                               .first->second;
  const std::optional<IpAddress> literal = IpAddress::Parse(request.host);
  if (literal) {
    shared_->Post(id, std::vector<IpAddress>{*literal});
  } else if (request.host.empty() || request.host.size() > kMaxHostSize ||
             request.host.find('\0') != std::string::npos) {
    shared_->Post(id, LookupError(request.host, "not a host name"));
  } else {
    StartLookup(id, request.host);
  }
  return id;
}

void Resolver::StartLookup(RequestId id, const std::string& host) {
  bool start = false;
  {
    const std::lock_guard lock(shared_->mutex);
    if (shared_->jobs.size() < kMaxRequests) {
      shared_->jobs.push_back({id, host});
      start = shared_->threads < kMaxThreads;
      if (!start) return;
      ++shared_->threads;
    }
  }
  if (start) {
    if (StartDetached([shared = shared_] { shared->Work(); })) return;
    const std::lock_guard lock(shared_->mutex);
    // A thread that runs already gets to it.
    if (--shared_->threads > 0) return;
    std::erase_if(shared_->jobs,
                  [id](const Shared::Job& job) { return job.id == id; });
  }
  shared_->Post(id, LookupError(host, start ? "no thread to be had"
                                            : "too many names at once"));
}

void Resolver::Cancel(RequestId id) {
  const auto found = requests_.find(id);
  if (found == requests_.end()) return;
  loop_->CancelTimer(found->second.timer);
  requests_.erase(found);
  const std::lock_guard lock(shared_->mutex);
  std::erase_if(shared_->jobs,
                [id](const Shared::Job& job) { return job.id == id; });
}

void Resolver::HandleReadable() {
  // A callback may destroy this resolver; then only the local copy stands.
  const std::shared_ptr<Shared> shared = shared_;
  std::vector<Shared::Answer> answers;
  {
    const std::lock_guard lock(shared->mutex);
    std::uint64_t count;
    // It fails only where nothing was posted since the last time.
    if (read(shared->event.get(), &count, sizeof(count)) < 0) return;
    answers.swap(shared->answers);
  }
  for (Shared::Answer& answer : answers) {
    Finish(answer.id, std::move(answer.result));
    if (shared->closed) return;
  }
}

void Resolver::Finish(RequestId id, Result<std::vector<IpAddress>> result) {
  const auto found = requests_.find(id);
  if (found == requests_.end()) return;  // Cancelled, or too late.
  const Request request = std::move(found->second);
  Cancel(id);
  if (!result.ok()) {
    request.callback(std::move(result).error());
    return;
  }
  std::vector<SocketAddress> addresses;
  for (const IpAddress& ip : *result) {
    const SocketAddress address{ip, request.port, 0};
    if (std::find(addresses.begin(), addresses.end(), address) ==
            addresses.end() &&
        addresses.size() < kMaxAddresses) {
      addresses.push_back(address);
    }
  }
  if (addresses.empty()) {
    request.callback(LookupError(request.host, "it has no address"));
    return;
  }
  request.callback(std::move(addresses));
}

}  // namespace p2pcp::udp

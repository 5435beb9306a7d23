#include "net/signaling/mqtt_client.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "net/base/check.h"
#include "net/signaling/mqtt_wire.h"

extern char** environ;

namespace p2pcp::signaling {
namespace {

// Messages that wait for the child, and for PollEvent(). Beyond, they are
// dropped: a broker may flood us, and what matters is said again.
constexpr std::size_t kMaxOutgoing = 64;
constexpr std::size_t kMaxEvents = 256;
// Frames taken from the child in one go, so that others get their turn.
constexpr int kMaxFramesPerRead = 64;
// Children that have been replaced and have not ended yet.
constexpr std::size_t kMaxReplaced = 4;
constexpr Duration kMinRestartDelay = 1s;
constexpr Duration kMaxRestartDelay = 30s;
// What the destructor waits for the child's last messages: a little more than
// the child gives itself (mqtt_child.cc).
constexpr int kFlushMilliseconds = 350;

std::int64_t Milliseconds() {
  timespec now = {};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * std::int64_t{1000} + now.tv_nsec / 1000000;
}

}  // namespace

Result<std::unique_ptr<MqttClient>> MqttClient::Start(
    TimePoint now, Command command, std::vector<Broker> brokers) {
  P2PCP_CHECK(!brokers.empty() && brokers.size() <= kMaxBrokers);
  std::unique_ptr<MqttClient> client(
      new MqttClient(std::move(command), std::move(brokers)));
  client->epoll_fd_ = epoll_create1(EPOLL_CLOEXEC);
  if (client->epoll_fd_ < 0) {
    return ErrnoError(ErrorCode::kOther, "epoll_create1", errno);
  }
  if (const Status status = client->Spawn(); !status.ok()) {
    return status.error();
  }
  client->Introduce(now);
  return client;
}

Result<std::unique_ptr<MqttClient>> MqttClient::Attach(
    TimePoint now, int socket, std::vector<Broker> brokers) {
  P2PCP_CHECK(!brokers.empty() && brokers.size() <= kMaxBrokers);
  std::unique_ptr<MqttClient> client(new MqttClient({}, std::move(brokers)));
  client->epoll_fd_ = epoll_create1(EPOLL_CLOEXEC);
  if (client->epoll_fd_ < 0) {
    const int os_errno = errno;
    close(socket);
    return ErrnoError(ErrorCode::kOther, "epoll_create1", os_errno);
  }
  if (const Status status = client->Adopt(socket); !status.ok()) {
    return status.error();
  }
  client->Introduce(now);
  return client;
}

MqttClient::MqttClient(Command command, std::vector<Broker> brokers)
    : command_(std::move(command)),
      brokers_(std::move(brokers)),
      up_(brokers_.size(), false),
      restart_delay_(kMinRestartDelay),
      buffer_(kMaxMqttFrame) {}

MqttClient::~MqttClient() {
  if (socket_ >= 0) {
    const std::int64_t end = Milliseconds() + kFlushMilliseconds;
    bool closed = false;
    for (;;) {
      Flush();
      if (outgoing_.empty() && !closed) {
        shutdown(socket_, SHUT_WR);
        closed = true;
      }
      const std::int64_t left = end - Milliseconds();
      if (left <= 0) break;
      pollfd ready = {socket_, static_cast<short>(closed ? POLLIN : POLLOUT),
                      0};
      if (poll(&ready, 1, static_cast<int>(left)) <= 0) continue;
      // The end of the stream is the child's end.
      std::byte ignored[256];
      const ssize_t size =
          recv(socket_, ignored, sizeof(ignored), MSG_DONTWAIT);
      if (size == 0 || (size < 0 && errno != EAGAIN && errno != EINTR)) break;
    }
    close(socket_);
  }
  Reap();
  ReapReplaced();
  for (const pid_t pid : replaced_) {
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
  }
  if (epoll_fd_ >= 0) close(epoll_fd_);
}

Status MqttClient::Spawn() {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    return ErrnoError(ErrorCode::kOther, "socketpair", errno);
  }

  // posix_spawn() shares our memory until exec, so a large program does not
  // count twice for a moment, and is safe where other threads hold locks.
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  // Above what the actions below overwrite: a program may be started with some
  // of the standard descriptors closed.
  int child_end = ends[1];
  if (child_end <= kMqttChildFd) {
    child_end = fcntl(ends[1], F_DUPFD_CLOEXEC, kMqttChildFd + 1);
    close(ends[1]);
  }
  posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_adddup2(&files, child_end, kMqttChildFd);
  posix_spawn_file_actions_addclosefrom_np(&files, kMqttChildFd + 1);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t all;
  sigset_t none;
  sigfillset(&all);
  // Ignored from the start: by the child too, from its own.
  sigdelset(&all, SIGUSR1);
  sigemptyset(&none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);

  std::vector<char*> arguments;
  arguments.push_back(const_cast<char*>(command_.path.c_str()));
  for (const std::string& argument : command_.arguments) {
    arguments.push_back(const_cast<char*>(argument.c_str()));
  }
  arguments.push_back(nullptr);

  pid_t pid = -1;
  const int error = child_end < 0
                        ? EMFILE
                        : posix_spawn(&pid, command_.path.c_str(), &files,
                                      &attributes, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&files);
  posix_spawnattr_destroy(&attributes);
  if (child_end >= 0) close(child_end);
  if (error != 0) {
    close(ends[0]);
    return ErrnoError(ErrorCode::kOther, "cannot start " + command_.path,
                      error);
  }
  pid_ = pid;
  const Status adopted = Adopt(ends[0]);
  if (!adopted.ok()) Reap();
  return adopted;
}

Status MqttClient::Adopt(int socket) {
  // Where it was handed over by another program, it was open for that.
  fcntl(socket, F_SETFD, FD_CLOEXEC);
  socket_ = socket;
  wants_write_ = false;
  epoll_event event = {};
  event.events = EPOLLIN;
  event.data.fd = socket_;
  if (epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, socket_, &event) != 0) {
    const int os_errno = errno;
    close(socket_);
    socket_ = -1;
    return ErrnoError(ErrorCode::kOther, "epoll_ctl", os_errno);
  }
  return {};
}

// What a new child must know. Fits its empty socket.
void MqttClient::Introduce(TimePoint now) {
  outgoing_.clear();
  for (const Broker& broker : brokers_) {
    outgoing_.push_back(MqttFrame::Encode(MqttFrame::AddBroker{broker}));
  }
  outgoing_.push_back(
      MqttFrame::Encode(MqttFrame::Topics{topics_version_, topics_}));
  outgoing_.push_back(MqttFrame::Encode(MqttFrame::Start{}));
  Flush();
  if (socket_ < 0) HandleChildGone(now);
}

void MqttClient::Flush() {
  while (!outgoing_.empty() && socket_ >= 0) {
    const Bytes& frame = outgoing_.front();
    const ssize_t sent =
        send(socket_, frame.data(), frame.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    // A child that is gone is noticed by reading.
    if (sent < 0) break;
    outgoing_.pop_front();
  }
  const bool wants_write = !outgoing_.empty();
  if (socket_ < 0 || wants_write == wants_write_) return;
  epoll_event event = {};
  event.events = wants_write ? EPOLLIN | EPOLLOUT : EPOLLIN;
  event.data.fd = socket_;
  if (epoll_ctl(epoll_fd_, EPOLL_CTL_MOD, socket_, &event) == 0) {
    wants_write_ = wants_write;
  }
}

void MqttClient::HandleReadable(TimePoint now) {
  if (!replaced_.empty()) ReapReplaced();
  if (socket_ < 0) return;
  Flush();
  ReadAll(now);
}

void MqttClient::ReadAll(TimePoint now) {
  for (int i = 0; i < kMaxFramesPerRead && socket_ >= 0; ++i) {
    const ssize_t size =
        recv(socket_, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (size <= 0) return HandleChildGone(now);
    HandleFrame(ByteSpan(buffer_).first(static_cast<std::size_t>(size)));
  }
}

void MqttClient::HandleFrame(ByteSpan bytes) {
  const auto frame = MqttFrame::Decode(bytes);
  if (!frame.has_value()) return;
  if (const auto* up = std::get_if<MqttFrame::Up>(&*frame)) {
    // Older topics: the child will say so again for the present ones.
    if (up->broker >= brokers_.size() || up->version != topics_version_) {
      return;
    }
    up_[up->broker] = true;
    restart_delay_ = kMinRestartDelay;
    Push(BrokerUp{up->broker});
  } else if (const auto* down = std::get_if<MqttFrame::Down>(&*frame)) {
    if (down->broker >= brokers_.size()) return;
    up_[down->broker] = false;
    Push(BrokerDown{
        down->broker,
        Error{ErrorCode::kRendezvousUnreachable,
              brokers_[down->broker].ToString() + ": " + down->reason, 0}});
  } else if (const auto* message = std::get_if<MqttFrame::Message>(&*frame)) {
    if (message->payload.size() > kMaxPayload) return;
    Push(Message{std::string(message->topic), ToBytes(message->payload)});
  }
}

void MqttClient::HandleChildGone(TimePoint now) {
  if (socket_ >= 0) {
    epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, socket_, nullptr);
    close(socket_);
    socket_ = -1;
  }
  Reap();
  outgoing_.clear();
  // A child of somebody else's is not ours to start.
  if (!command_.path.empty()) restart_at_ = now + restart_delay_;
  restart_delay_ = std::min(restart_delay_ * 2, kMaxRestartDelay);
  for (std::size_t i = 0; i < brokers_.size(); ++i) {
    up_[i] = false;
    Push(BrokerDown{i, Error{ErrorCode::kRendezvousUnreachable,
                             brokers_[i].ToString() +
                                 ": the process that talks to it has ended",
                             0}});
  }
}

void MqttClient::HandleTimeout(TimePoint now) {
  if (!restart_at_.has_value() || now < *restart_at_) return;
  restart_at_.reset();
  ++stats_.child_restarts;
  if (Spawn().ok()) {
    Introduce(now);
  } else {
    HandleChildGone(now);
  }
}

void MqttClient::SetTopics(std::vector<std::string> topics) {
  P2PCP_CHECK(topics.size() <= kMaxTopics);
  for (const std::string& topic : topics) {
    P2PCP_CHECK(!topic.empty() && topic.size() <= kMaxTopicSize &&
                topic.find_first_of("#+") == std::string::npos);
  }
  if (topics == topics_) return;
  topics_ = std::move(topics);
  ++topics_version_;
  std::fill(up_.begin(), up_.end(), false);
  if (socket_ < 0) return;
  const Bytes frame =
      MqttFrame::Encode(MqttFrame::Topics{topics_version_, topics_});
  // Topics that still wait behind a child that stalls are of no use any more.
  std::erase_if(outgoing_, [&frame](const Bytes& waiting) {
    return waiting.front() == frame.front();
  });
  outgoing_.push_back(frame);
  Flush();
}

void MqttClient::Publish(std::string_view topic, ByteSpan payload) {
  P2PCP_CHECK(topic.size() <= kMaxTopicSize && payload.size() <= kMaxPayload);
  if (socket_ < 0 || outgoing_.size() >= kMaxOutgoing) {
    ++stats_.publishes_dropped;
    return;
  }
  outgoing_.push_back(MqttFrame::Encode(MqttFrame::Publish{topic, payload}));
  Flush();
}

void MqttClient::Redial(TimePoint now) {
  // Whoever runs the child sees that for itself.
  if (command_.path.empty()) return;
  if (socket_ >= 0) {
    Flush();
    epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, socket_, nullptr);
    close(socket_);
    socket_ = -1;
    replaced_.push_back(std::exchange(pid_, -1));
  }
  ReapReplaced();
  restart_at_.reset();
  std::fill(up_.begin(), up_.end(), false);
  if (Spawn().ok()) {
    Introduce(now);
  } else {
    HandleChildGone(now);
  }
}

void MqttClient::ReapReplaced() {
  std::erase_if(replaced_,
                [](pid_t pid) { return waitpid(pid, nullptr, WNOHANG) != 0; });
  // It had a third of a second, and something has gone wrong.
  while (replaced_.size() > kMaxReplaced) {
    kill(replaced_.front(), SIGKILL);
    waitpid(replaced_.front(), nullptr, 0);
    replaced_.erase(replaced_.begin());
  }
}

std::optional<MqttClient::Event> MqttClient::PollEvent() {
  if (events_.empty()) return std::nullopt;
  Event event = std::move(events_.front());
  events_.pop_front();
  return event;
}

std::size_t MqttClient::up_count() const {
  return static_cast<std::size_t>(std::count(up_.begin(), up_.end(), true));
}

void MqttClient::Push(Event event) {
  // Who does not ask for events loses messages first.
  if (events_.size() >= kMaxEvents && std::holds_alternative<Message>(event)) {
    ++stats_.events_dropped;
    return;
  }
  if (events_.size() >= 2 * kMaxEvents) {
    ++stats_.events_dropped;
    events_.pop_front();
  }
  events_.push_back(std::move(event));
}

void MqttClient::Reap() {
  if (pid_ < 0) return;
  kill(pid_, SIGKILL);
  while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
}

}  // namespace p2pcp::signaling

#include "net/signaling/mqtt_link.h"

#include <arpa/inet.h>
#include <malloc.h>
#include <mosquitto.h>
#include <mqtt_protocol.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <utility>

#include "net/signaling/mqtt_tls_error.h"

namespace p2pcp::signaling {
namespace {

// Notices a dead connection within twice this time; below the 60 s after which
// home routers forget idle TCP connections at the earliest.
constexpr int kKeepaliveSeconds = 20;
// Between attempts to reach a broker: the first and the longest wait.
constexpr Duration kMinDelay = 1s;
constexpr Duration kMaxDelay = 30s;
// From the TCP connection to CONNACK and SUBACK, TLS included.
constexpr Duration kSetupTime = 15s;
// A dial that lasts longer is interrupted, which makes the library go on to
// the host's next address.
constexpr Duration kDialPatience = 5s;
// Interrupts a dial that takes longer. Nobody else sends it, and it does
// nothing by default.
constexpr int kInterruptDial = SIGURG;
// Topics in one SUBSCRIBE; some brokers take no more (AWS IoT: 8).
constexpr std::size_t kTopicsPerSubscribe = 8;
// MQTT 5: how long a broker may keep our messages, and the longest packet we
// take (binding for honest brokers; RLIMIT_DATA is for the others).
constexpr std::uint32_t kMessageExpirySeconds = 60;
constexpr std::uint32_t kMaxPacket = 8192;
// Published and not yet written to the socket; what is beyond is dropped. A
// broker that has taken nothing for kSetupTime is given up.
constexpr std::size_t kMaxUnsent = 32;
// Every message of the rendezvous is repeated until it is answered, so QoS 1
// would add nothing but its PUBACK: and where a broker has Nagle's algorithm
// on, the peer's message then waits behind that for our delayed ACK, which
// costs a round trip and 45 ms each time (measured with mosquitto).
constexpr int kQos = 0;
constexpr int kMaxPayload = 4096;
constexpr std::size_t kMaxTopic = 128;
// What one broker may send us a second. Beyond, its socket is left alone, so
// that TCP tells it to wait: neither it nor who floods our topics gets more of
// this machine's time.
constexpr double kMessagesPerSecond = 200;
constexpr double kMessagesBurst = 256;
// What the library may hold for one connection; TLS takes some 0.4 MiB.
constexpr std::int64_t kMaxMemory = 2 * 1024 * 1024;
constexpr int kReceiveBuffer = 64 * 1024;
// getaddrinfo and TLS set-up need less than half of it (measured: 90 KiB).
constexpr std::size_t kDialStack = 256 * 1024;

std::int64_t MemoryInUse() {
  const struct mallinfo2 info = mallinfo2();
  return static_cast<std::int64_t>(info.uordblks + info.hblkhd);
}

mosquitto* NewHandle(const std::string& id, void* self) {
  return mosquitto_new(id.c_str(), /*clean_session=*/true, self);
}

void IgnoreSignal(int) {}

}  // namespace

// Shared by the link and the thread that dials for it. The thread owns the
// handle until done is set.
struct MqttLink::Dial {
  mosquitto* handle = nullptr;
  std::string host;
  int port = 0;
  mosquitto_property* properties = nullptr;
  int wake_fd = -1;

  pthread_t thread{};
  int result = 0;
  int os_errno = 0;
  std::atomic<bool> done = false;

  ~Dial() { mosquitto_property_free_all(&properties); }

  static void* Run(void* argument) {
    const std::unique_ptr<std::shared_ptr<Dial>> owned(
        static_cast<std::shared_ptr<Dial>*>(argument));
    Dial& dial = **owned;
    errno = 0;
    dial.result =
        mosquitto_connect_bind_v5(dial.handle, dial.host.c_str(), dial.port,
                                  kKeepaliveSeconds, nullptr, dial.properties);
    dial.os_errno = errno;
    dial.done.store(true, std::memory_order_release);
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t written =
        write(dial.wake_fd, &one, sizeof(one));
    return nullptr;
  }
};

// Charges what the library allocates within a scope to the link. Dials of
// other links may add some; the limit leaves room for that.
class MqttLink::Account {
 public:
  explicit Account(MqttLink& link) : link_(link), before_(MemoryInUse()) {}
  ~Account() { link_.memory_ += MemoryInUse() - before_; }

 private:
  MqttLink& link_;
  const std::int64_t before_;
};

void MqttLink::InitLibrary(bool with_tls) {
  struct sigaction action = {};
  action.sa_handler = IgnoreSignal;  // And no SA_RESTART: it must interrupt.
  sigaction(kInterruptDial, &action, nullptr);
  mosquitto_lib_init();
  if (!with_tls) return;
  // The library sets TLS up at the first connection that wants it and does not
  // guard that against a second thread. So here is a first connection, to a
  // listener of our own that never answers.
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  if (listener >= 0 &&
      bind(listener, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
      listen(listener, 1) == 0 &&
      getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) ==
          0) {
    mosquitto* const handle = NewHandle("p", nullptr);
    if (handle != nullptr) {
      mosquitto_int_option(handle, MOSQ_OPT_TLS_USE_OS_CERTS, 1);
      mosquitto_connect(handle, "127.0.0.1", ntohs(address.sin_port),
                        kKeepaliveSeconds);
      mosquitto_destroy(handle);
    }
  }
  if (listener >= 0) close(listener);
}

MqttLink::MqttLink(std::size_t index, Broker broker, Owner& owner,
                   Random& random, int wake_fd)
    : index_(index),
      broker_(std::move(broker)),
      owner_(owner),
      random_(random),
      wake_fd_(wake_fd),
      delay_(kMinDelay),
      tokens_(kMessagesBurst) {}

MqttLink::~MqttLink() {
  // A thread that still dials keeps its handle.
  if (state_ != State::kDialling) DropHandle();
}

void MqttLink::SetTopics(TimePoint now,
                         const std::vector<std::string>& topics) {
  wanted_topics_ = topics;
  if (state_ != State::kSubscribing && state_ != State::kUp) return;
  bool sent = false;
  {
    const Account account(*this);
    sent = Subscribe();
  }
  if (!sent) return Fail(now, "the connection was lost");
  Check(now, MOSQ_ERR_SUCCESS);
}

void MqttLink::Publish(TimePoint now, std::string_view topic,
                       ByteSpan payload) {
  if (!been_up_) return;
  if (unsent_ == 0) progress_at_ = now;
  if (unsent_ >= kMaxUnsent) {
    if (now >= progress_at_ + kSetupTime) {
      Fail(now, "the broker takes nothing");
    }
    return;
  }
  int result = MOSQ_ERR_SUCCESS;
  {
    const Account account(*this);
    mosquitto_property* properties = nullptr;
    if (version5_) {
      mosquitto_property_add_int32(&properties,
                                   MQTT_PROP_MESSAGE_EXPIRY_INTERVAL,
                                   kMessageExpirySeconds);
    }
    const std::string name(topic);
    const int size = static_cast<int>(payload.size());
    // The callback that tells of its end may come from inside the call.
    ++unsent_;
    result = mosquitto_publish_v5(handle_, nullptr, name.c_str(), size,
                                  payload.data(), kQos, /*retain=*/false,
                                  properties);
    if (result != MOSQ_ERR_SUCCESS && unsent_ > 0) --unsent_;
    mosquitto_property_free_all(&properties);
  }
  // The broker's limit on packets is the broker's loss.
  if (result == MOSQ_ERR_OVERSIZE_PACKET) return;
  Check(now, result);
}

MqttLink::Interest MqttLink::Wanted(TimePoint now) {
  if (handle_ == nullptr || state_ == State::kDialling ||
      state_ == State::kIdle) {
    return {-1, 0};
  }
  const double elapsed =
      std::chrono::duration<double>(now - tokens_at_).count();
  tokens_ = std::min(kMessagesBurst, tokens_ + elapsed * kMessagesPerSecond);
  tokens_at_ = now;
  short events = 0;
  if (tokens_ >= 1) events |= POLLIN;
  if (mosquitto_want_write(handle_)) events |= POLLOUT;
  return {mosquitto_socket(handle_), events};
}

void MqttLink::HandleReady(TimePoint now, short revents) {
  if (handle_ == nullptr || state_ == State::kDialling) return;
  if ((revents & (POLLOUT | POLLERR | POLLHUP)) != 0) {
    int result = MOSQ_ERR_SUCCESS;
    const std::size_t before = unsent_;
    {
      const Account account(*this);
      result = mosquitto_loop_write(handle_, 1);
    }
    if (unsent_ < before) progress_at_ = now;
    Check(now, result);
    // It may have gone, or be dialled anew by another thread.
    if (handle_ == nullptr || state_ == State::kDialling) return;
  }
  if ((revents & (POLLIN | POLLERR | POLLHUP)) != 0) {
    int result = MOSQ_ERR_SUCCESS;
    {
      const Account account(*this);
      result = mosquitto_loop_read(handle_, 1);
    }
    // A broker with Nagle's algorithm (mosquitto's default) holds the answer
    // back until we acknowledge what came before: 40 ms, were it not at once.
    constexpr int kOn = 1;
    setsockopt(mosquitto_socket(handle_), IPPROTO_TCP, TCP_QUICKACK, &kOn,
               sizeof(kOn));
    Check(now, result);
  }
  // While TLS is set up the library takes a connection that broke for one that
  // has nothing to read.
  if (state_ == State::kConnecting && (revents & (POLLERR | POLLHUP)) != 0) {
    Check(now, MOSQ_ERR_CONN_LOST);
  }
}

void MqttLink::HandleTimer(TimePoint now) {
  if (closed_) return;
  switch (state_) {
    case State::kIdle:
      if (now >= next_dial_) StartDial(now);
      return;
    case State::kDialling:
      if (dial_->done.load(std::memory_order_acquire)) {
        FinishDial(now);
      } else if (now >= deadline_) {
        pthread_kill(dial_->thread, kInterruptDial);
        deadline_ = now + kDialPatience;
        owner_.OnDown(index_, "no answer so far");
      }
      return;
    case State::kConnecting:
    case State::kSubscribing:
      if (now >= deadline_) return Fail(now, "the broker does not answer");
      break;
    case State::kUp:
      break;
  }
  const int result = mosquitto_loop_misc(handle_);
  Check(now, result);
}

void MqttLink::Redial(TimePoint now) {
  if (closed_) return;
  if (state_ != State::kIdle && state_ != State::kDialling) {
    Fail(now, "this machine has slept");
  }
  delay_ = kMinDelay;
  next_dial_ = now;
}

bool MqttLink::Flushed() const {
  if (state_ != State::kUp && state_ != State::kSubscribing) return true;
  return unsent_ == 0 && !mosquitto_want_write(handle_);
}

void MqttLink::Disconnect() {
  closed_ = true;
  if (state_ == State::kDialling) return;
  if (handle_ != nullptr) {
    mosquitto_disconnect(handle_);
    mosquitto_loop_write(handle_, 1);
  }
  DropHandle();
  state_ = State::kIdle;
}

void MqttLink::StartDial(TimePoint now) {
  // A client id of its own for each connection: nobody who has seen one can
  // take it over (MQTT 3.1.1 section 3.1.4).
  handle_ = NewHandle(Hex(random_.Array<16>()), this);
  if (handle_ == nullptr) return Fail(now, "out of memory");
  mosquitto_connect_v5_callback_set(handle_, OnConnect);
  mosquitto_subscribe_callback_set(handle_, OnSubscribe);
  mosquitto_message_callback_set(handle_, OnMessage);
  mosquitto_publish_callback_set(handle_, OnPublish);
  mosquitto_log_callback_set(handle_, OnLog);
  mosquitto_int_option(handle_, MOSQ_OPT_TCP_NODELAY, 1);
  mosquitto_int_option(handle_, MOSQ_OPT_PROTOCOL_VERSION,
                       version5_ ? MQTT_PROTOCOL_V5 : MQTT_PROTOCOL_V311);
  if (!broker_.user.empty()) {
    mosquitto_username_pw_set(
        handle_, broker_.user.c_str(),
        broker_.password.empty() ? nullptr : broker_.password.c_str());
  }
  if (broker_.tls) {
    // Certificate and name are verified by default.
    const int result =
        broker_.ca_file.empty()
            ? mosquitto_int_option(handle_, MOSQ_OPT_TLS_USE_OS_CERTS, 1)
            : mosquitto_tls_set(handle_, broker_.ca_file.c_str(), nullptr,
                                nullptr, nullptr, nullptr);
    if (result != MOSQ_ERR_SUCCESS) {
      return Fail(now,
                  "cannot use the authorities in '" + broker_.ca_file + "'");
    }
  }

  dial_ = std::make_shared<Dial>();
  dial_->handle = handle_;
  dial_->host = broker_.host;
  dial_->port = broker_.port;
  dial_->wake_fd = wake_fd_;
  if (version5_) {
    mosquitto_property_add_int32(&dial_->properties,
                                 MQTT_PROP_MAXIMUM_PACKET_SIZE, kMaxPacket);
  }
  connack_.reset();
  refused_subscription_ = false;
  log_.clear();

  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, kDialStack);
  auto argument = std::make_unique<std::shared_ptr<Dial>>(dial_);
  const int error =
      pthread_create(&dial_->thread, &attributes, Dial::Run, argument.get());
  pthread_attr_destroy(&attributes);
  if (error != 0) return Fail(now, "cannot start a thread");
  argument.release();
  state_ = State::kDialling;
  deadline_ = now + kDialPatience;
}

void MqttLink::FinishDial(TimePoint now) {
  pthread_join(dial_->thread, nullptr);
  const std::shared_ptr<Dial> dial = std::move(dial_);
  state_ = State::kConnecting;
  if (dial->result != MOSQ_ERR_SUCCESS) {
    return Fail(now, Describe(dial->result, dial->os_errno));
  }
  // Bounds what the kernel holds for a broker that we don't listen to.
  setsockopt(mosquitto_socket(handle_), SOL_SOCKET, SO_RCVBUF, &kReceiveBuffer,
             sizeof(kReceiveBuffer));
  deadline_ = now + kSetupTime;
  tokens_ = kMessagesBurst;
  tokens_at_ = now;
  // Right behind CONNECT, without waiting for its answer (MQTT 3.1.1 section
  // 3.1.4): saves a round trip.
  bool sent = false;
  {
    const Account account(*this);
    sent = Subscribe();
  }
  if (!sent) Fail(now, "the connection was lost");
}

void MqttLink::Check(TimePoint now, int result) {
  const int os_errno = errno;
  if (handle_ == nullptr || state_ == State::kIdle) return;

  const bool lost = result != MOSQ_ERR_SUCCESS || mosquitto_socket(handle_) < 0;
  const bool refused = connack_.has_value() && *connack_ != 0;
  if (state_ == State::kConnecting && (lost || refused)) {
    // A broker that knows only MQTT 3.1.1 says so, or just hangs up.
    const bool other_version =
        !tried_other_version_ &&
        (refused ? *connack_ == CONNACK_REFUSED_PROTOCOL_VERSION ||
                       *connack_ == MQTT_RC_UNSUPPORTED_PROTOCOL_VERSION
                 : result == MOSQ_ERR_CONN_LOST || result == MOSQ_ERR_PROTOCOL);
    if (other_version) {
      tried_other_version_ = true;
      version5_ = !version5_;
      DropHandle();
      state_ = State::kIdle;
      return StartDial(now);
    }
  }
  if (refused) return Fail(now, Refusal());
  if (lost) return Fail(now, Describe(result, os_errno));
  if (refused_subscription_) return Fail(now, "the broker refuses our topics");
  if (memory_ > kMaxMemory) {
    return Fail(now, "the broker sends more than any honest one would");
  }

  if (state_ == State::kConnecting && connack_.has_value()) {
    state_ = State::kSubscribing;
    tried_other_version_ = false;
    if (!Subscribe()) return Fail(now, "the connection was lost");
    deadline_ = now + kSetupTime;
  }
  if (state_ == State::kUp && !pending_subscriptions_.empty()) {
    state_ = State::kSubscribing;
    deadline_ = now + kSetupTime;
  }
  if (state_ == State::kSubscribing && pending_subscriptions_.empty()) {
    state_ = State::kUp;
    been_up_ = true;
    delay_ = kMinDelay;
    owner_.OnUp(index_);
  }
}

void MqttLink::Fail(TimePoint now, std::string reason) {
  DropHandle();
  state_ = State::kIdle;
  tried_other_version_ = false;
  // Up to a quarter later, so that the clients of a broker that restarts don't
  // come back all at once.
  next_dial_ =
      now + delay_ +
      Duration(random_.Below(static_cast<std::uint64_t>((delay_ / 4).count())));
  delay_ = std::min(delay_ * 2, kMaxDelay);
  owner_.OnDown(index_, std::move(reason));
}

void MqttLink::DropHandle() {
  if (handle_ != nullptr) mosquitto_destroy(handle_);
  handle_ = nullptr;
  dial_.reset();
  memory_ = 0;
  been_up_ = false;
  subscribed_.clear();
  pending_subscriptions_.clear();
  unsent_ = 0;
  connack_.reset();
  refused_subscription_ = false;
}

bool MqttLink::Subscribe() {
  const std::set<std::string> wanted(wanted_topics_.begin(),
                                     wanted_topics_.end());
  for (auto topic = subscribed_.begin(); topic != subscribed_.end();) {
    if (wanted.contains(*topic)) {
      ++topic;
      continue;
    }
    mosquitto_unsubscribe(handle_, nullptr, topic->c_str());
    topic = subscribed_.erase(topic);
  }
  std::vector<std::string> batch;
  for (const std::string& topic : wanted) {
    if (!subscribed_.insert(topic).second) continue;
    batch.push_back(topic);
    if (batch.size() < kTopicsPerSubscribe) continue;
    if (!SubscribeBatch(batch)) return false;
    batch.clear();
  }
  if (!batch.empty() && !SubscribeBatch(batch)) return false;
  // Known to be up with these topics: say so at once.
  if (state_ == State::kUp && pending_subscriptions_.empty()) {
    owner_.OnUp(index_);
  }
  return true;
}

bool MqttLink::SubscribeBatch(const std::vector<std::string>& topics) {
  std::vector<char*> names;
  for (const std::string& topic : topics) {
    names.push_back(const_cast<char*>(topic.c_str()));
  }
  int id = 0;
  // Nothing that the broker kept from before: that is no news of the peer.
  const int options = version5_ ? MQTT_SUB_OPT_SEND_RETAIN_NEVER : 0;
  const int result =
      mosquitto_subscribe_multiple(handle_, &id, static_cast<int>(names.size()),
                                   names.data(), kQos, options, nullptr);
  if (result != MOSQ_ERR_SUCCESS) return false;
  pending_subscriptions_.insert(id);
  return true;
}

std::string MqttLink::Refusal() const {
  const int code = *connack_;
  std::string text =
      std::string("refused: ") + (version5_ ? mosquitto_reason_string(code)
                                            : mosquitto_connack_string(code));
  const bool account = version5_
                           ? code == MQTT_RC_BAD_USERNAME_OR_PASSWORD ||
                                 code == MQTT_RC_NOT_AUTHORIZED
                           : code == CONNACK_REFUSED_NOT_AUTHORIZED ||
                                 code == CONNACK_REFUSED_BAD_USERNAME_PASSWORD;
  if (account && broker_.user.empty()) {
    text += "; it may want a user (USER@HOST) and a password";
  } else if (account) {
    text += "; user or password is wrong";
  }
  return text;
}

std::string MqttLink::Describe(int result, int os_errno) const {
  switch (result) {
    case MOSQ_ERR_SUCCESS:
    case MOSQ_ERR_CONN_LOST:
    case MOSQ_ERR_NO_CONN:
      return "the broker closed the connection";
    case MOSQ_ERR_EAI:
      // The library leaves the resolver's code in errno.
      return "cannot resolve '" + broker_.host + "': " + gai_strerror(os_errno);
    case MOSQ_ERR_ERRNO:
      if (os_errno == EINTR) return "no answer to the call";
      if (os_errno == EPROTO && !log_.empty())
        return DescribeTlsError(broker_, log_);
      return std::strerror(os_errno);
    case MOSQ_ERR_TLS:
      return DescribeTlsError(broker_, log_);
    case MOSQ_ERR_NOMEM:
      return "the broker sends more than any honest one would";
    case MOSQ_ERR_KEEPALIVE:
      return "the broker fell silent";
    default:
      return mosquitto_strerror(result);
  }
}

void MqttLink::OnConnect(mosquitto*, void* self, int reason, int,
                         const mosquitto_property*) {
  static_cast<MqttLink*>(self)->connack_ = reason;
}

void MqttLink::OnSubscribe(mosquitto*, void* self, int id, int count,
                           const int* granted) {
  MqttLink& link = *static_cast<MqttLink*>(self);
  if (link.pending_subscriptions_.erase(id) == 0) return;
  // MQTT 3.1.1 section 3.9.3: 0x80 and above is failure.
  if (count < 1 || std::any_of(granted, granted + count,
                               [](int qos) { return qos >= 0x80; })) {
    link.refused_subscription_ = true;
  }
}

void MqttLink::OnMessage(mosquitto*, void* self,
                         const mosquitto_message* message) {
  MqttLink& link = *static_cast<MqttLink*>(self);
  link.tokens_ -= 1;
  if (message->retain || message->payloadlen <= 0 ||
      message->payloadlen > kMaxPayload || message->topic == nullptr) {
    return;
  }
  const std::string_view topic = message->topic;
  if (topic.size() > kMaxTopic) return;
  link.owner_.OnMessage(topic, {static_cast<const std::byte*>(message->payload),
                                static_cast<std::size_t>(message->payloadlen)});
}

void MqttLink::OnPublish(mosquitto*, void* self, int) {
  std::size_t& unsent = static_cast<MqttLink*>(self)->unsent_;
  if (unsent > 0) --unsent;
}

void MqttLink::OnLog(mosquitto*, void* self, int level, const char* text) {
  // Only what explains a failure, which TLS alone does not do by its result.
  if (level != MOSQ_LOG_ERR || text == nullptr) return;
  std::string& log = static_cast<MqttLink*>(self)->log_;
  // What comes after it is but its consequence.
  if (IsTlsCause(log)) return;
  log = std::string(text).substr(0, 160);
}

}  // namespace p2pcp::signaling

// MQTT brokers, seen from the process that transfers: topics in, messages out,
// over a pipe to a child process that does the talking (mqtt_child.h).
//
// libmosquitto allocates what a broker's packet header demands (up to 256 MB),
// resolves names and dials while its caller waits. So it runs in a process of
// its own, under a limit of memory, and this class neither blocks nor grows
// whatever a broker does: every queue is bounded, and what does not fit is
// dropped, as an unreliable network would. Nothing here retries a message;
// the rendezvous does.

#ifndef P2PCP_NET_SIGNALING_MQTT_CLIENT_H_
#define P2PCP_NET_SIGNALING_MQTT_CLIENT_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/result.h"
#include "net/base/time.h"
#include "net/signaling/broker_url.h"

namespace p2pcp::signaling {

// Not thread-safe. The thread that calls Start() and HandleTimeout() must live
// as long as the client: the child is killed by the kernel when that thread
// ends (PR_SET_PDEATHSIG), so it never outlives the program, however it ends.
class MqttClient {
 public:
  // The program whose main() calls MqttChildMain(): our own, with a verb of
  // its own. Nothing secret is passed this way.
  struct Command {
    std::string path;
    std::vector<std::string> arguments;  // Without argv[0].
  };
  // What one process may use; more are refused.
  static constexpr std::size_t kMaxBrokers = 8;
  // Topics at once. Three a peer, so 80 peers can be listened for.
  static constexpr std::size_t kMaxTopics = 240;
  static constexpr std::size_t kMaxTopicSize = 128;
  // A payload, either way; longer ones from a broker are dropped.
  static constexpr std::size_t kMaxPayload = 4096;

  // A broker is connected and has acknowledged the topics of the last
  // SetTopics(). Again after each reconnection and each change of topics.
  struct BrokerUp {
    std::size_t broker;  // Index into the vector given to Start().
  };
  // A broker cannot be reached, refuses us or is gone; the child tries again by
  // itself after 1 s, 2 s, ... 30 s. Again for each attempt that fails, and for
  // each 5 s that a name server or a host keeps one waiting.
  struct BrokerDown {
    std::size_t broker;
    Error error;  // kRendezvousUnreachable, with the reason for people.
  };
  // From any broker; the same message may come from several of them.
  struct Message {
    std::string topic;
    Bytes payload;
  };
  using Event = std::variant<BrokerUp, BrokerDown, Message>;

  // Starts the child, which begins to connect at once.
  // REQUIRES: 1 <= brokers.size() <= kMaxBrokers.
  static Result<std::unique_ptr<MqttClient>> Start(TimePoint now,
                                                   Command command,
                                                   std::vector<Broker> brokers);
  // The same where somebody else runs the child, for several clients: socket
  // is our end of its SOCK_SEQPACKET pair (mqtt_wire.h), and becomes the
  // client's. Once that ends, every broker is down for good.
  static Result<std::unique_ptr<MqttClient>> Attach(
      TimePoint now, int socket, std::vector<Broker> brokers);
  // Gives the child a third of a second to send what was published and to say
  // goodbye, then kills it: the one place that waits.
  ~MqttClient();
  MqttClient(const MqttClient&) = delete;
  MqttClient& operator=(const MqttClient&) = delete;

  // Readable whenever HandleReadable() has something to do; the same
  // descriptor for the life of the client.
  int fd() const { return epoll_fd_; }
  void HandleReadable(TimePoint now);
  // The time of the next attempt to restart a child that died.
  std::optional<TimePoint> PollTimeout() const { return restart_at_; }
  void HandleTimeout(TimePoint now);

  // Replaces the topics subscribed to. Does nothing if they are the same.
  // REQUIRES: <= kMaxTopics, none longer than kMaxTopicSize, no wildcards.
  void SetTopics(std::vector<std::string> topics);
  // To every broker that is up. Quietly lost where there is none, or where the
  // child does not keep up.
  // REQUIRES: topic.size() <= kMaxTopicSize; payload.size() <= kMaxPayload.
  void Publish(std::string_view topic, ByteSpan payload);

  // Gives up all connections and dials at once: this host has moved, and they
  // are dead more likely than not. That takes another child: the old one may be
  // stuck in a call that nothing answers. It still sends what was published
  // before, where its connections live, and ends. After Attach() it does
  // nothing: that is for the owner of the child.
  void Redial(TimePoint now);

  std::optional<Event> PollEvent();

  // Brokers that are up.
  std::size_t up_count() const;
  // The child's process id, -1 while there is none of our own: for measuring.
  pid_t child_pid() const { return pid_; }
  struct Stats {
    std::uint64_t child_restarts = 0;
    std::uint64_t publishes_dropped = 0;  // The child did not keep up.
    std::uint64_t events_dropped = 0;     // PollEvent() was not called.
  };
  const Stats& stats() const { return stats_; }

 private:
  MqttClient(Command command, std::vector<Broker> brokers);

  Status Spawn();
  // socket becomes socket_, and readable through epoll_fd_.
  Status Adopt(int socket);
  void Introduce(TimePoint now);
  void Flush();
  void ReadAll(TimePoint now);
  void HandleFrame(ByteSpan bytes);
  void HandleChildGone(TimePoint now);
  void Push(Event event);
  void Reap();
  // Of those children that Redial() has replaced, the ones that have ended.
  void ReapReplaced();

  const Command command_;
  const std::vector<Broker> brokers_;
  std::vector<bool> up_;
  std::vector<std::string> topics_;
  // Distinguishes the answers to the current topics from older ones.
  std::uint32_t topics_version_ = 0;

  int epoll_fd_ = -1;
  int socket_ = -1;
  pid_t pid_ = -1;
  std::vector<pid_t> replaced_;
  bool wants_write_ = false;
  std::optional<TimePoint> restart_at_;
  Duration restart_delay_;
  // Frames that the socket had no room for, oldest first.
  std::deque<Bytes> outgoing_;
  std::deque<Event> events_;
  Bytes buffer_;  // One frame.
  Stats stats_;
};

}  // namespace p2pcp::signaling

#endif  // P2PCP_NET_SIGNALING_MQTT_CLIENT_H_

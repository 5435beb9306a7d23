// The driver: the one place where sockets, broker, disk and signals meet the
// state machines. It connects to a peer, then carries one session to its end.

#ifndef P2PCP_CMD_LINK_H_
#define P2PCP_CMD_LINK_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cmd/brokers/broker_report.h"
#include "cmd/brokers/start_mqtt.h"
#include "cmd/console.h"
#include "cmd/events.h"
#include "cmd/exit_code.h"
#include "cmd/local_network.h"
#include "cmd/network/connect_steps.h"
#include "cmd/network/extra_sockets.h"
#include "cmd/network/flood_guard.h"
#include "cmd/network/lan_link.h"
#include "cmd/network/outlet.h"
#include "cmd/network/own_addresses.h"
#include "cmd/network/relay_link.h"
#include "cmd/network/stall.h"
#include "cmd/options/options.h"
#include "cmd/pump.h"
#include "cmd/servers.h"
#include "cmd/signals.h"
#include "net/base/log.h"
#include "net/base/random.h"
#include "net/base/result.h"
#include "net/base/time.h"
#include "net/channel/channel.h"
#include "net/channel/path_mtu.h"
#include "net/connect/connector.h"
#include "net/crypto/contact_book.h"
#include "net/crypto/identity.h"
#include "net/signaling/mqtt_client.h"
#include "net/udp/event_loop.h"
#include "net/udp/resolver.h"
#include "net/udp/train_receiver.h"
#include "transfer/session/session.h"

namespace p2pcp::cmd {

class Link {
 public:
  struct Config {
    ice::Role role = ice::Role::kControlling;
    const crypto::Identity* self = nullptr;  // Must outlive the link.
    crypto::Contact peer;
    Events* events = nullptr;  // Must outlive the link.
    // Our key of before a rotation; must outlive the link. Null: there is none,
    // or the peer knows the one of now.
    const crypto::Identity* former = nullptr;
    // May be empty.
    std::function<void(const connect::HandshakeDone&)> on_handshake = {};
    // The peer was there before and got lost: its user knows.
    bool again = false;
  };
  // Opens the sockets, starts the broker's child and the look-ups. Blocks
  // SIGINT and SIGTERM for the process: they are events from here on.
  static Result<std::unique_ptr<Link>> Open(const Options& options,
                                            const Config& config,
                                            Console* console);
  // Says goodbye to the peer and the brokers.
  ~Link();

  // Until there is a path to the peer. A signal's exit code if one came first.
  Result<std::optional<ExitCode>> Connect();

  // What a session needs of the channel. REQUIRES: Connect() succeeded.
  std::size_t max_payload() { return connector_->channel()->max_payload(); }
  Duration rtt() { return connector_->channel()->path().rtt; }
  // Bytes of the channel, UDP and IP around each payload.
  std::size_t packet_overhead() {
    const bool v6 = connector_->channel()->path().remote.ip.is_v6();
    return channel::Channel::kOverhead +
           (v6 ? channel::PathMtu::kHeadersV6 : channel::PathMtu::kHeadersV4);
  }
  channel::Path path() { return connector_->channel()->path(); }
  // "direct udp4 203.0.113.9:41641".
  std::string PathText();
  // Since when nothing has come, while a new path is looked for.
  std::optional<Duration> StalledFor(TimePoint now) const {
    return stall_.stalled() ? std::optional(stall_.quiet(now)) : std::nullopt;
  }
  // Lets the channel go on for a while, for what both sides still tell.
  void Linger(Duration duration) {
    for (const TimePoint end = Now() + duration; Now() < end && !signal_;) {
      Turn(end);
    }
  }
  const connect::Connector& connector() const { return *connector_; }
  TimePoint Now() const { return loop_->Now(); }
  // A line of -v, with the seconds since the start.
  void Step(const std::string& text);

  // What Run() tells its caller.
  static constexpr Duration kTick = 250ms;
  struct Handler {
    std::function<void(const SessionEvent&)> on_event;
    // At least each kTick, for the progress line; at once when the terminal has
    // another size.
    std::function<void(TimePoint)> on_tick;
    // The user asks how it stands (SIGUSR1).
    std::function<void(TimePoint)> on_state_wanted;
  };
  // Carries the session until its terminal event has been handed out and the
  // last packets have been sent. disk_fd is readable when the session's disk
  // has completions. Returns the exit code of a signal if one came.
  std::optional<ExitCode> Run(Session* session, int disk_fd,
                              const Handler& handler);
  // What the command ends with: the signal's code if one came before the
  // session was over, else the session's outcome.
  static Result<ExitCode> Conclude(const Result<ExitCode>& outcome,
                                   std::optional<ExitCode> signal) {
    if (outcome.ok() || !signal) return outcome;
    return *signal;
  }
  // For input of the user's (--ask) as an event of the loop, during Run().
  udp::EventLoop& loop() { return *loop_; }

 private:
  Link(Config config, Console* console);

  Status Start(const Options& options);
  void WatchSocket(std::uint8_t index);
  void HandleReceived(std::uint8_t index);
  // How many datagrams it was.
  std::size_t HandleTrain(TimePoint now, std::uint8_t index,
                          const udp::ReceivedTrain& train);
  // Has the kernel refuse what is not the peer's while there is much of it.
  void WatchFlood(TimePoint now);
  void HandleMqtt();
  // One round: wait until `until` or the first event, act, send.
  void Turn(TimePoint until);
  void SendTrains(TimePoint now);
  // What the path's interface takes, which the channel can't know.
  void TellLinkMtu(TimePoint now);
  void HandleTooBig(TimePoint now, std::size_t datagram_size);
  void HandleConnectorEvents(TimePoint now);
  void HandleSilence(TimePoint now);
  // --turn: its address is a candidate, its packets are the channel's.
  Status OpenRelay(const Options& options);
  // All of a train that is not STUN's.
  void HandlePackets(TimePoint now, std::uint8_t socket,
                     const SocketAddress& from, MutableByteSpan train,
                     std::size_t segment_size);
  void HandleMoved();
  // The brokers' connections are dead, or were made through a mapping that is:
  // what there is to say leaves by these and by new ones.
  void RedialBrokers();
  void PublishAll();
  Error NobodyCame() const;

  const Config config_;
  Console* const console_;
  SystemRandom random_;
  Signals signals_;
  std::unique_ptr<udp::EventLoop> loop_;
  LocalNetwork network_;
  std::unique_ptr<udp::Resolver> resolver_;
  BrokerReport brokers_;
  std::unique_ptr<signaling::MqttClient> mqtt_;
  std::unique_ptr<connect::Connector> connector_;
  std::unique_ptr<RelayLink> relay_;  // Null without --turn.
  std::unique_ptr<LanLink> lan_;      // Null where the system has none.
  std::unique_ptr<Outlet> outlet_;
  std::unique_ptr<OwnAddresses> own_addresses_;
  std::unique_ptr<ExtraSockets> extra_sockets_;
  std::unique_ptr<Pump> pump_;
  FloodGuard flood_guard_;
  Stall stall_;
  ConnectSteps steps_;
  Session* session_ = nullptr;

  TimePoint started_;
  std::optional<Duration> timeout_;
  bool expected_ = false;  // The peer has come already.
  // A broker that is down is tried again and again.
  LogLimiter broker_log_{12, 60s};
  bool advised_ = false;
  bool resized_ = false;       // The terminal, since the last line was drawn.
  bool state_wanted_ = false;  // By the user.
  bool met_ = false;
  bool connected_ = false;
  // When a process of the peer's was heard of that is not the one at hand.
  std::optional<TimePoint> knocked_;
  std::optional<Error> error_;
  std::optional<ExitCode> signal_;
  int signals_seen_ = 0;
  bool more_to_send_ = false;
  bool told_trains_ = false;

  // Payloads that came before there was a session to take them.
  struct Early {
    PacketNumber number;
    Bytes bytes;
  };
  std::vector<Early> early_;
};

}  // namespace p2pcp::cmd

#endif  // P2PCP_CMD_LINK_H_

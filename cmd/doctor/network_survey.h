// Finds out what this host's network does: the facts of `p2pcp doctor`. Some
// seconds of brokers, STUN servers and the router, with sockets of its own.

#ifndef P2PCP_CMD_DOCTOR_NETWORK_SURVEY_H_
#define P2PCP_CMD_DOCTOR_NETWORK_SURVEY_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cmd/doctor/diagnosis.h"
#include "cmd/exit_code.h"
#include "cmd/local_network.h"
#include "cmd/options/options.h"
#include "cmd/servers.h"
#include "cmd/signals.h"
#include "net/base/random.h"
#include "net/base/result.h"
#include "net/base/time.h"
#include "net/signaling/mqtt_client.h"
#include "net/stun/binding_transaction.h"
#include "net/stun/filtering_discovery.h"
#include "net/udp/event_loop.h"
#include "net/udp/port_mapping.h"
#include "net/udp/resolver.h"
#include "net/udp/udp_socket.h"

namespace p2pcp::cmd {

class NetworkSurvey {
 public:
  // What has not answered by then does not.
  static constexpr Duration kTime = 6s;

  static Result<std::unique_ptr<NetworkSurvey>> Begin(const Options& options);
  ~NetworkSurvey();
  NetworkSurvey(const NetworkSurvey&) = delete;
  NetworkSurvey& operator=(const NetworkSurvey&) = delete;

  // Waits for all there is to learn; a signal's exit code if one came.
  std::optional<ExitCode> Run();
  const NetworkFacts& facts() const { return facts_; }

 private:
  // A question to a STUN server.
  struct Query {
    enum class Purpose : std::uint8_t { kMapping, kPorts };
    Purpose purpose;
    std::size_t stun = 0;  // Of facts_.stun, or the sample's number.
    int fd_index = 0;      // Of sockets_.
    stun::BindingTransaction transaction;
  };
  // A padded request: the first one of a size that is answered.
  struct SizeProbe {
    std::size_t packet = 0;  // With headers.
    stun::TransactionId id{};
  };

  NetworkSurvey();
  Status Start(const Options& options);
  void Resolve(const StunServer& server);
  void Watch(std::size_t socket);
  void HandleReceived(std::size_t socket);
  void HandleMqtt();
  void HandleAnswer(std::size_t socket, const SocketAddress& from,
                    ByteSpan datagram);
  void Ask(Query::Purpose purpose, std::size_t number, std::size_t socket,
           const SocketAddress& server);
  // What the first answer over IPv4 makes possible.
  void AskFurther(const SocketAddress& server, const SocketAddress& mapped);
  void AskFilter(const SocketAddress& server, const SocketAddress& other);
  void SendSizeProbes(TimePoint now);
  void Flush();
  bool Settled(TimePoint now) const;

  SystemRandom random_;
  Signals signals_;
  std::unique_ptr<udp::EventLoop> loop_;
  TimePoint started_;
  LocalNetwork network_;
  // The sockets of a transfer first, then samples for the port model, one for
  // the filter, and the one that tries the hairpin.
  std::vector<udp::UdpSocket> sockets_;
  std::size_t main_sockets_ = 0;
  std::unique_ptr<udp::Resolver> resolver_;
  std::unique_ptr<signaling::MqttClient> mqtt_;
  std::vector<bool> broker_failed_;
  std::unique_ptr<udp::PortMapping> port_mapping_;
  std::vector<Query> queries_;
  std::size_t resolving_ = 0;
  bool asked_further_ = false;
  std::vector<std::uint16_t> sample_ports_;
  std::vector<std::optional<std::uint16_t>> sample_mapped_;
  // On a socket that speaks to that one server only.
  std::optional<stun::FilteringDiscovery> filtering_;
  std::size_t filtering_socket_ = 0;
  SocketAddress size_server_;
  std::vector<SizeProbe> size_probes_;
  std::optional<TimePoint> size_probes_again_;
  std::array<std::byte, 16> hairpin_token_{};
  std::optional<SocketAddress> hairpin_target_;
  std::optional<TimePoint> hairpin_again_;
  int hairpin_tries_ = 0;
  NetworkFacts facts_;
};

}  // namespace p2pcp::cmd

#endif  // P2PCP_CMD_DOCTOR_NETWORK_SURVEY_H_

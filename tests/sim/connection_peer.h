// One side of a simulated connection without what stands above and below it: a
// pattern instead of files, a checksum instead of the channel's encryption.

#ifndef P2PCP_TESTS_SIM_CONNECTION_PEER_H_
#define P2PCP_TESTS_SIM_CONNECTION_PEER_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/random.h"
#include "net/base/socket_address.h"
#include "net/base/time.h"
#include "tests/sim/host.h"
#include "tests/sim/simulator.h"
#include "transfer/connection/byte_space.h"
#include "transfer/connection/connection.h"

namespace p2pcp::sim {

// Holds a pattern; pretends now and then that a part is not in memory.
class PatternSource final : public ByteSource {
 public:
  // absent: the chance that bytes asked for are not there; `latency` later
  // they are. The simulator must outlive the source.
  PatternSource(Simulator& simulator, std::uint64_t size, double absent,
                Duration latency);
  void set_on_ready(std::function<void()> on_ready) {
    on_ready_ = std::move(on_ready);
  }
  ByteSpan Read(StreamOffset offset, std::size_t max_size) override;

 private:
  Simulator& simulator_;
  Bytes bytes_;
  double absent_;
  Duration latency_;
  std::function<void()> on_ready_;
  bool fetching_ = false;
};

// Checks each byte that comes, keeps them for a while, and refuses some.
class PatternSink final : public ByteSink {
 public:
  PatternSink(Simulator& simulator, std::uint64_t size, double refuse,
              Duration latency);
  // Called when n bytes have been disposed of.
  void set_on_release(std::function<void(std::uint64_t n)> on_release) {
    on_release_ = std::move(on_release);
  }
  bool Write(StreamOffset offset, ByteSpan bytes) override;

  bool complete() const { return received_ == have_.size(); }
  // What came wrong: a byte that is not the pattern's, came twice, or lies
  // outside.
  const std::optional<std::string>& wrong() const { return wrong_; }

 private:
  Simulator& simulator_;
  const Bytes expected_;
  std::vector<char> have_;  // 1 for each byte that has come.
  std::uint64_t received_ = 0;
  double refuse_;
  Duration latency_;
  std::function<void(std::uint64_t)> on_release_;
  std::optional<std::string> wrong_;
};

// A connection on a host's socket: numbers its packets, and drops those that
// come damaged or twice, as the channel does.
class ConnectionPeer {
 public:
  // Bytes on the wire besides the payload: a number and a checksum.
  static constexpr std::size_t kOverhead = 6 + 8;

  ConnectionPeer(Simulator& simulator, Host& host, const SocketAddress& peer,
                 const Connection::Config& config, ByteSource* source,
                 ByteSink* sink);
  ~ConnectionPeer();
  ConnectionPeer(const ConnectionPeer&) = delete;
  ConnectionPeer& operator=(const ConnectionPeer&) = delete;

  Connection& connection() { return connection_; }
  const Connection& connection() const { return connection_; }
  // To be called after each change made through connection().
  void Turn();

  // Control messages that have come.
  const std::vector<Bytes>& heard() const { return heard_; }
  std::uint64_t timeouts() const { return timeouts_; }

 private:
  void HandleDatagram(MutableByteSpan datagram);

  Simulator& simulator_;
  Host& host_;
  const SocketAddress peer_;
  const bool sends_data_;
  Simulator::TimerId timer_;
  Connection connection_;
  std::uint64_t next_number_ = 0;
  std::vector<bool> seen_;  // By number.
  std::vector<Bytes> heard_;
  Bytes out_;
  std::uint64_t timeouts_ = 0;
};

}  // namespace p2pcp::sim

#endif  // P2PCP_TESTS_SIM_CONNECTION_PEER_H_

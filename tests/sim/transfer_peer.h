// One side of a simulated transfer: a socket of a host, a channel, and a
// session on a disk, joined by the program's own pump.

#ifndef P2PCP_TESTS_SIM_TRANSFER_PEER_H_
#define P2PCP_TESTS_SIM_TRANSFER_PEER_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cmd/pump.h"
#include "net/base/bytes.h"
#include "net/base/packet_number.h"
#include "net/base/random.h"
#include "net/base/socket_address.h"
#include "net/base/time.h"
#include "net/channel/channel.h"
#include "net/ice/candidate.h"
#include "tests/sim/host.h"
#include "tests/sim/simulator.h"
#include "tests/sim/slow_disk.h"
#include "transfer/session/bottleneck.h"
#include "transfer/session/session.h"

namespace p2pcp::sim {

class TransferPeer {
 public:
  // Called once the channel is connected.
  using MakeSession = std::function<std::unique_ptr<Session>(
      TimePoint now, std::size_t max_payload, Duration rtt, file::Disk* disk)>;

  struct Options {
    std::uint16_t port = 4000;
    channel::Channel::Config channel;
    DiskOptions disk;
    std::uint64_t random_seed = 1;
    // Of the host's interface, as its kernel says.
    std::size_t link_mtu = 1500;
    MakeSession make_session;
  };

  // The host must outlive the peer.
  TransferPeer(Simulator& simulator, Host& host, Options options);
  ~TransferPeer();
  TransferPeer(const TransferPeer&) = delete;
  TransferPeer& operator=(const TransferPeer&) = delete;

  void AddCandidates(const std::vector<ice::Candidate>& local,
                     const std::vector<ice::Candidate>& remote);

  // As the process at the other end of a kill: sends and hears nothing more.
  void Kill();
  void Cancel(Error reason);

  // The session has reported its end.
  bool over() const { return completed_ || error_.has_value(); }
  // The process is no more, and answers nothing: it was over, or killed.
  bool gone() const { return gone_; }
  bool completed() const { return completed_; }
  const std::optional<TransferReport>& report() const { return report_; }
  const std::optional<Error>& error() const { return error_; }
  const std::vector<FileDone>& files() const { return files_; }
  const std::vector<FileFailed>& failed_files() const { return failed_files_; }

  // Null before the channel is connected.
  const Session* session() const { return session_.get(); }
  const channel::Channel& channel() const { return channel_; }
  std::optional<TimePoint> connected_at() const { return connected_at_; }
  // A rule that was broken on the way: counters that can't be, progress that
  // went backwards.
  const std::optional<std::string>& broken() const { return broken_; }
  // For people: how far it has come.
  std::string Describe() const;

 private:
  void HandleDatagram(const SocketAddress& from, MutableByteSpan bytes);
  void TakeTrain(const SocketAddress& from, MutableByteSpan train,
                 std::size_t segment_size);
  // Reads what has gathered in the socket and at the disk.
  void EndRest();
  // Drains all outputs and sets the timer.
  void Turn();
  void HandleChannelEvents();
  void HandleSessionEvents();
  void SendAll();
  void Exit();
  void CheckInvariants();

  Simulator& simulator_;
  Host& host_;
  const Options options_;
  SeededRandom random_;
  Simulator::TimerId timer_;
  channel::Channel channel_;
  SlowDisk disk_;
  std::unique_ptr<Session> session_;
  std::unique_ptr<cmd::Pump> pump_;
  // Payloads that came before there was a session, as the driver keeps them.
  std::vector<std::pair<PacketNumber, Bytes>> early_;

  // Until then nobody looks at the socket and the disk (Pump::PollRest).
  TimePoint rest_until_;
  std::vector<std::pair<SocketAddress, Bytes>> gathered_;
  bool disk_ready_ = false;

  std::optional<TimePoint> connected_at_;
  bool gone_ = false;  // The process has ended.
  bool completed_ = false;
  std::optional<TransferReport> report_;
  std::optional<Error> error_;
  std::vector<FileDone> files_;
  std::vector<FileFailed> failed_files_;
  std::uint64_t bytes_done_ = 0;
  std::optional<std::string> broken_;
};

}  // namespace p2pcp::sim

#endif  // P2PCP_TESTS_SIM_TRANSFER_PEER_H_

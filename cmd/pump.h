// The pump joins a channel and a session: what the channel opened goes up, what
// the session has to say is sealed into trains for the socket. Sans-IO, so the
// program's driver and the simulator share it.

#ifndef P2PCP_CMD_PUMP_H_
#define P2PCP_CMD_PUMP_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "cmd/network/receive_coalescing.h"
#include "cmd/network/train_check.h"
#include "net/base/bytes.h"
#include "net/base/socket_address.h"
#include "net/base/time.h"
#include "net/channel/channel.h"
#include "net/udp/train_bounds.h"
#include "transfer/connection/connection.h"
#include "transfer/session/session.h"

namespace p2pcp::cmd {

class Pump {
 public:
  // Both must outlive the pump.
  Pump(channel::Channel* channel, Session* session);

  // Datagrams of equal size back to back, only the last may be shorter: one
  // send with UDP_SEGMENT. bytes is valid until the next PollTrain().
  struct Train {
    std::uint8_t socket = 0;
    SocketAddress to;
    ByteSpan bytes;
    std::size_t segment_size = 0;
    int hop_limit = 0;  // 0: the system's default.
    // The kernel shall not make the datagrams of the train (TrainCheck).
    bool one_by_one = false;
  };

  // Datagrams back to back, as Train has them.
  void HandleTrain(TimePoint now, std::uint8_t socket,
                   const SocketAddress& from, MutableByteSpan train,
                   std::size_t segment_size);
  // Tells the session what the channel's event means to it. To be called with
  // each event that the channel gives from kConnected on.
  void HandleChannelEvent(TimePoint now, const channel::Event& event);
  void HandleTimeout(TimePoint now);

  // The next train to send now. A train that the socket does not take may be
  // kept and sent later: until then, don't call this again.
  std::optional<Train> PollTrain(TimePoint now);
  std::optional<TimePoint> PollTimeout() const;

  // Until when datagrams may be left to gather in the sockets, if nothing else
  // is due before; a time in the past: they are to be read as they come. To be
  // called once a turn, after PollTrain() had no more.
  TimePoint PollRest();

  // The kernel's segmentation has turned out to damage trains on this path.
  bool trains_condemned() const { return train_check_.condemned(); }

 private:
  // Where the session sees that only small packets are acknowledged, the
  // channel is asked to look into it.
  void WatchForBlackHole(TimePoint now);
  void CheckTrains(TimePoint now);
  // Tells the session how large a payload may be, where that is news.
  void SyncMaxPayload();
  // Seals the session's next packet at buffer_[at...]; 0 if there is none.
  std::size_t SealNext(TimePoint now, std::size_t at, bool* full);
  // Seals at most `most` further ones there, if they follow each other and have
  // segment_size bytes; how many.
  std::size_t SealRun(TimePoint now, std::size_t at, std::size_t most,
                      std::size_t segment_size);

  channel::Channel* channel_;
  Session* session_;
  std::size_t max_payload_ = 0;              // As the session was told last.
  std::uint64_t black_hole_suspicions_ = 0;  // Its counter when last seen.
  TrainCheck train_check_;
  ReceiveCoalescing coalescing_;
  TimePoint turn_;  // Of the last PollTrain().
  // What came in one train, at most as much as goes into one.
  std::array<channel::Channel::Payload, udp::kMaxTrainSegments> payloads_;
  std::array<Connection::Received, udp::kMaxTrainSegments> packets_;
  std::vector<std::byte> buffer_;
  // A datagram that was sealed but did not fit the train before it: it stands
  // at buffer_[leftover_at_...] and begins the next train.
  std::size_t leftover_at_ = 0;
  std::size_t leftover_size_ = 0;
  bool leftover_full_ = false;
  // Where it goes was decided when it was sealed.
  channel::Path leftover_path_;
};

}  // namespace p2pcp::cmd

#endif  // P2PCP_CMD_PUMP_H_

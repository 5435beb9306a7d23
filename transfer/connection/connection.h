// One end of a reliable connection over an unreliable, encrypted datagram
// channel: a reliable ordered stream of control messages both ways, and a
// reliable byte space one way, delivered out of order
// (transfer/wire/PROTOCOL.md).
//
// Sans-IO: it gets `now` and authenticated payloads, and gives back payloads
// and its next deadline. Every call of a Handle* method, and every change made
// through the others, must be followed by draining PollTransmit(); then sleep
// until PollTimeout(). Payloads are numbered by the channel, which uses numbers
// of the same space for its own packets, so numbers may skip.
//
// What the peer sends never aborts: the first violation of the protocol is kept
// in error(), and from then on nothing is sent but a CLOSE.

#ifndef P2PCP_TRANSFER_CONNECTION_CONNECTION_H_
#define P2PCP_TRANSFER_CONNECTION_CONNECTION_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "net/base/bytes.h"
#include "net/base/packet_number.h"
#include "net/base/result.h"
#include "net/base/time.h"
#include "transfer/connection/byte_receiver.h"
#include "transfer/connection/byte_sender.h"
#include "transfer/connection/byte_space.h"
#include "transfer/connection/closing.h"
#include "transfer/connection/control_stream.h"
#include "transfer/connection/send_limits.h"
#include "transfer/connection/tail_redundancy.h"
#include "transfer/connection/tracer.h"
#include "transfer/recovery/ack_tracker.h"
#include "transfer/recovery/black_hole.h"
#include "transfer/recovery/congestion_controller.h"
#include "transfer/recovery/loss_detection.h"
#include "transfer/recovery/pacer.h"
#include "transfer/recovery/rate_limit.h"
#include "transfer/recovery/sent_packets.h"
#include "transfer/wire/frames.h"

namespace p2pcp {

// Which controller decides how much may be in flight.
enum class Congestion : std::uint8_t {
  kCubic,      // RFC 9438 with HyStart++ (RFC 9406).
  kBbr,        // draft-ietf-ccwg-bbr with a loss floor.
  kScavenger,  // Takes what nobody else uses.
};

// Counters are totals since the connection began; sizes are those of payloads
// (frames and data), without the channel's header and tag.
struct ConnectionStats {
  // The path, as the sender of data sees it (a receiver has few samples). Zero
  // before the first sample.
  Duration smoothed_rtt{0};
  Duration latest_rtt{0};
  Duration min_rtt{0};
  std::uint64_t congestion_window = 0;
  std::uint64_t bytes_in_flight = 0;
  std::uint64_t pacing_rate = 0;  // Bytes per second; 0: not paced.

  std::uint64_t packets_sent = 0;
  std::uint64_t bytes_sent = 0;
  std::uint64_t packets_received = 0;
  std::uint64_t bytes_received = 0;
  std::uint64_t packets_lost = 0;             // Declared lost ...
  std::uint64_t packets_spuriously_lost = 0;  // ... and acknowledged after all.
  std::uint64_t probe_timeouts = 0;
  std::uint64_t persistent_congestions = 0;
  // How often only packets beyond kBasePayload seemed not to pass.
  std::uint64_t black_hole_suspicions = 0;
  // Datagrams that the peer's own socket dropped (SetSocketDrops() there).
  std::uint64_t socket_drops_at_peer = 0;

  // The byte space.
  std::uint64_t data_bytes_sent = 0;           // Including the next line's.
  std::uint64_t data_bytes_retransmitted = 0;  // Lost, or in probes.
  std::uint64_t data_bytes_redundant = 0;      // TailRedundancy's.
  std::uint64_t data_bytes_acknowledged = 0;   // Distinct bytes.
  std::uint64_t data_bytes_received = 0;       // Distinct bytes.
  std::uint64_t data_bytes_duplicate = 0;      // Received again.
  std::uint64_t data_packets_refused = 0;      // The sink had no room.
};

class Connection final : private LossDetection::Handler {
 public:
  // Bytes of one control message at most.
  static constexpr std::size_t kMaxControlMessage = kMaxControlMessageSize;
  // Bounds of Config::max_payload, in bytes.
  static constexpr std::size_t kMinPayload = 512;
  static constexpr std::size_t kMaxPayload = 65'000;
  // What any path takes: a datagram of 1,200 bytes (RFC 9000 section 14) less
  // the channel's 28. All but data keeps to it, so that ACKs pass whatever
  // becomes of the path.
  static constexpr std::size_t kBasePayload = 1'172;
  // Close codes from here on belong to the connection itself.
  static constexpr std::uint16_t kFirstReservedCloseCode = 0xff00;
  static constexpr std::uint16_t kCloseProtocolViolation = 0xffff;

  struct Config {
    // Bytes that a payload may have now, kMinPayload..kMaxPayload. Data packets
    // have exactly this size, except where their bytes end.
    std::size_t max_payload = kBasePayload;
    // Bytes that the sink can hold: how many may be received and not released.
    // 0 at a side that receives no data.
    std::uint64_t receive_budget = 0;
    Congestion congestion = Congestion::kCubic;
    // What to take for the round trip before the first sample (RFC 9002 section
    // 6.2.2). A channel that has measured its path knows better.
    Duration initial_rtt = 333ms;
    // Is told what happens; may be null. Must outlive the connection.
    ConnectionTracer* tracer = nullptr;
    // Bytes per second that may go onto the wire, and bytes that each payload
    // takes there besides itself. 0: no limit.
    std::uint64_t rate_limit = 0;
    std::size_t packet_overhead = 0;
  };

  // source: null at a receiver; sink: null at a sender, to which any DATA frame
  // is a violation. Both must outlive the connection.
  Connection(TimePoint now, const Config& config, ByteSource* source,
             ByteSink* sink);
  ~Connection() override;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // --- The channel's side ---

  // An authenticated payload. REQUIRES: the channel has removed replays.
  void HandlePacket(TimePoint now, PacketNumber number, ByteSpan payload);
  struct Received {
    PacketNumber number;
    ByteSpan payload;
  };
  // Several that came together: as HandlePacket() for one after the other, but
  // cheaper where their data follow each other.
  void HandlePackets(TimePoint now, std::span<const Received> packets);
  // To be called at or after PollTimeout().
  void HandleTimeout(TimePoint now);
  // The earliest time at which HandleTimeout() and PollTransmit() have
  // something to do; nothing: not before the next input.
  std::optional<TimePoint> PollTimeout() const;
  // The packets go another way from now on: what was learnt about the old path
  // is forgotten, and two packets are sent at once to learn about the new one.
  void HandlePathChange(TimePoint now, std::size_t max_payload);
  // The same path takes larger or smaller payloads. Forgets nothing.
  void SetMaxPayload(std::size_t max_payload);

  struct Packet {
    std::size_t frames_size;  // Bytes written to the start of out.
    ByteSpan data;            // To be appended to them; may be empty. Valid
                              // until the next call of any method.
    // What makes up the payload.
    std::size_t size() const { return frames_size + data.size(); }
    // A full data packet, which may be one of a train. Everything else (ACKs,
    // control, the last bytes) is shorter and may only end a train.
    bool full = false;
  };
  // The next packet to be sent now, which counts as sent with this number.
  // Nothing: there is nothing to send, or the congestion window, the pacer, the
  // peer's credit, the rate limit or the source does not allow it now.
  // REQUIRES: number is larger than in all calls before that returned a packet;
  // out.size() >= max_payload.
  std::optional<Packet> PollTransmit(TimePoint now, PacketNumber number,
                                     MutableByteSpan out);

  // Full data packets that follow each other in the byte space: what so many
  // calls of PollTransmit() would have returned.
  struct Run {
    std::size_t count = 0;
    std::size_t frames_size = 0;  // Bytes written at the start of each packet.
    std::size_t data_size = 0;    // Bytes of `data` that belong to each.
    ByteSpan data;                // As Packet's.
  };
  // At most `most` packets of `size` bytes, which count as sent with the
  // numbers from number on. The frames of packet i are written to
  // out[i * stride...]. No packet: PollTransmit() may have one all the same,
  // and has to be asked. REQUIRES: number is larger than all before;
  // stride >= size, and out has room for `most` packets so far apart.
  Run PollRun(TimePoint now, PacketNumber number, std::size_t most,
              std::size_t size, std::size_t stride, MutableByteSpan out);

  // --- The control stream: reliable, in order, whole messages, both ways ---

  // Bytes of the largest message that SendControl() takes now; 0: none, not
  // even an empty one. It grows again as the peer acknowledges.
  std::size_t ControlRoom() const;
  // REQUIRES: message.size() <= ControlRoom() and ControlRoom() > 0.
  void SendControl(ByteSpan message);
  // The next message from the peer. One that is not polled occupies its part of
  // the window of 256 KiB.
  std::optional<Bytes> PollControl();
  // Whether the peer has acknowledged all that SendControl() was given.
  bool ControlAcknowledged() const;

  // --- The byte space, at its sender ---

  // [begin, end) may be sent now (once each, and as often as it gets lost).
  // Ranges may come in any number and order; lower offsets are sent first. A
  // range that was offered before is sent anew, even if it was acknowledged.
  // REQUIRES: a source; begin <= end <= StreamOffset::kMax.
  void OfferBytes(StreamOffset begin, StreamOffset end);
  // [begin, end) is sent once more, also where it is under way: the peer has
  // forgotten it. REQUIRES: it was offered and not skipped; begin < end.
  void OfferAgain(StreamOffset begin, StreamOffset end);
  // [begin, end) is not to be sent (any more), offered or not: it counts as
  // acknowledged, and is not asked for. How many of its bytes have been charged
  // against the peer's credit, which the peer has to be told.
  std::uint64_t SkipBytes(StreamOffset begin, StreamOffset end);
  // Bytes that ByteSource::Read() did not have may be there now.
  void OnSourceReady();
  // Whether all that was offered has arrived at the peer's sink.
  bool AllBytesAcknowledged() const;
  // All bytes below have arrived there: nothing of them is read again.
  StreamOffset AcknowledgedUpTo() const {
    return StreamOffset(bytes_out_.AckedUpTo());
  }

  // How much of [begin, end) has arrived there, or is not to be sent.
  std::uint64_t AckedIn(std::uint64_t begin, std::uint64_t end) const {
    return bytes_out_.AckedIn(begin, end);
  }

  // --- The byte space, at its receiver ---

  // The sink has disposed of n more bytes: the peer may send n more.
  // REQUIRES: n <= bytes written to the sink and not yet released.
  void ReleaseBytes(std::uint64_t n);
  // Bytes in [begin, end) are to be handed to the sink again when they come
  // again (they turned out bad, and the peer has been asked to offer them
  // anew). Before asking the peer.
  void ForgetBytes(StreamOffset begin, StreamOffset end);
  // Nothing more of [begin, end) comes: what is still under way is not handed
  // to the sink. charged: what the peer's SkipBytes() said; 0 where nothing of
  // it was ever sent. False if that can't be true.
  bool SkipReceived(StreamOffset begin, StreamOffset end,
                    std::uint64_t charged);

  // --- The end ---

  // Tells the peer, as well as a few packets can, that it is over, and sends
  // nothing else from now on. REQUIRES: code < kFirstReservedCloseCode.
  void Close(TimePoint now, std::uint16_t code);
  bool closed() const;  // By Close(), by the peer, or for its violation.
  // The code of the peer's Close(); from then on nothing is sent.
  std::optional<std::uint16_t> peer_close() const;
  // The peer broke the protocol: kMalformed, and what it did.
  std::optional<Error> error() const;

  // Datagrams for us that our own socket lost for want of buffer (SO_RXQ_OVFL),
  // in all; told to the peer, since it is no loss of the network's.
  void SetSocketDrops(std::uint64_t total);
  std::uint64_t socket_drops() const { return socket_drops_; }

  const ConnectionStats& stats() const;
  // What has held the byte space's sender back, and for how long.
  const SendLimits& send_limits() const { return send_limits_; }

 private:
  void OnPacketAcked(PacketNumber number, const SentPacket& packet) override;
  void OnPacketLost(PacketNumber number, const SentPacket& packet) override;

  // What the frames of one payload ask for.
  struct Reception {
    bool ack_eliciting = false;
    bool ack_now = false;
    bool refused = false;  // Not to be acknowledged.
  };
  // Handles frame_. False: the peer broke the protocol.
  bool HandleFrame(TimePoint now, Reception& reception);
  bool HandleAck(TimePoint now, const wire::AckFrame& ack);
  bool HandleControl(const wire::ControlFrame& frame, Reception& reception);
  bool HandleData(const wire::DataFrame& frame, Reception& reception);
  // Takes the data of the first of these packets at once, as far as they are
  // the next in their order; how many. 0: the first is to be handled by itself.
  std::size_t HandleRun(TimePoint now, std::span<const Received> packets);
  void HandleClosing(TimePoint now, ByteSpan payload);
  bool Violation(const char* what);

  std::optional<Packet> TransmitClose(TimePoint now, PacketNumber number,
                                      MutableByteSpan out);
  // Everything but data: ACK, CREDIT, PING and CONTROL frames.
  std::optional<Packet> TransmitSmall(TimePoint now, PacketNumber number,
                                      MutableByteSpan out);
  // A probe with the oldest bytes that are not acknowledged.
  std::optional<Packet> TransmitProbe(TimePoint now, PacketNumber number,
                                      MutableByteSpan out);
  std::optional<Packet> TransmitData(TimePoint now, PacketNumber number,
                                     MutableByteSpan out);
  // A copy of bytes that are still awaited when all has been sent.
  std::optional<Packet> TransmitCopy(TimePoint now, PacketNumber number,
                                     MutableByteSpan out);
  Packet FinishData(TimePoint now, PacketNumber number, MutableByteSpan out,
                    const ByteSender::Chunk& chunk, bool ack_now);
  // length bytes of data in each of count packets.
  void CountDataSent(TimePoint now, PacketNumber number, StreamOffset offset,
                     std::size_t length, std::uint64_t count);
  // count > 1: a run, as LossDetection::OnPacketSent() has it.
  void CountSent(TimePoint now, PacketNumber number, const SentPacket& packet,
                 std::uint64_t count = 1);
  // Full packets that the congestion window, the pacer and the limit of the
  // rate allow now, at most `most`.
  std::uint64_t Allows(TimePoint now, std::uint64_t most);

  void SendProbes();
  bool ProbesPending() const {
    return ping_ != Ping::kNone || probes_pending_ > 0;
  }
  void UpdatePacing(TimePoint now);
  void UpdateStats(TimePoint now);
  bool WindowOpen() const {
    return loss_.bytes_in_flight() + max_payload_ <= controller_->window();
  }
  // How much of the payload that a path takes is to be used.
  std::size_t WorthWhile(std::size_t max_payload) const;
  // Whether there are messages to be sent, and they may go.
  bool ControlMayGo(TimePoint now);
  // Whether the limit of the rate lets a packet go; else it is tried again when
  // it does.
  bool WithinLimit(TimePoint now);
  void SetPacingDeadline(TimePoint time) {
    pacing_deadline_ = std::min(pacing_deadline_.value_or(time), time);
  }

  const Duration initial_rtt_;
  ConnectionTracer* const tracer_;
  TimePoint traced_at_;  // With a tracer: when the call at hand came.
  const std::uint64_t rate_limit_;
  std::size_t max_payload_;
  std::unique_ptr<CongestionController> controller_;
  LossDetection loss_;
  BlackHoleDetector black_hole_{kBasePayload};
  Pacer pacer_;
  RateLimit limit_;
  AckTracker acks_;
  ControlSender control_out_;
  ControlReceiver control_in_;
  ByteSender bytes_out_;
  ByteReceiver bytes_in_;
  TailRedundancy tail_;

  // A PING that is to be sent: alone, or with all that a probe may carry.
  enum class Ping : std::uint8_t { kNone, kAlone, kProbe };
  Ping ping_ = Ping::kNone;
  int probes_pending_ = 0;
  PacketNumber probe_cursor_;
  // When the pacer, the limit or the round of the tail lets the next packet go;
  // only after it has held one back.
  std::optional<TimePoint> pacing_deadline_;

  Closing closing_;
  std::optional<Error> error_;

  SendLimits send_limits_;
  std::uint64_t socket_drops_ = 0;
  mutable ConnectionStats stats_;  // Some of it is gathered when asked for.
  wire::Frame frame_;              // Scratch: an ACK's ranges are large.
};

}  // namespace p2pcp

#endif  // P2PCP_TRANSFER_CONNECTION_CONNECTION_H_

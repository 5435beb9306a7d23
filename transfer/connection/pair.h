// Pair: a sending and a receiving Connection with a bad link between them, in
// virtual time, for the tests of this package.

#ifndef P2PCP_TRANSFER_CONNECTION_PAIR_H_
#define P2PCP_TRANSFER_CONNECTION_PAIR_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <queue>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/packet_number.h"
#include "net/base/random.h"
#include "net/base/time.h"
#include "transfer/connection/byte_space.h"
#include "transfer/connection/connection.h"
#include "transfer/connection/tracer.h"
#include "transfer/recovery/range_set.h"

namespace p2pcp {

// Both directions of the link alike.
struct LinkConfig {
  Duration delay = 25ms;  // One way.
  double loss = 0;
  double duplicate = 0;
  // This part of the packets takes up to reorder_by longer.
  double reorder = 0;
  Duration reorder_by = 0ms;
  std::uint64_t rate = 0;         // Bytes per second; 0: as fast as can be.
  std::uint64_t queue = 1 << 20;  // Bytes that wait before some are dropped.
};

// The byte at an offset; any misplaced byte shows.
std::byte PatternByte(std::uint64_t offset);

// Reads PatternByte out of buffers of an odd size.
class PatternSource final : public ByteSource {
 public:
  // delay: how long bytes take to come into memory; they stay there.
  PatternSource(Duration delay, const TimePoint* now);

  ByteSpan Read(StreamOffset offset, std::size_t max_size) override;
  std::optional<TimePoint> ready_time() const;
  // Whether something that was asked for is there now.
  bool PollReady();

  std::uint64_t reads = 0;

 private:
  static constexpr std::size_t kBufferSize = 10'007;

  const Duration delay_;
  const TimePoint* const now_;
  RangeSet present_;
  struct Pending {
    TimePoint ready;
    std::uint64_t begin;
  };
  std::vector<Pending> pending_;
  Bytes buffer_;
};

// Checks what arrives against PatternByte, and that each byte comes once.
class PatternSink final : public ByteSink {
 public:
  PatternSink(Random* random, double refuse)
      : random_(random), refuse_(refuse) {}

  bool Write(StreamOffset offset, ByteSpan bytes) override;
  bool WriteRun(StreamOffset offset, BytePieces bytes) override;

  RangeSet written;
  std::uint64_t bytes_in_runs = 0;
  std::uint64_t wrong_bytes = 0;
  std::uint64_t doubled_bytes = 0;
  std::uint64_t unreleased = 0;

 private:
  Random* const random_;
  const double refuse_;
};

class Pair {
 public:
  struct Config {
    std::uint64_t seed = 1;
    LinkConfig link;
    std::size_t max_payload = 1'172;
    std::uint64_t receive_budget = 16 << 20;
    Duration initial_rtt = 333ms;
    Duration source_delay{0};
    double sink_refuses = 0;
    // The sink disposes of this many bytes a second; 0: at once.
    std::uint64_t sink_rate = 0;
    // The test changes max_payload on the way: full packets may differ in size.
    bool payload_changes = false;
    // Numbers that the channel takes for itself.
    double number_skip = 0.01;
    // Packets that one PollRun() may return; 0: it is not asked, and what comes
    // at one time is handed over one by one.
    std::size_t max_run = 40;
    // Packets that arrive wait for the next multiple of this, as they do in a
    // socket that is read now and then. 0: they don't.
    Duration gather{0};
    ConnectionTracer* tracer = nullptr;  // Of the sender.
    Congestion congestion = Congestion::kCubic;
    std::uint64_t rate_limit = 0;  // Of the sender.
  };

  explicit Pair(const Config& config);

  // Runs until done() or for limit, of virtual time; whether done() came true.
  bool RunUntil(const std::function<bool()>& done, Duration limit);
  // Offers [0, size) and runs until all is acknowledged.
  bool Transfer(std::uint64_t size, Duration limit);

  Connection& sender() { return *ends_[0].connection; }
  Connection& receiver() { return *ends_[1].connection; }
  PatternSource& source() { return source_; }
  PatternSink& sink() { return sink_; }
  TimePoint now() const { return now_; }
  Duration elapsed() const { return now_ - kStart; }
  // May be changed while it runs.
  LinkConfig& link() { return config_.link; }
  // Packets sent so far that the link lost, both ways.
  std::uint64_t dropped() const { return dropped_; }
  // Packets that were sent as parts of runs.
  std::uint64_t packets_in_runs() const { return packets_in_runs_; }
  // A hand in the traffic from one end (0: the sender): false drops it.
  std::function<bool(int from, PacketNumber, ByteSpan)> filter;

 private:
  static constexpr TimePoint kStart{1s};

  struct End {
    std::unique_ptr<Connection> connection;
    std::uint64_t next_number = 0;
    std::size_t full_size = 0;
    TimePoint link_free = kStart;  // When its last packet has left.
  };
  struct Flying {
    TimePoint arrival;
    std::uint64_t order;
    int from;
    PacketNumber number;
    Bytes payload;

    friend bool operator>(const Flying& a, const Flying& b) {
      return a.arrival != b.arrival ? a.arrival > b.arrival : a.order > b.order;
    }
  };

  void Drain(int from);
  void DrainRun(int from);
  void Send(int from, PacketNumber number, Bytes payload);
  void Deliver();
  void ReleaseSink();
  std::optional<TimePoint> NextEvent() const;

  Config config_;
  SeededRandom random_;
  TimePoint now_ = kStart;
  PatternSource source_;
  PatternSink sink_;
  TimePoint last_release_ = kStart;
  End ends_[2];
  std::priority_queue<Flying, std::vector<Flying>, std::greater<>> flying_;
  std::uint64_t order_ = 0;
  std::uint64_t dropped_ = 0;
  std::uint64_t packets_in_runs_ = 0;
};

}  // namespace p2pcp

#endif  // P2PCP_TRANSFER_CONNECTION_PAIR_H_

// A line that several transfers share: one queue, and connections through it,
// without channel and files, in virtual time. For what a congestion controller
// makes of a path: how fast, how long a queue, how fair.

#ifndef P2PCP_TESTS_SIM_LINE_H_
#define P2PCP_TESTS_SIM_LINE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/time.h"
#include "tests/sim/link.h"
#include "tests/sim/packet.h"
#include "tests/sim/simulator.h"
#include "transfer/connection/byte_space.h"
#include "transfer/connection/connection.h"
#include "transfer/connection/tracer.h"

namespace p2pcp::sim {

// Lets packets pass at a rate, with a bucket for bursts, and drops the rest.
class Policer final : public PacketSink {
 public:
  // rate: bytes a second, 0: lets everything pass; bucket: bytes.
  Policer(Simulator& simulator, std::uint64_t rate, std::size_t bucket,
          PacketSink& to);
  void Receive(PacketPtr packet) override;
  std::uint64_t drops() const { return drops_; }

 private:
  Simulator& simulator_;
  const double rate_;
  const double bucket_;
  PacketSink& to_;
  double tokens_;
  TimePoint filled_;
  std::uint64_t drops_ = 0;
};

struct LineOptions {
  std::uint64_t seed = 1;
  LinkOptions forward;   // The shared queue.
  LinkOptions backward;  // What ACKs take; one for each flow.
  std::uint64_t policer_rate = 0;
  std::size_t policer_bucket = 0;
};

struct FlowOptions {
  Congestion congestion = Congestion::kCubic;
  std::uint64_t bytes = 0;
  // Bytes that the receiver can hold: enough for any line, if nothing else is
  // said, so that the controller is the limit.
  std::uint64_t receive_budget = std::uint64_t{256} << 20;
  std::uint64_t rate_limit = 0;        // Bytes a second on the wire; 0: none.
  ConnectionTracer* tracer = nullptr;  // The sender's.
  // Where offsets and packet numbers begin.
  std::uint64_t first_offset = 0;
  std::uint64_t first_number = 0;
};

class Line {
 public:
  // Of each datagram besides the payload: header and tag.
  static constexpr std::size_t kOverhead = 28;
  // Makes full packets of 1500 bytes on the wire.
  static constexpr std::size_t kMaxPayload = 1500 - 28 - kOverhead;

  explicit Line(const LineOptions& options);
  ~Line();
  Line(const Line&) = delete;
  Line& operator=(const Line&) = delete;

  Simulator& simulator() { return simulator_; }
  Link& forward() { return *forward_; }
  const Policer& policer() const { return *policer_; }
  void set_up(bool up);

  // Starts now. Returns its index.
  std::size_t AddFlow(const FlowOptions& options);
  const ConnectionStats& stats(std::size_t flow) const;  // The sender's.
  const ConnectionStats& receiver_stats(std::size_t flow) const;
  // Bytes of the file that have arrived, and when the last did.
  std::uint64_t received(std::size_t flow) const;
  std::optional<TimePoint> finished(std::size_t flow) const;
  // Lets time pass until a flow's bytes have all arrived; false: not by then.
  bool RunUntilFinished(std::size_t flow, Duration limit);

  // How long packets waited in the queue, sampled each millisecond.
  Duration mean_queue() const;
  Duration queue_percentile(double part) const;

 private:
  class Flow;
  // Hands packets to the flow whose port they go to.
  class Demux final : public PacketSink {
   public:
    explicit Demux(Line& line) : line_(line) {}
    void Receive(PacketPtr packet) override;

   private:
    Line& line_;
  };

  void Sample();

  const LineOptions options_;
  Simulator simulator_;
  Demux demux_{*this};
  std::unique_ptr<Link> forward_;
  std::unique_ptr<Policer> policer_;
  std::vector<std::unique_ptr<Flow>> flows_;
  std::vector<Duration> queue_;
};

}  // namespace p2pcp::sim

#endif  // P2PCP_TESTS_SIM_LINE_H_

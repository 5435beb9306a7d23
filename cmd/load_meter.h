// What this process is busy with, for the verdict on what limited a transfer.

#ifndef P2PCP_CMD_LOAD_METER_H_
#define P2PCP_CMD_LOAD_METER_H_

#include "net/base/time.h"
#include "net/udp/event_loop.h"
#include "transfer/session/bottleneck.h"

namespace p2pcp::cmd {

// The thread that runs the loop, and all others, which are the disk's but for
// a few milliseconds of looking up names.
class ProcessLoad final : public LoadMeter {
 public:
  // loop must outlive it. To be used on the loop's thread only.
  explicit ProcessLoad(const udp::EventLoop* loop)
      : loop_(*loop), begin_(loop->Now()), waited_(loop->waited()) {}

  Load Read() const override;

 private:
  const udp::EventLoop& loop_;
  const TimePoint begin_;
  const Duration waited_;
};

}  // namespace p2pcp::cmd

#endif  // P2PCP_CMD_LOAD_METER_H_

// BBR beside flows that back off for each loss.
//
// Left alone, BBR pushes such a flow out where the queue is no longer than a
// round trip: the few packets that an overflow costs are below its threshold,
// and each of its probes makes the other one back off before it has come back
// from the last. So when there is company, a loss counts as it does for CUBIC:
// down to a part of what was in flight, and back along CUBIC's curve (RFC 9438)
// instead of by probing.
//
// Company is a queue that stands though we only send what was delivered before,
// and that stays when we send less: our own would drain. In a queue that is
// much longer than a round trip nothing is to be done: there a window of twice
// the bandwidth-delay product is the smaller one.

#include <algorithm>
#include <chrono>

#include "transfer/recovery/bbr.h"
#include "transfer/recovery/cubic_curve.h"

namespace p2pcp {
namespace {

double Seconds(Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

}  // namespace

Duration Bbr::StandingQueueRtt() const {
  return min_rtt_ + std::max(kStandingQueue, min_rtt_ / kStandingQueueDivisor);
}

bool Bbr::QueueStands() const {
  return last_round_min_rtt_ > StandingQueueRtt();
}

// At the start of each round, about the one that has ended.
void Bbr::UpdateCompany() {
  if (now_ - longest_queue_time_ > kLongestQueueTime) {
    longest_queue_time_ = now_;
    longest_rtt_[1] = longest_rtt_[0];
    longest_rtt_[0] = Duration(0);
  }
  longest_rtt_[0] = std::max(longest_rtt_[0], last_round_min_rtt_);
  if (state_ != State::kProbeBwCruise) {
    cruise_rounds_ = queue_rounds_ = 0;
    return;
  }
  // A round that began before CRUISE tells of what was sent before.
  const Duration longest = std::max(longest_rtt_[0], longest_rtt_[1]);
  if (++cruise_rounds_ < 2 || !QueueStands() ||
      Seconds(longest) >= kLongQueueRtts * Seconds(min_rtt_)) {
    queue_rounds_ = 0;
    company_ = false;
    return;
  }
  ++queue_rounds_;
  // Who comes new takes his part at once.
  company_ |=
      queue_rounds_ >= kCompanyRounds || last_round_rate_ < kArrivalRate * bw();
}

// False: the loss is to be taken as if we were alone.
bool Bbr::YieldToCompany(const LostPacket& packet) {
  if (!company_ || !InProbeBw()) return false;
  const DeliveryRate::Train* const train = rate_.Find(packet.number);
  if (train == nullptr) return false;
  // Those of before belong to the last time.
  if (train->sent_time > yield_time_) {
    const std::uint64_t lost = rate_.lost() - train->lost;
    const auto in_flight = static_cast<double>(train->in_flight);
    // Whoever fills the queue loses few packets. One more than the path's own
    // is enough, unless we have only just yielded.
    const double unusual =
        in_flight * (floor_.Threshold(train->in_flight / packet_size_) -
                     BbrLossFloor::kTolerated);
    const bool is_unusual = static_cast<double>(lost) > unusual &&
                            Seconds(train->sent_time - yield_time_) >=
                                coexistence_.time_to_plateau / kYieldDivisor;
    if (is_unusual ||
        InflightTooHigh(lost, rate_.lost_ranges() - train->lost_ranges,
                        train->in_flight)) {
      StartCoexistence(train->in_flight);
      return true;
    }
  }
  return Coexisting();
}

void Bbr::StartCoexistence(std::uint64_t in_flight) {
  SaveForUndo();
  if (IsProbingBw()) StartDown(now_);
  StartCruise();
  yield_time_ = now_;
  // What was delivered before the other came is no measure any more.
  if (last_round_rate_ > 0) {
    for (double& bw : max_bw_) bw = std::min(bw, last_round_rate_);
  }
  // Where the queue overflows at less than the last time, the other one grows:
  // the whole curve is set lower then, so that he gets there sooner.
  auto plateau = static_cast<double>(in_flight);
  if (plateau < coexistence_.plateau) plateau *= CubicCurve::kFastConvergence;
  const auto packet = static_cast<double>(packet_size_);
  coexistence_ = {.start = now_,
                  .plateau = plateau,
                  .time_to_plateau = CubicCurve::TimeToPlateau(
                      plateau * (1 - CubicCurve::kBeta) / packet),
                  .rtt = last_round_mean_rtt_};
}

std::uint64_t Bbr::CoexistenceBound() const {
  const auto packet = static_cast<double>(packet_size_);
  const double time = Seconds(now_ - *coexistence_.start);
  const double cubic =
      coexistence_.plateau +
      packet * CubicCurve::AbovePlateau(time - coexistence_.time_to_plateau);
  const double reno =
      CubicCurve::kBeta * coexistence_.plateau +
      CubicCurve::kAlpha * packet * time / Seconds(coexistence_.rtt);
  return static_cast<std::uint64_t>(
      std::min(std::max(cubic, reno),
               static_cast<double>(kMaxWindowPackets * packet_size_)));
}

// As long as CUBIC needs to come back from the loss that a probe has ended in.
Duration Bbr::WaitAfterLoss(std::uint64_t in_flight) const {
  const double seconds = CubicCurve::TimeToPlateau(
      static_cast<double>(in_flight) * (1 - CubicCurve::kBeta) /
      static_cast<double>(packet_size_));
  return Duration(static_cast<std::int64_t>(seconds * 1e9));
}

}  // namespace p2pcp

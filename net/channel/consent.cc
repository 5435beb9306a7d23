#include "net/channel/consent.h"

#include <algorithm>

#include "net/base/check.h"

namespace p2pcp::channel {

void Consent::OnPath(TimePoint now) {
  if (!running_) last_received_ = now;
  running_ = true;
  silent_ = false;
  unanswered_since_.reset();
  quiet_at_.reset();
  last_sent_ = now;
  keepalive_interval_ = KeepaliveInterval();
  standby_at_ = now + KeepaliveInterval();
}

Duration Consent::KeepaliveInterval() {
  // +-20 %, so that the two sides, and many sessions, drift apart.
  return kKeepaliveInterval * 4 / 5 +
         Duration(static_cast<Duration::rep>(
             random_->Below((kKeepaliveInterval * 2 / 5).count())));
}

Duration Consent::SilenceAfter() const {
  return std::max(kSilenceAfter, kSilenceRoundTrips * rtt_);
}

std::optional<Consent::Due> Consent::Poll(TimePoint now) {
  P2PCP_CHECK(running_);
  if (lost_) return std::nullopt;
  if (now >= last_received_ + kConsentTimeout) {
    lost_ = true;
    return Due::kLoss;
  }
  if (unanswered_since_ && now >= silence_at_) {
    silent_ = true;
    silence_at_ = now + kSilenceAgain;
    return Due::kSilence;
  }
  const bool quiet = quiet_at_ && now >= *quiet_at_;
  if (quiet) quiet_at_.reset();
  if (quiet || now >= last_sent_ + keepalive_interval_) {
    last_sent_ = now;
    keepalive_interval_ = KeepaliveInterval();
    return Due::kKeepalive;
  }
  if (now >= standby_at_) {
    standby_at_ = now + KeepaliveInterval();
    return Due::kStandby;
  }
  return std::nullopt;
}

std::optional<TimePoint> Consent::next() const {
  if (!running_ || lost_) return std::nullopt;
  TimePoint next = std::min({last_received_ + kConsentTimeout,
                             last_sent_ + keepalive_interval_, standby_at_});
  if (unanswered_since_) next = std::min(next, silence_at_);
  if (quiet_at_) next = std::min(next, *quiet_at_);
  return next;
}

}  // namespace p2pcp::channel

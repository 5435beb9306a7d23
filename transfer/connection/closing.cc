#include "transfer/connection/closing.h"

#include "net/base/check.h"

namespace p2pcp {

void Closing::Close(TimePoint now, std::uint16_t code) {
  P2PCP_CHECK(!closed());
  code_ = code;
  due_ = kAtOnce;
  left_ = kInAll;
  answered_ = now;
}

void Closing::CloseForViolation(std::uint16_t code) {
  code_ = code;
  due_ = left_ = kAtOnce;
}

void Closing::OnPacket(TimePoint now, Duration smoothed_rtt) {
  if (left_ == 0 || due_ > 0 || now < answered_ + smoothed_rtt) return;
  due_ = 1;
  answered_ = now;
}

bool Closing::TakeDue() {
  if (peer_code_ || due_ == 0 || left_ == 0) return false;
  --due_;
  --left_;
  return true;
}

}  // namespace p2pcp

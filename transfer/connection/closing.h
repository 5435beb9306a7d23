// Closing: how an end says that it is over, and how it hears that of the peer
// (transfer/wire/PROTOCOL.md section 9).
//
// CLOSE is never acknowledged. It goes out a few times at once, and again in
// answer to what a peer that has missed it still sends; who has heard the
// peer's says nothing more.

#ifndef P2PCP_TRANSFER_CONNECTION_CLOSING_H_
#define P2PCP_TRANSFER_CONNECTION_CLOSING_H_

#include <cstdint>
#include <optional>

#include "net/base/time.h"

namespace p2pcp {

class Closing {
 public:
  // So often at once: at 20 % loss the peer misses all of them in 1 of 125
  // cases,
  static constexpr int kAtOnce = 3;
  // and so often in all, with those in answer to what it still sends.
  static constexpr int kInAll = 16;

  // It is over. REQUIRES: !closed().
  void Close(TimePoint now, std::uint16_t code);
  // The same, to a peer that broke the protocol: it gets no answers.
  void CloseForViolation(std::uint16_t code);
  // The peer's CLOSE has come.
  void OnPeerClose(std::uint16_t code) { peer_code_ = code; }
  // Something else has come, after Close(): the peer has not heard. Within
  // smoothed_rtt it can't have, which is no reason to say it again.
  void OnPacket(TimePoint now, Duration smoothed_rtt);
  // Whether a CLOSE is to be sent now; it counts as sent.
  bool TakeDue();

  // Ours, once closed.
  std::optional<std::uint16_t> code() const { return code_; }
  std::optional<std::uint16_t> peer_code() const { return peer_code_; }
  bool closed() const { return code_.has_value() || peer_code_.has_value(); }

 private:
  std::optional<std::uint16_t> code_;
  std::optional<std::uint16_t> peer_code_;
  int due_ = 0;   // CLOSEs to be sent now,
  int left_ = 0;  // and at most from now on.
  TimePoint answered_;
};

}  // namespace p2pcp

#endif  // P2PCP_TRANSFER_CONNECTION_CLOSING_H_

// The packets of a tactic: which socket sends where, and when, within bounds
// that a router and its owner can live with. Sans-IO; what a packet holds, and
// what comes back, is for others to know.

#ifndef P2PCP_NET_ICE_GUESS_STAGE_H_
#define P2PCP_NET_ICE_GUESS_STAGE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "net/base/random.h"
#include "net/base/socket_address.h"
#include "net/base/time.h"
#include "net/ice/port_model.h"
#include "net/ice/tactic.h"

namespace p2pcp::ice {

// 500 guesses a second: each leaves an entry in our router's table, and a
// network that sees more takes it for a flood.
inline constexpr Duration kGuessInterval = 2ms;
// Openers all go to one address and die before it.
inline constexpr Duration kOpenInterval = 1ms;
inline constexpr int kMaxProbesPerStage = 1500;
inline constexpr int kMaxStages = 2;
// Of both stages and whatever else a tactic sends.
inline constexpr int kMaxProbes = 4000;
// Of which only so many go to the guessed address (openers don't arrive there).
inline constexpr int kMaxGuesses = kMaxStages * kMaxProbesPerStage;
// A first stage of guesses ends after two rounds over the ports that there are,
// but not before so many of them: the peer may begin a second late.
inline constexpr int kMinGuesses = 500;
// Between two stages: what is under way may still hit.
inline constexpr Duration kStagePause = 300ms;

// Whether a stranger's stray packet may be sent to this port: none below 1024,
// none where games, phones, printers and name services listen or where
// application gateways of routers look into packets.
bool IsGuessable(std::uint16_t port);

class GuessStage {
 public:
  struct Config {
    Tactic tactic;
    PortModel ours;
    PortModel theirs;
    // The one address that is guessed at.
    IpAddress peer;
    // kOpen: where the peer's one socket is seen; not empty.
    std::vector<SocketAddress> endpoints;
    // Sockets that there are, perhaps fewer than the tactic wants. REQUIRES:
    // at least one unless the tactic is kGuess.
    int sockets = 0;
    // 0, and more for each time that it begins anew with other sockets.
    int attempt = 0;
    // Probes that may still be sent.
    int budget = kMaxProbes;
  };
  GuessStage(TimePoint now, const Config& config, Random& random);

  struct Transmit {
    int socket = 0;  // Of the extra ones; kMainSocket: the one there was.
    SocketAddress to;
    int hop_limit = 0;  // 0: the system's default.
  };
  static constexpr int kMainSocket = -1;
  std::optional<Transmit> PollTransmit(TimePoint now);
  // nullopt: it has sent all it may.
  std::optional<TimePoint> PollTimeout() const { return next_; }
  int sent() const { return sent_; }

 private:
  Transmit Next() const;
  void Plan();
  void PlanPorts(Random& random);
  // kLottery between a block and a sequence: whether we are the block, or the
  // sequence.
  bool Aims() const;
  bool IsAimedAt() const;
  Transmit Aim() const;
  Transmit WaitForAim() const;
  // kLottery between two blocks.
  Transmit Draw() const;

  Config config_;
  // Where to, in this order, again and again.
  std::vector<std::uint16_t> ports_;
  int limit_ = 0;  // Probes in all.
  int round_ = 0;  // Probes until the next pause.
  Duration interval_{};
  int sent_ = 0;
  TimePoint begin_;
  std::optional<TimePoint> next_;
};

}  // namespace p2pcp::ice

#endif  // P2PCP_NET_ICE_GUESS_STAGE_H_

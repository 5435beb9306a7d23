// What a pairing tells, and what both of its sides know of it.

#ifndef P2PCP_NET_SIGNALING_PAIRING_EVENT_H_
#define P2PCP_NET_SIGNALING_PAIRING_EVENT_H_

#include <variant>

#include "net/base/result.h"
#include "net/base/time.h"
#include "net/crypto/key.h"
#include "net/crypto/public_key.h"

namespace p2pcp::signaling {

// How long a code lives, from when it is shown or typed.
inline constexpr Duration kPairingLife = 10min;
// Wrong proofs that burn a code, and proofs that are given away for one: each
// is one guess for whoever gets it. 6 guesses of 1295^3: one in 3.6 * 10^8.
inline constexpr int kMaxPairingGuesses = 3;

// The other side has proved that it has the code, and this is its key. Nothing
// is settled until the caller has kept it and says Confirm().
struct Paired {
  crypto::PublicKey peer;
  crypto::Psk psk;
};

// Somebody tried the code that we show, and it was wrong: mistyped or guessed.
struct WrongGuess {
  int left;  // More of them until the code is burnt; > 0.
};

// The code that was entered is not the one that the other side shows, or so
// somebody says. Enter() may be called again.
struct WrongCode {
  // More tries, at most; > 0. Wrong ones that were typed in an earlier run of
  // the program, or elsewhere, are known to the displayer alone.
  int left;
};

// Nobody has answered to the code that was entered so far. Once for each.
struct NobodyThere {};

// The end. kAuthenticationFailed: burnt, or somebody interferes;
// kPeerNeverAppeared: its life is over; kVersionMismatch; kDeclined: the other
// side cannot keep our key; kUsage: the other side is this device itself.
struct PairingFailed {
  Error error;
};

using PairingEvent =
    std::variant<Paired, WrongGuess, WrongCode, NobodyThere, PairingFailed>;

}  // namespace p2pcp::signaling

#endif  // P2PCP_NET_SIGNALING_PAIRING_EVENT_H_

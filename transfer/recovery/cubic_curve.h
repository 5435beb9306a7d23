// The curve of CUBIC (RFC 9438 section 4): how a window comes back after a
// congestion event, by the time that has passed since. Windows in packets,
// times in seconds.

#ifndef P2PCP_TRANSFER_RECOVERY_CUBIC_CURVE_H_
#define P2PCP_TRANSFER_RECOVERY_CUBIC_CURVE_H_

#include <cmath>

namespace p2pcp {

struct CubicCurve {
  // What is left of the window, section 4.6.
  static constexpr double kBeta = 0.7;
  // Packets per second cubed, section 5.
  static constexpr double kC = 0.4;
  // Packets a round trip that are as fast as Reno with its factor of 1/2,
  // section 4.3.
  static constexpr double kAlpha = 3.0 * (1.0 - kBeta) / (1.0 + kBeta);
  // What the plateau becomes where it lies below the one before, section 4.7.
  static constexpr double kFastConvergence = (1.0 + kBeta) / 2.0;

  // How long it takes to the plateau, from so much below it.
  static double TimeToPlateau(double below) { return std::cbrt(below / kC); }
  // How much above the plateau the window is so long after it; both negative
  // before it.
  static double AbovePlateau(double time) { return kC * time * time * time; }
};

}  // namespace p2pcp

#endif  // P2PCP_TRANSFER_RECOVERY_CUBIC_CURVE_H_

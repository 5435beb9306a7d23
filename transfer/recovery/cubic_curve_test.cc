#include "transfer/recovery/cubic_curve.h"

#include <gtest/gtest.h>

namespace p2pcp {
namespace {

// RFC 9438 section 4.2: K is the time after which the window is W_max again.
TEST(CubicCurve, ReachesThePlateauWhenItSays) {
  const double w_max = 1000;
  const double k = CubicCurve::TimeToPlateau(w_max - CubicCurve::kBeta * w_max);
  EXPECT_NEAR(k, 9.086, 0.001);  // The cube root of 300 / 0.4.
  EXPECT_NEAR(w_max + CubicCurve::AbovePlateau(0 - k),
              CubicCurve::kBeta * w_max, 1e-6);
  EXPECT_EQ(CubicCurve::AbovePlateau(k - k), 0);
  EXPECT_GT(CubicCurve::AbovePlateau(1), 0);
}

// Section 4.3 gives 9/17 for a beta of 0.7.
TEST(CubicCurve, IsAsFastAsReno) {
  EXPECT_NEAR(CubicCurve::kAlpha, 9.0 / 17.0, 1e-12);
}

}  // namespace
}  // namespace p2pcp

#include "cmd/doctor/joint_verdict.h"

#include <gtest/gtest.h>

namespace p2pcp::cmd {
namespace {

ice::Nat Make(ice::Dependence mapping) {
  ice::Nat nat;
  nat.mapping = mapping;
  nat.filtering = ice::Dependence::kAddressAndPortDependent;
  nat.external = {*IpAddress::Parse("203.0.113.7")};
  return nat;
}

TEST(JointVerdict, JoinsWhatBothSidesKnow) {
  const ice::Nat easy = Make(ice::Dependence::kEndpointIndependent);
  const ice::Nat hard = Make(ice::Dependence::kAddressAndPortDependent);
  EXPECT_EQ(Join(easy, easy).outlook, Outlook::kWillPunch);
  // One that can be found by trying, from either side.
  EXPECT_EQ(Join(hard, easy).outlook, Outlook::kNeedsGuessing);
  EXPECT_EQ(Join(easy, hard).outlook, Outlook::kNeedsGuessing);
  // Two of whose ports nothing is known.
  EXPECT_EQ(Join(hard, hard).outlook, Outlook::kWillNot);
}

}  // namespace
}  // namespace p2pcp::cmd

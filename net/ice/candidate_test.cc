#include "net/ice/candidate.h"

#include <gtest/gtest.h>

namespace p2pcp::ice {
namespace {

bool Probeable(std::string_view text, bool allow_loopback = false) {
  const auto address = SocketAddress::Parse(text);
  EXPECT_TRUE(address.has_value()) << text;
  return IsProbeable(*address, allow_loopback);
}

// RFC 8445 section 5.1.2.1: (2^24)*126 + (2^8)*65535 + 255.
TEST(CandidatePriority, FollowsTheFormula) {
  EXPECT_EQ(ComputePriority(CandidateType::kHost, 65535), 2130706431u);
  EXPECT_EQ(ComputePriority(CandidateType::kServerReflexive, 0),
            (100u << 24) + 255);
}

TEST(CandidatePriority, PutsTypeBeforePreference) {
  EXPECT_GT(ComputePriority(CandidateType::kHost, 0),
            ComputePriority(CandidateType::kPeerReflexive, 65535));
  EXPECT_GT(ComputePriority(CandidateType::kPeerReflexive, 0),
            ComputePriority(CandidateType::kMapped, 65535));
  EXPECT_GT(ComputePriority(CandidateType::kMapped, 0),
            ComputePriority(CandidateType::kServerReflexive, 65535));
}

// RFC 8445 section 6.1.2.3: 2^32*MIN(G,D) + 2*MAX(G,D) + (G>D?1:0).
TEST(CandidatePriority, OfAPairBreaksTiesByRole) {
  EXPECT_EQ(ComputePairPriority(2, 1), (1ull << 32) + 4 + 1);
  EXPECT_EQ(ComputePairPriority(1, 2), (1ull << 32) + 4);
}

TEST(CandidateFilter, LetsOrdinaryAddressesPass) {
  EXPECT_TRUE(Probeable("192.168.1.2:5000"));
  EXPECT_TRUE(Probeable("100.64.3.4:5000"));
  EXPECT_TRUE(Probeable("203.0.113.7:1024"));
  EXPECT_TRUE(Probeable("203.0.113.7:443"));
  EXPECT_TRUE(Probeable("[2001:db8::1]:65535"));
  EXPECT_TRUE(Probeable("[fd00::1]:5000"));
}

TEST(CandidateFilter, RefusesPrivilegedPorts) {
  EXPECT_FALSE(Probeable("203.0.113.7:0"));
  EXPECT_FALSE(Probeable("203.0.113.7:53"));
  EXPECT_FALSE(Probeable("203.0.113.7:442"));
  EXPECT_FALSE(Probeable("203.0.113.7:1023"));
  EXPECT_FALSE(Probeable("[2001:db8::1]:123"));
}

TEST(CandidateFilter, RefusesAddressesOfNoSingleHost) {
  EXPECT_FALSE(Probeable("0.0.0.0:5000"));
  EXPECT_FALSE(Probeable("0.1.2.3:5000"));
  EXPECT_FALSE(Probeable("224.0.0.1:5000"));
  EXPECT_FALSE(Probeable("239.255.255.250:5000"));
  EXPECT_FALSE(Probeable("240.0.0.1:5000"));
  EXPECT_FALSE(Probeable("255.255.255.255:5000"));
  EXPECT_FALSE(Probeable("[::]:5000"));
  EXPECT_FALSE(Probeable("[ff02::1]:5000"));
  EXPECT_FALSE(Probeable("169.254.1.1:5000"));
  EXPECT_FALSE(Probeable("[fe80::1]:5000"));
}

TEST(CandidateFilter, LetsLoopbackPassOnlyWhereAllowed) {
  EXPECT_FALSE(Probeable("127.0.0.1:5000"));
  EXPECT_FALSE(Probeable("127.9.9.9:5000"));
  EXPECT_FALSE(Probeable("[::1]:5000"));
  EXPECT_TRUE(Probeable("127.0.0.1:5000", true));
  EXPECT_TRUE(Probeable("[::1]:5000", true));
  EXPECT_FALSE(Probeable("127.0.0.1:53", true));
}

}  // namespace
}  // namespace p2pcp::ice

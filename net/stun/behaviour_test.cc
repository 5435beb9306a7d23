#include "net/stun/behaviour.h"

#include <gtest/gtest.h>

#include <vector>

namespace p2pcp::stun {
namespace {

SocketAddress At(std::string_view text) { return *SocketAddress::Parse(text); }

Observation Seen(std::string_view server, std::string_view mapped) {
  return {At(server), At(mapped)};
}

const std::vector<Observation> kAgreed = {
    Seen("198.51.100.1:3478", "203.0.113.1:4000"),
    Seen("198.51.100.2:3478", "203.0.113.1:4000")};
const std::vector<Observation> kDiffers = {
    Seen("198.51.100.1:3478", "203.0.113.1:4000"),
    Seen("198.51.100.2:3478", "203.0.113.1:4001")};

std::vector<Observation> With(std::vector<Observation> base, Observation more) {
  base.push_back(more);
  return base;
}

TEST(ClassifyMapping, OneServerTellsNothingHoweverManyPortsItHas) {
  EXPECT_EQ(ClassifyMapping({}), Dependence::kUnknown);
  EXPECT_EQ(ClassifyMapping(
                std::vector{Seen("198.51.100.1:3478", "203.0.113.1:4000"),
                            Seen("198.51.100.1:3479", "203.0.113.1:4000")}),
            Dependence::kUnknown);
}

TEST(ClassifyMapping, TwoThatAgreeSayIndependent) {
  EXPECT_EQ(ClassifyMapping(kAgreed), Dependence::kEndpointIndependent);
}

TEST(ClassifyMapping, TwoThatDifferSayDependent) {
  EXPECT_EQ(ClassifyMapping(kDiffers), Dependence::kAddressAndPortDependent);
}

TEST(ClassifyMapping, ASecondPortTellsWhatItDependsOn) {
  EXPECT_EQ(ClassifyMapping(
                With(kDiffers, Seen("198.51.100.1:3479", "203.0.113.1:4000"))),
            Dependence::kAddressDependent);
  EXPECT_EQ(ClassifyMapping(
                With(kDiffers, Seen("198.51.100.1:3479", "203.0.113.1:4002"))),
            Dependence::kAddressAndPortDependent);
}

TEST(ClassifyMapping, OneLiarOfThreeIsOutvoted) {
  EXPECT_EQ(
      ClassifyMapping(With(kAgreed, Seen("198.51.100.3:3478", "192.0.2.99:1"))),
      Dependence::kEndpointIndependent);
}

TEST(ClassifyMapping, AnotherAddressOfAPoolIsAnotherMapping) {
  EXPECT_EQ(ClassifyMapping(
                std::vector{Seen("198.51.100.1:3478", "203.0.113.1:4000"),
                            Seen("198.51.100.2:3478", "203.0.113.2:4000")}),
            Dependence::kAddressAndPortDependent);
}

}  // namespace
}  // namespace p2pcp::stun

#include "net/connect/reflexive_gatherer.h"

#include <array>

#include "gtest/gtest.h"
#include "net/stun/binding_responder.h"

namespace p2pcp::connect {
namespace {

SocketAddress At(const char* text) {
  return SocketAddress::Parse(text).value();
}

class ReflexiveGathererTest : public testing::Test {
 protected:
  // The next request, if there is one.
  std::optional<ReflexiveGatherer::Transmit> Poll() {
    return gatherer_.PollTransmit(now_, request_);
  }
  // What the server answers if it sees the request come from `mapped`.
  void Answer(const ReflexiveGatherer::Transmit& transmit,
              const SocketAddress& mapped) {
    std::array<std::byte, stun::BindingResponder::kMaxResponseSize> response;
    const std::size_t size = responder_.HandleDatagram(
        mapped, ByteSpan(request_).first(transmit.size), response);
    ASSERT_GT(size, 0u);
    EXPECT_TRUE(gatherer_.HandleDatagram(now_, transmit.socket, transmit.to,
                                         ByteSpan(response).first(size)));
  }

  TimePoint now_{1s};
  SeededRandom random_{1};
  ReflexiveGatherer gatherer_{random_};
  stun::BindingResponder responder_;
  std::array<std::byte, 64> request_;
};

TEST_F(ReflexiveGathererTest, TellsWhatAServerSees) {
  gatherer_.AddServer(now_, At("198.51.100.1:3478"), 0);
  const auto transmit = Poll();
  ASSERT_TRUE(transmit);
  EXPECT_EQ(transmit->to, At("198.51.100.1:3478"));
  EXPECT_FALSE(Poll()) << "one request, then it waits";
  Answer(*transmit, At("203.0.113.9:4000"));
  const auto mapping = gatherer_.PollMapping();
  ASSERT_TRUE(mapping);
  EXPECT_EQ(mapping->mapped, At("203.0.113.9:4000"));
  EXPECT_EQ(gatherer_.mappings().size(), 1u);
}

TEST_F(ReflexiveGathererTest, AsksAgainBeforeTheMappingIsForgotten) {
  gatherer_.AddServer(now_, At("198.51.100.1:3478"), 0);
  Answer(*Poll(), At("203.0.113.9:4000"));
  ASSERT_TRUE(gatherer_.PollMapping());
  now_ = gatherer_.PollTimeout().value();
  EXPECT_LE(now_ - TimePoint{1s}, 25s);
  gatherer_.HandleTimeout(now_);
  auto transmit = Poll();
  ASSERT_TRUE(transmit);
  Answer(*transmit, At("203.0.113.9:4000"));
  EXPECT_FALSE(gatherer_.PollMapping()) << "nothing new";

  now_ += ReflexiveGatherer::kRefresh;
  gatherer_.HandleTimeout(now_);
  transmit = Poll();
  ASSERT_TRUE(transmit);
  Answer(*transmit, At("203.0.113.9:5000"));
  EXPECT_EQ(gatherer_.PollMapping()->mapped, At("203.0.113.9:5000"));
}

TEST_F(ReflexiveGathererTest, ADeadServerIsAskedAgainLater) {
  gatherer_.AddServer(now_, At("198.51.100.1:3478"), 0);
  int requests = 0;
  const TimePoint end = now_ + 3 * ReflexiveGatherer::kRefresh;
  while (now_ < end) {
    while (Poll()) ++requests;
    now_ = gatherer_.PollTimeout().value();
    gatherer_.HandleTimeout(now_);
  }
  // RFC 8489's schedule in each of the three rounds, and no more.
  EXPECT_EQ(requests, 3 * stun::kMaxRequests);
  EXPECT_TRUE(gatherer_.mappings().empty());
}

TEST_F(ReflexiveGathererTest, StopsAndIsBounded) {
  for (std::uint16_t port = 1; port < 100; ++port) {
    gatherer_.AddServer(now_, {At("198.51.100.1:1").ip, port}, 0);
  }
  std::size_t requests = 0;
  while (Poll()) ++requests;
  EXPECT_EQ(requests, ReflexiveGatherer::kMaxServers);
  gatherer_.Stop();
  EXPECT_FALSE(gatherer_.PollTimeout());
  now_ += 60s;
  gatherer_.HandleTimeout(now_);
  EXPECT_FALSE(Poll());
}

}  // namespace
}  // namespace p2pcp::connect

#include "net/connect/reflexive_gatherer.h"

#include <array>

#include "gtest/gtest.h"
#include "net/stun/behaviour.h"
#include "net/stun/binding_responder.h"
#include "net/stun/message.h"

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

// A server with two addresses (RFC 5780).
class TwoAddresses : public ReflexiveGathererTest {
 protected:
  const SocketAddress server_ = At("198.51.100.1:3478");
  const SocketAddress other_ = At("198.51.100.2:3479");

  // As the server answers: with its other address, or from it.
  void AnswerAll(bool lets_in) {
    while (const auto transmit = Poll()) {
      const auto request =
          *stun::Parse(ByteSpan(request_).first(transmit->size));
      stun::Message response;
      response.message_class = stun::MessageClass::kSuccessResponse;
      response.transaction_id = request.transaction_id;
      response.xor_mapped_address = At("203.0.113.9:4000");
      response.other_address = other_;
      SocketAddress from = transmit->to;
      if (request.change_request) {
        ++changes_;
        if (!lets_in) continue;
        from.port = other_.port;
        if (request.change_request->ip) from.ip = other_.ip;
      }
      std::array<std::byte, 128> bytes;
      const std::size_t size = stun::Encode(response, bytes);
      EXPECT_TRUE(gatherer_.HandleDatagram(now_, transmit->socket, from,
                                           ByteSpan(bytes).first(size)));
    }
  }
  void RunFor(Duration time, bool lets_in) {
    const TimePoint end = now_ + time;
    for (;;) {
      gatherer_.HandleTimeout(now_);
      AnswerAll(lets_in);
      const auto next = gatherer_.PollTimeout();
      if (!next || *next > end) break;
      now_ = *next;
    }
    now_ = end;
  }

  int changes_ = 0;
};

TEST_F(TwoAddresses, TellHowTheNatFilters) {
  gatherer_.AddServer(now_, server_, 0);
  RunFor(1s, /*lets_in=*/true);
  EXPECT_EQ(gatherer_.filtering(), stun::Dependence::kEndpointIndependent);
  EXPECT_EQ(changes_, 2);
  RunFor(1min, true);
  EXPECT_EQ(changes_, 2) << "once";
}

TEST_F(TwoAddresses, SilenceIsAFilterToo) {
  gatherer_.AddServer(now_, server_, 0);
  RunFor(1s, /*lets_in=*/false);
  EXPECT_EQ(gatherer_.filtering(), stun::Dependence::kUnknown);
  RunFor(4s, false);
  EXPECT_EQ(gatherer_.filtering(), stun::Dependence::kAddressAndPortDependent);
}

TEST_F(TwoAddresses, TellNothingWhereBothAreAsked) {
  gatherer_.AddServer(now_, server_, 0);
  gatherer_.AddServer(now_, At("198.51.100.2:3478"), 0);
  RunFor(1s, true);
  EXPECT_EQ(changes_, 0);
  EXPECT_EQ(gatherer_.filtering(), stun::Dependence::kUnknown);
}

TEST_F(TwoAddresses, TellNothingOnceTheOtherOneIsAsked) {
  gatherer_.AddServer(now_, server_, 0);
  RunFor(1s, true);
  gatherer_.AddServer(now_, At("198.51.100.2:3478"), 0);
  EXPECT_EQ(gatherer_.filtering(), stun::Dependence::kUnknown);
}

TEST_F(TwoAddresses, AreNotAskedAnyMoreOnceItStops) {
  gatherer_.AddServer(now_, server_, 0);
  RunFor(500ms, /*lets_in=*/false);
  gatherer_.Stop();
  EXPECT_FALSE(gatherer_.PollTimeout());
  EXPECT_FALSE(Poll());
}

}  // namespace
}  // namespace p2pcp::connect

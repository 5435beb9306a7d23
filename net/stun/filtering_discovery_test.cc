#include "net/stun/filtering_discovery.h"

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <optional>
#include <string_view>

#include "net/base/bytes.h"
#include "net/base/random.h"
#include "net/base/socket_address.h"
#include "net/base/time.h"
#include "net/stun/binding_responder.h"
#include "net/stun/message.h"

namespace p2pcp::stun {
namespace {

SocketAddress At(std::string_view text) { return *SocketAddress::Parse(text); }

const SocketAddress kServer = At("198.51.100.1:3478");
const SocketAddress kOther = At("198.51.100.2:3479");
const SocketAddress kOtherPort = At("198.51.100.1:3479");
const SocketAddress kSelf = At("203.0.113.7:4000");

class FilteringDiscoveryTest : public testing::Test {
 protected:
  // What the server sends, and from where, behind a filter of that kind.
  void Answer(const Message& request, Dependence filter) {
    ASSERT_TRUE(request.change_request);
    EXPECT_TRUE(request.change_request->port);
    const SocketAddress from = request.change_request->ip ? kOther : kOtherPort;
    if (filter == Dependence::kAddressAndPortDependent ||
        (filter == Dependence::kAddressDependent && from.ip != kServer.ip)) {
      return;
    }
    Message response;
    response.message_class = MessageClass::kSuccessResponse;
    response.transaction_id = request.transaction_id;
    response.xor_mapped_address = kSelf;
    Deliver(from, response);
  }
  void Deliver(const SocketAddress& from, const Message& response) {
    std::array<std::byte, 128> out;
    const std::size_t size = Encode(response, out);
    EXPECT_TRUE(
        discovery_.HandleDatagram(now_, from, ByteSpan(out).first(size)));
  }
  // To its end; `answer` gets every request.
  template <typename F>
  void Run(F answer) {
    std::array<std::byte, kMaxRequestSize> out;
    for (;;) {
      discovery_.HandleTimeout(now_);
      while (const auto size = discovery_.PollTransmit(now_, out)) {
        ++requests_;
        answer(*Parse(ByteSpan(out).first(*size)));
      }
      const auto next = discovery_.PollTimeout();
      if (!next) return;
      EXPECT_EQ(discovery_.result(), Dependence::kUnknown);
      now_ = *next;
    }
  }

  TimePoint now_{1s};
  SeededRandom random_{1};
  FilteringDiscovery discovery_{now_, kServer, kOther, random_};
  int requests_ = 0;
};

TEST_F(FilteringDiscoveryTest, LetsInFromAnywhere) {
  Run([&](const Message& request) {
    Answer(request, Dependence::kEndpointIndependent);
  });
  EXPECT_EQ(discovery_.result(), Dependence::kEndpointIndependent);
  EXPECT_EQ(now_, TimePoint(1s));
  EXPECT_EQ(requests_, 2);
}

TEST_F(FilteringDiscoveryTest, LetsInFromAnAddressThatWasSentTo) {
  Run([&](const Message& request) {
    Answer(request, Dependence::kAddressDependent);
  });
  EXPECT_EQ(discovery_.result(), Dependence::kAddressDependent);
}

TEST_F(FilteringDiscoveryTest, LetsInNobodyElse) {
  Run([&](const Message& request) {
    Answer(request, Dependence::kAddressAndPortDependent);
  });
  EXPECT_EQ(discovery_.result(), Dependence::kAddressAndPortDependent);
  EXPECT_EQ(now_, TimePoint(4100ms));
  EXPECT_EQ(requests_, 10);
}

// As our own server does.
TEST_F(FilteringDiscoveryTest, AServerThatRefusesTellsNothing) {
  BindingResponder responder;
  Run([&](const Message& request) {
    std::array<std::byte, kMaxRequestSize> out;
    std::array<std::byte, BindingResponder::kMaxResponseSize> response;
    const std::size_t size = responder.HandleDatagram(
        kSelf, ByteSpan(out).first(Encode(request, out)), response);
    ASSERT_TRUE(discovery_.HandleDatagram(now_, kServer,
                                          ByteSpan(response).first(size)));
  });
  EXPECT_EQ(responder.stats().refused, 2u);
  EXPECT_EQ(discovery_.result(), Dependence::kUnknown);
}

// RFC 3489's servers, and careless ones.
TEST_F(FilteringDiscoveryTest, AnAnswerFromWhereItWasAskedTellsNothing) {
  Run([&](const Message& request) {
    Message response;
    response.message_class = MessageClass::kSuccessResponse;
    response.transaction_id = request.transaction_id;
    response.xor_mapped_address = kSelf;
    Deliver(kServer, response);
  });
  EXPECT_EQ(discovery_.result(), Dependence::kUnknown);
}

TEST_F(FilteringDiscoveryTest, StrangersAreNotHeard) {
  std::array<std::byte, kMaxRequestSize> out;
  const auto size = discovery_.PollTransmit(now_, out);
  ASSERT_TRUE(size);
  Message response;
  response.message_class = MessageClass::kSuccessResponse;
  response.transaction_id = Parse(ByteSpan(out).first(*size))->transaction_id;
  response.xor_mapped_address = kSelf;
  std::array<std::byte, 128> bytes;
  const ByteSpan datagram = ByteSpan(bytes).first(Encode(response, bytes));
  EXPECT_FALSE(
      discovery_.HandleDatagram(now_, At("198.51.100.3:3479"), datagram));
  EXPECT_FALSE(
      discovery_.HandleDatagram(now_, At("198.51.100.2:3478"), datagram));
}

TEST(FilteringDiscovery, TakesOnlyAnotherAddressWithAnotherPort) {
  const auto usable = [](std::string_view other) {
    return FilteringDiscovery::IsUsable(kServer, At(other));
  };
  EXPECT_TRUE(usable("198.51.100.2:3479"));
  EXPECT_FALSE(usable("198.51.100.1:3479"));
  EXPECT_FALSE(usable("198.51.100.2:3478"));
  EXPECT_FALSE(usable("198.51.100.2:0"));
  EXPECT_FALSE(usable("0.0.0.0:3479"));
  EXPECT_FALSE(usable("224.0.0.1:3479"));
  EXPECT_FALSE(usable("[2001:db8::1]:3479"));
}

}  // namespace
}  // namespace p2pcp::stun

#include "net/stun/binding_responder.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <optional>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/random.h"
#include "net/base/socket_address.h"
#include "net/base/time.h"
#include "net/stun/binding_transaction.h"
#include "net/stun/message.h"

namespace p2pcp::stun {
namespace {

const SocketAddress kClient = *SocketAddress::Parse("203.0.113.5:40000");
const SocketAddress kClient6 = *SocketAddress::Parse("[2001:db8::5]:40000");

Bytes EncodeToBytes(const Message& message) {
  Bytes out(kMaxMessageSize);
  out.resize(Encode(message, out));
  return out;
}

Message Request() {
  Message request;
  request.transaction_id.fill(std::byte{0x5a});
  return request;
}

class BindingResponderTest : public testing::Test {
 protected:
  // The answer, empty for silence.
  Bytes Ask(ByteSpan request, const SocketAddress& from = kClient) {
    Bytes out(BindingResponder::kMaxResponseSize);
    out.resize(responder_.HandleDatagram(from, request, out));
    return out;
  }

  BindingResponder responder_;
};

TEST_F(BindingResponderTest, TellsTheClientItsAddress) {
  for (const SocketAddress& client : {kClient, kClient6}) {
    const Bytes answer = Ask(EncodeToBytes(Request()), client);
    const std::optional<Message> response = Parse(answer);
    ASSERT_TRUE(response.has_value());
    EXPECT_EQ(response->message_class, MessageClass::kSuccessResponse);
    EXPECT_EQ(response->transaction_id, Request().transaction_id);
    EXPECT_EQ(response->xor_mapped_address, client);
    EXPECT_FALSE(response->fingerprint);
    EXPECT_EQ(answer.size(), client.ip.is_v6() ? 44u : 32u);
  }
  EXPECT_EQ(responder_.stats().answered, 2u);
}

TEST_F(BindingResponderTest, PutsAFingerprintWhereTheRequestHadOne) {
  Message request = Request();
  request.fingerprint = true;
  const Bytes answer = Ask(EncodeToBytes(request));
  ASSERT_TRUE(Parse(answer).has_value());
  EXPECT_TRUE(Parse(answer)->fingerprint);
}

TEST_F(BindingResponderTest, SatisfiesOurOwnTransaction) {
  SeededRandom random(1);
  const SocketAddress server = *SocketAddress::Parse("[2001:db8::1]:3478");
  BindingTransaction transaction(TimePoint(1s), server, random);
  Bytes request(28);
  ASSERT_TRUE(transaction.PollTransmit(TimePoint(1s), request).has_value());
  const Bytes answer = Ask(request, kClient6);
  EXPECT_TRUE(transaction.HandleDatagram(TimePoint(1s), server, answer));
  EXPECT_EQ(transaction.mapped_address(), kClient6);
}

// RFC 8489 section 6.3.1. CHANGE-REQUEST of RFC 5780 is the usual one.
TEST_F(BindingResponderTest, NamesWhatItDoesNotUnderstand) {
  Bytes request = EncodeToBytes(Request());
  const Bytes change_request = Unhex("0003000400000006");
  request.insert(request.end(), change_request.begin(), change_request.end());
  request[3] = std::byte{8};
  const Bytes answer = Ask(request);
  const std::optional<Message> response = Parse(answer);
  ASSERT_TRUE(response.has_value());
  EXPECT_EQ(response->message_class, MessageClass::kErrorResponse);
  ASSERT_TRUE(response->error.has_value());
  EXPECT_EQ(response->error->code, 420);
  ASSERT_EQ(response->unknown_attributes.size(), 1u);
  EXPECT_EQ(*response->unknown_attributes.begin(), 0x0003);
  EXPECT_EQ(responder_.stats().refused, 1u);
}

TEST_F(BindingResponderTest, KeepsSilentToAllButBindingRequests) {
  for (const MessageClass message_class :
       {MessageClass::kIndication, MessageClass::kSuccessResponse,
        MessageClass::kErrorResponse}) {
    Message message = Request();
    message.message_class = message_class;
    EXPECT_TRUE(Ask(EncodeToBytes(message)).empty());
  }
  Message allocate = Request();
  allocate.method = 0x003;
  EXPECT_TRUE(Ask(EncodeToBytes(allocate)).empty());
  EXPECT_TRUE(Ask(AsBytes("GET / HTTP/1.1\r\n\r\n      ")).empty());
  EXPECT_TRUE(Ask({}).empty());
  EXPECT_EQ(responder_.stats().ignored, 6u);
}

TEST_F(BindingResponderTest, KeepsSilentToSourcesThatCannotBe) {
  const Bytes request = EncodeToBytes(Request());
  for (const char* source : {"203.0.113.5:0", "224.0.0.1:5", "0.0.0.0:5",
                             "255.255.255.255:5", "[ff02::1]:5"}) {
    EXPECT_TRUE(Ask(request, *SocketAddress::Parse(source)).empty()) << source;
  }
}

// Its own answers must not keep two servers talking.
TEST_F(BindingResponderTest, DoesNotAnswerItsOwnAnswers) {
  const Bytes answer = Ask(EncodeToBytes(Request()));
  EXPECT_TRUE(Ask(answer).empty());
}

TEST_F(BindingResponderTest, NoAnswerIsMuchLargerThanItsRequest) {
  // Required attributes without a value: what a request can make the answer
  // longest with.
  for (std::size_t count = 0; count < 100; ++count) {
    Bytes request = EncodeToBytes(Request());
    for (std::size_t i = 0; i < count; ++i) {
      const Bytes attribute = Unhex("00030000");
      request.insert(request.end(), attribute.begin(), attribute.end());
    }
    ByteWriter length(MutableByteSpan(request).subspan(2));
    length.WriteU16(static_cast<std::uint16_t>(request.size() - kHeaderSize));
    for (const SocketAddress& client : {kClient, kClient6}) {
      const Bytes answer = Ask(request, client);
      EXPECT_FALSE(answer.empty());
      EXPECT_LE(answer.size(), request.size() + 24);
    }
  }
}

TEST_F(BindingResponderTest, SurvivesEveryTruncation) {
  Message message = Request();
  message.fingerprint = true;
  message.software = "client";
  const Bytes request = EncodeToBytes(message);
  for (std::size_t size = 0; size < request.size(); ++size) {
    const Bytes cut = ToBytes(ByteSpan(request).first(size));
    EXPECT_TRUE(Ask(cut).empty());
  }
}

}  // namespace
}  // namespace p2pcp::stun

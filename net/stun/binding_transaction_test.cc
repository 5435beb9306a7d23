#include "net/stun/binding_transaction.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <optional>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/random.h"
#include "net/base/socket_address.h"
#include "net/base/time.h"
#include "net/stun/message.h"

namespace p2pcp::stun {
namespace {

using State = BindingTransaction::State;

const SocketAddress kServer = *SocketAddress::Parse("198.51.100.10:3478");
const SocketAddress kMapped = *SocketAddress::Parse("203.0.113.5:40000");

class BindingTransactionTest : public testing::Test {
 protected:
  BindingTransactionTest()
      : random_(3), transaction_(kStart, kServer, random_) {}

  // What is due now, as a parsed message.
  std::optional<Message> Transmit() {
    const std::optional<std::size_t> size =
        transaction_.PollTransmit(now_, datagram_);
    if (!size) return std::nullopt;
    EXPECT_EQ(*size, 28u);
    return Parse(ByteSpan(datagram_).first(*size));
  }
  // Goes to the next deadline.
  void Advance() {
    ASSERT_TRUE(transaction_.PollTimeout().has_value());
    now_ = *transaction_.PollTimeout();
    transaction_.HandleTimeout(now_);
  }
  Message Response() const {
    Message response;
    response.message_class = MessageClass::kSuccessResponse;
    response.transaction_id = transaction_.transaction_id();
    response.xor_mapped_address = kMapped;
    return response;
  }
  bool Deliver(const Message& message, const SocketAddress& from = kServer) {
    Bytes out(kMaxMessageSize);
    out.resize(Encode(message, out));
    return transaction_.HandleDatagram(now_, from, out);
  }

  static constexpr TimePoint kStart{1s};
  TimePoint now_ = kStart;
  SeededRandom random_;
  BindingTransaction transaction_;
  Bytes datagram_ = Bytes(28);
};

TEST_F(BindingTransactionTest, AsksAtOnceAndTakesTheAnswer) {
  EXPECT_EQ(transaction_.PollTimeout(), kStart);
  const std::optional<Message> request = Transmit();
  ASSERT_TRUE(request.has_value());
  EXPECT_EQ(request->message_class, MessageClass::kRequest);
  EXPECT_EQ(request->method, kBinding);
  EXPECT_EQ(request->transaction_id, transaction_.transaction_id());
  EXPECT_TRUE(request->fingerprint);
  EXPECT_FALSE(Transmit().has_value());

  now_ += 23ms;
  EXPECT_TRUE(Deliver(Response()));
  EXPECT_EQ(transaction_.state(), State::kSucceeded);
  EXPECT_EQ(transaction_.mapped_address(), kMapped);
  EXPECT_EQ(transaction_.rtt(), Duration(23ms));
  EXPECT_FALSE(transaction_.PollTimeout().has_value());
  EXPECT_FALSE(Transmit().has_value());
}

// Requests at 0, 100, 300, 700 and 1500 ms, the same each time, and the end
// 1600 ms later.
TEST_F(BindingTransactionTest, RetransmitsOnScheduleAndThenGivesUp) {
  std::vector<Duration> sent;
  Bytes first;
  while (transaction_.state() == State::kPending) {
    if (Transmit()) {
      sent.push_back(now_ - kStart);
      if (first.empty()) first = datagram_;
      EXPECT_EQ(datagram_, first);
    }
    Advance();
  }
  EXPECT_EQ(sent, (std::vector<Duration>{0ms, 100ms, 300ms, 700ms, 1500ms}));
  EXPECT_EQ(now_ - kStart, 3100ms);
  EXPECT_EQ(transaction_.state(), State::kTimedOut);
  EXPECT_FALSE(transaction_.PollTimeout().has_value());
}

TEST_F(BindingTransactionTest, AnEarlyWakeUpChangesNothing) {
  Transmit();
  now_ += 99ms;
  transaction_.HandleTimeout(now_);
  EXPECT_FALSE(Transmit().has_value());
  now_ += 1ms;
  transaction_.HandleTimeout(now_);
  EXPECT_TRUE(Transmit().has_value());
}

TEST_F(BindingTransactionTest, TakesAnAnswerToAnyOfItsRequestsWithoutRtt) {
  Transmit();
  Advance();
  Transmit();
  now_ += 1ms;
  EXPECT_TRUE(Deliver(Response()));
  EXPECT_EQ(transaction_.state(), State::kSucceeded);
  // Karn: the answer may be to the first request.
  EXPECT_FALSE(transaction_.rtt().has_value());
}

TEST_F(BindingTransactionTest, TakesAnAnswerInTheLastMoment) {
  for (int i = 0; i < kMaxRequests; ++i) {
    ASSERT_TRUE(Transmit().has_value());
    if (i + 1 < kMaxRequests) Advance();
  }
  now_ = *transaction_.PollTimeout() - 1ns;
  transaction_.HandleTimeout(now_);
  EXPECT_TRUE(Deliver(Response()));
  EXPECT_EQ(transaction_.state(), State::kSucceeded);
}

TEST_F(BindingTransactionTest, BelievesOnlyTheQueriedAddress) {
  Transmit();
  EXPECT_FALSE(Deliver(Response(), *SocketAddress::Parse("198.51.100.10:9")));
  EXPECT_FALSE(
      Deliver(Response(), *SocketAddress::Parse("198.51.100.11:3478")));
  EXPECT_EQ(transaction_.state(), State::kPending);
}

TEST_F(BindingTransactionTest, BelievesOnlyItsOwnTransactionId) {
  Transmit();
  for (std::size_t i = 0; i < 96; ++i) {
    Message response = Response();
    response.transaction_id[i / 8] ^= std::byte{1} << (i % 8);
    EXPECT_FALSE(Deliver(response));
  }
  EXPECT_EQ(transaction_.state(), State::kPending);
}

TEST_F(BindingTransactionTest, LeavesWhatIsNoResponseToOthers) {
  Transmit();
  Message message = Response();
  message.message_class = MessageClass::kRequest;
  EXPECT_FALSE(Deliver(message));
  message.message_class = MessageClass::kIndication;
  EXPECT_FALSE(Deliver(message));
  message = Response();
  message.method = 3;
  EXPECT_FALSE(Deliver(message));
  EXPECT_FALSE(transaction_.HandleDatagram(now_, kServer, AsBytes("hello")));
  EXPECT_EQ(transaction_.state(), State::kPending);
}

TEST_F(BindingTransactionTest, PrefersXorMappedAddress) {
  Transmit();
  Message response = Response();
  // As a router that rewrites addresses in payloads would leave it.
  response.mapped_address = *SocketAddress::Parse("192.168.1.2:40000");
  EXPECT_TRUE(Deliver(response));
  EXPECT_EQ(transaction_.mapped_address(), kMapped);
}

TEST_F(BindingTransactionTest, MakesDoWithMappedAddress) {
  Transmit();
  Message response = Response();
  response.mapped_address = response.xor_mapped_address;
  response.xor_mapped_address.reset();
  EXPECT_TRUE(Deliver(response));
  EXPECT_EQ(transaction_.mapped_address(), kMapped);
}

TEST_F(BindingTransactionTest, AnAnswerWithoutAUsableAddressIsNoAnswer) {
  Transmit();
  Message response = Response();
  for (const char* useless : {"0.0.0.0:5", "203.0.113.5:0", "224.0.0.1:5",
                              "255.255.255.255:5", "[::]:5", "[ff02::1]:5"}) {
    response.xor_mapped_address = SocketAddress::Parse(useless);
    EXPECT_TRUE(Deliver(response));
    EXPECT_EQ(transaction_.state(), State::kPending) << useless;
  }
  response.xor_mapped_address.reset();
  EXPECT_TRUE(Deliver(response));
  EXPECT_EQ(transaction_.state(), State::kPending);
  EXPECT_TRUE(Deliver(Response()));
  EXPECT_EQ(transaction_.state(), State::kSucceeded);
}

TEST_F(BindingTransactionTest, AnErrorResponseEndsIt) {
  Transmit();
  Message response = Response();
  response.message_class = MessageClass::kErrorResponse;
  response.error = ErrorCode{500, "Server Error"};
  EXPECT_TRUE(Deliver(response));
  EXPECT_EQ(transaction_.state(), State::kRejected);
  EXPECT_EQ(transaction_.error_code(), 500);
  EXPECT_FALSE(transaction_.PollTimeout().has_value());
}

// RFC 8489 section 6.3.3: such a response makes the transaction fail.
TEST_F(BindingTransactionTest, AResponseThatDemandsTheUnknownEndsIt) {
  Transmit();
  Bytes out(kMaxMessageSize);
  std::size_t size = Encode(Response(), out);
  ByteWriter(MutableByteSpan(out).subspan(size)).WriteU32(0x00030000);
  size += 4;
  ByteWriter(MutableByteSpan(out).subspan(2))
      .WriteU16(static_cast<std::uint16_t>(size - kHeaderSize));
  EXPECT_TRUE(
      transaction_.HandleDatagram(now_, kServer, ByteSpan(out).first(size)));
  EXPECT_EQ(transaction_.state(), State::kRejected);
}

TEST_F(BindingTransactionTest, TheFirstAnswerStandsAndCopiesAreTaken) {
  Transmit();
  EXPECT_TRUE(Deliver(Response()));
  Message other = Response();
  other.xor_mapped_address = SocketAddress::Parse("203.0.113.6:1");
  EXPECT_TRUE(Deliver(other));
  EXPECT_EQ(transaction_.mapped_address(), kMapped);
}

TEST_F(BindingTransactionTest, TransactionIdsDiffer) {
  const BindingTransaction other(kStart, kServer, random_);
  EXPECT_NE(other.transaction_id(), transaction_.transaction_id());
}

}  // namespace
}  // namespace p2pcp::stun

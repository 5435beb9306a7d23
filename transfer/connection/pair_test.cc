// Two connections over every kind of bad link, in virtual time. Each test
// bounds the time and what was sent twice; all demand every byte, once, right.

#include "transfer/connection/pair.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/random.h"
#include "net/base/time.h"
#include "transfer/connection/byte_space.h"
#include "transfer/connection/connection.h"

namespace p2pcp {
namespace {

void ExpectDelivered(Pair& pair, std::uint64_t size) {
  EXPECT_EQ(pair.sink().written.size(), size);
  EXPECT_EQ(pair.sink().written.range_count(), size > 0 ? 1u : 0u);
  EXPECT_EQ(pair.sink().wrong_bytes, 0u);
  EXPECT_EQ(pair.sink().doubled_bytes, 0u);
  EXPECT_FALSE(pair.sender().error().has_value());
  EXPECT_FALSE(pair.receiver().error().has_value());
  EXPECT_EQ(pair.receiver().stats().data_bytes_received, size);
}

std::string Report(Pair& pair) {
  const ConnectionStats& s = pair.sender().stats();
  return "virtual ms " +
         std::to_string(pair.elapsed() / std::chrono::milliseconds(1)) +
         ", sent " + std::to_string(s.data_bytes_sent) + ", again " +
         std::to_string(s.data_bytes_retransmitted) + ", lost packets " +
         std::to_string(s.packets_lost) + ", spurious " +
         std::to_string(s.packets_spuriously_lost) + ", probe timeouts " +
         std::to_string(s.probe_timeouts) + ", persistent " +
         std::to_string(s.persistent_congestions) + ", ACK packets " +
         std::to_string(pair.receiver().stats().packets_sent);
}

struct Case {
  double loss;
  Duration delay;  // One way.
  bool messy;      // Reordering and duplication too.
  std::uint64_t size;
  Duration limit;
};

void PrintTo(const Case& c, std::ostream* out) {
  *out << "loss " << c.loss << " one-way "
       << c.delay / std::chrono::microseconds(1) << " us"
       << (c.messy ? " reordered, duplicated" : "") << " " << c.size;
}

class PairMatrix : public ::testing::TestWithParam<Case> {};

TEST_P(PairMatrix, DeliversAllInBoundedTime) {
  const Case& c = GetParam();
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    Pair::Config config;
    config.seed = seed;
    config.link.loss = c.loss;
    config.link.delay = c.delay;
    if (c.messy) {
      config.link.duplicate = 0.02;
      config.link.reorder = 0.05;
      config.link.reorder_by = c.delay;
    }
    config.link.rate = 12'500'000;
    Pair pair(config);
    const bool done = pair.Transfer(c.size, c.limit);
    SCOPED_TRACE("seed " + std::to_string(seed) + ": " + Report(pair));
    ASSERT_TRUE(done);
    ExpectDelivered(pair, c.size);
    // A share p of what is sent gets lost: 1/(1-p) is sent, and some more for
    // lost ACKs, probes, reordering and the one overshoot of slow start.
    const ConnectionStats& stats = pair.sender().stats();
    EXPECT_LT(static_cast<double>(stats.data_bytes_sent),
              static_cast<double>(c.size) * (1.25 / (1 - c.loss)) + 200'000);
  }
}

constexpr std::uint64_t kMiB = 1 << 20;

INSTANTIATE_TEST_SUITE_P(
    Links, PairMatrix,
    ::testing::Values(Case{0, 500us, false, 8 * kMiB, 2s},
                      Case{0, 25ms, false, 8 * kMiB, 3s},
                      Case{0, 150ms, false, 8 * kMiB, 6s},
                      Case{0.01, 500us, false, 8 * kMiB, 10s},
                      Case{0.01, 25ms, false, 8 * kMiB, 60s},
                      Case{0.01, 150ms, false, 4 * kMiB, 200s},
                      Case{0.05, 500us, false, 8 * kMiB, 30s},
                      Case{0.05, 25ms, false, 4 * kMiB, 100s},
                      Case{0.05, 150ms, false, 4 * kMiB, 400s},
                      Case{0.2, 500us, false, 4 * kMiB, 60s},
                      Case{0.2, 25ms, false, 4 * kMiB, 200s},
                      Case{0.2, 150ms, false, 4 * kMiB, 1200s},
                      Case{0, 500us, true, 8 * kMiB, 5s},
                      Case{0, 25ms, true, 8 * kMiB, 30s},
                      Case{0, 150ms, true, 8 * kMiB, 60s},
                      Case{0.01, 25ms, true, 4 * kMiB, 60s},
                      Case{0.05, 150ms, true, 4 * kMiB, 400s},
                      Case{0.2, 150ms, true, 4 * kMiB, 1200s}));

// A run is only a cheaper way to send, and to take, what single packets are.
class PairRuns : public ::testing::TestWithParam<Congestion> {
 protected:
  struct Sent {
    int from;
    TimePoint time;
    PacketNumber number;
    Bytes payload;

    // Tokens are counted in floating point: sums of many round otherwise.
    bool operator==(const Sent& other) const {
      return from == other.from && number == other.number &&
             payload == other.payload &&
             std::chrono::abs(time - other.time) < 1us;
    }
  };

  static std::vector<Sent> Run(const Pair::Config& config) {
    Pair pair(config);
    std::vector<Sent> sent;
    pair.filter = [&](int from, PacketNumber number, ByteSpan payload) {
      sent.push_back({from, pair.now(), number, ToBytes(payload)});
      return true;
    };
    constexpr std::uint64_t kSize = 4'000'000;
    EXPECT_TRUE(pair.Transfer(kSize, 60s));
    ExpectDelivered(pair, kSize);
    EXPECT_EQ(pair.packets_in_runs() > 0, config.max_run > 0);
    EXPECT_EQ(pair.sink().bytes_in_runs > 0, config.max_run > 0);
    return sent;
  }
};

TEST_P(PairRuns, AreWhatSinglePacketsWouldBe) {
  for (const double loss : {0.0, 0.01}) {
    for (const Duration source_delay : {Duration(0), Duration(2ms)}) {
      for (const std::uint64_t limit : {0, 3'000'000}) {
        Pair::Config config;
        config.number_skip = 0;
        config.congestion = GetParam();
        config.link = {.loss = loss, .rate = 12'500'000, .queue = 200'000};
        config.gather = 700us;
        config.source_delay = source_delay;
        config.rate_limit = limit;
        config.receive_budget = 2 << 20;
        const std::vector<Sent> runs = Run(config);
        config.max_run = 0;
        const std::vector<Sent> single = Run(config);
        EXPECT_EQ(runs.size(), single.size());
        EXPECT_TRUE(runs == single)
            << "loss " << loss << " source " << source_delay.count()
            << " ns, limit " << limit;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Controllers, PairRuns,
                         ::testing::Values(Congestion::kCubic, Congestion::kBbr,
                                           Congestion::kScavenger));

TEST(Pair, NothingIsSentTwiceWithoutLoss) {
  Pair::Config config;
  config.link.rate = 0;
  Pair pair(config);
  ASSERT_TRUE(pair.Transfer(16 * kMiB, 10s)) << Report(pair);
  ExpectDelivered(pair, 16 * kMiB);
  EXPECT_EQ(pair.sender().stats().data_bytes_sent, 16 * kMiB);
  EXPECT_EQ(pair.sender().stats().packets_lost, 0u);
}

// All full packets of a train have one size, or the kernel can't batch them.
TEST(Pair, DataPacketsFillThePayload) {
  Pair::Config config;
  config.link.rate = 0;
  Pair pair(config);
  std::uint64_t data = 0;
  std::uint64_t shorter = 0;
  pair.filter = [&](int from, PacketNumber, ByteSpan payload) {
    if (from == 0 &&
        (payload[0] == std::byte{0x10} || payload[0] == std::byte{0x11})) {
      ++data;
      if (payload.size() < config.max_payload) ++shorter;
    }
    return true;
  };
  ASSERT_TRUE(pair.Transfer(kMiB, 10s));
  EXPECT_EQ(data, kMiB / (1'172 - 9) + 1);
  EXPECT_EQ(shorter, 1u);
}

TEST(Pair, AnEmptyTransferIsDoneAtOnce) {
  Pair pair({});
  EXPECT_TRUE(pair.Transfer(0, 1s));
  EXPECT_EQ(pair.elapsed(), Duration(0));
}

TEST(Pair, OneByteTakesOneRoundTripAfterTheCredit) {
  Pair pair({});
  ASSERT_TRUE(pair.Transfer(1, 1s));
  ExpectDelivered(pair, 1);
  EXPECT_LT(pair.elapsed(), Duration(80ms));
}

TEST(Pair, SlowSourceIsWaitedFor) {
  Pair::Config config;
  config.source_delay = 3ms;
  config.link.loss = 0.02;
  Pair pair(config);
  ASSERT_TRUE(pair.Transfer(2 * kMiB, 60s)) << Report(pair);
  ExpectDelivered(pair, 2 * kMiB);
}

TEST(Pair, ASinkThatRefusesGetsItAgain) {
  Pair::Config config;
  config.sink_refuses = 0.05;
  Pair pair(config);
  ASSERT_TRUE(pair.Transfer(2 * kMiB, 60s)) << Report(pair);
  ExpectDelivered(pair, 2 * kMiB);
  EXPECT_GT(pair.receiver().stats().data_packets_refused, 10u);
}

// Flow control: the sender never has more on the way than the sink can hold.
TEST(Pair, ASlowSinkHoldsTheSenderBack) {
  for (const double loss : {0.0, 0.05, 0.2}) {
    Pair::Config config;
    config.receive_budget = 256 * 1024;
    config.sink_rate = kMiB;
    config.link.loss = loss;
    config.link.delay = 5ms;
    Pair pair(config);
    std::uint64_t most = 0;
    pair.filter = [&](int, PacketNumber, ByteSpan) {
      most = std::max(most, pair.sink().unreleased);
      return true;
    };
    ASSERT_TRUE(pair.Transfer(4 * kMiB, 60s)) << Report(pair);
    ExpectDelivered(pair, 4 * kMiB);
    EXPECT_LE(most, 256u * 1024);
    // The disk's rate is kept, even if CREDIT frames get lost.
    EXPECT_GT(pair.elapsed(), Duration(3s));
    EXPECT_LT(pair.elapsed(), Duration(loss > 0.1 ? 40s : 12s)) << Report(pair);
  }
}

TEST(Pair, ABudgetOfLessThanAPacketStillMoves) {
  Pair::Config config;
  config.receive_budget = 500;
  config.link.delay = 1ms;
  config.link.loss = 0.05;
  Pair pair(config);
  ASSERT_TRUE(pair.Transfer(50'000, 60s)) << Report(pair);
  ExpectDelivered(pair, 50'000);
}

TEST(Pair, GoesOnAfterAnOutage) {
  Pair::Config config;
  config.link.rate = 2'000'000;
  Pair pair(config);
  pair.sender().OfferBytes(StreamOffset(0), StreamOffset(8 * kMiB));
  const auto done = [&] { return pair.sender().AllBytesAcknowledged(); };
  EXPECT_FALSE(pair.RunUntil(done, 1s));
  pair.link().loss = 1;
  EXPECT_FALSE(pair.RunUntil(done, 10s));
  pair.link().loss = 0;
  const std::uint64_t before = pair.sink().written.size();
  // A round trip is 50 ms.
  EXPECT_TRUE(pair.RunUntil([&] { return pair.sink().written.size() > before; },
                            200ms));
  ASSERT_TRUE(pair.RunUntil(done, 20s)) << Report(pair);
  ExpectDelivered(pair, 8 * kMiB);
  EXPECT_GT(pair.sender().stats().persistent_congestions, 0u);
}

// Probes of an outage are few, three packets each time; what goes out more
// often is small.
TEST(Pair, AnOutageIsNotFlooded) {
  Pair::Config config;
  config.link.rate = 2'000'000;
  Pair pair(config);
  pair.sender().OfferBytes(StreamOffset(0), StreamOffset(8 * kMiB));
  const auto never = [] { return false; };
  pair.RunUntil(never, 1s);
  pair.link().loss = 1;
  pair.RunUntil(never, 1s);
  std::uint64_t small = 0;
  std::uint64_t large = 0;
  pair.filter = [&](int from, PacketNumber, ByteSpan payload) {
    if (from == 0) ++(payload.size() <= 64 ? small : large);
    return true;
  };
  pair.RunUntil(never, 60s);
  EXPECT_LE(large, 2 * 25u);
  EXPECT_GE(large, 2 * 19u);
  EXPECT_LE(small, 530u);
  EXPECT_GE(small, 470u);
}

// The sender has nothing in flight, and waits for a CREDIT that the outage
// took.
TEST(Pair, CreditComesBackSoonAfterAnOutage) {
  Pair::Config config;
  config.receive_budget = 64 * 1024;
  config.sink_rate = 100'000;
  Pair pair(config);
  pair.sender().OfferBytes(StreamOffset(0), StreamOffset(kMiB));
  const auto done = [&] { return pair.sender().AllBytesAcknowledged(); };
  EXPECT_FALSE(pair.RunUntil(done, 2s));
  pair.link().loss = 1;
  EXPECT_FALSE(pair.RunUntil(done, 10s));
  pair.link().loss = 0;
  const std::uint64_t before = pair.sink().written.size();
  EXPECT_TRUE(pair.RunUntil([&] { return pair.sink().written.size() > before; },
                            200ms));
  ASSERT_TRUE(pair.RunUntil(done, 30s)) << Report(pair);
  ExpectDelivered(pair, kMiB);
}

TEST(Pair, AnotherPathIsLearntAnew) {
  Pair::Config config;
  config.link.rate = 2'000'000;
  config.link.delay = 5ms;
  config.payload_changes = true;
  Pair pair(config);
  pair.sender().OfferBytes(StreamOffset(0), StreamOffset(8 * kMiB));
  const auto done = [&] { return pair.sender().AllBytesAcknowledged(); };
  EXPECT_FALSE(pair.RunUntil(done, 1s));
  EXPECT_LT(pair.sender().stats().min_rtt, Duration(12ms));
  // The old path has been dead for a while; the new one is four times longer.
  pair.link().loss = 1;
  EXPECT_FALSE(pair.RunUntil(done, 2s));
  pair.link().loss = 0;
  pair.link().delay = 40ms;
  const std::uint64_t persistent = pair.sender().stats().persistent_congestions;
  pair.sender().HandlePathChange(pair.now(), 1'000);
  pair.receiver().HandlePathChange(pair.now(), 1'000);
  const std::uint64_t before = pair.sink().written.size();
  EXPECT_TRUE(
      pair.RunUntil([&] { return pair.sink().written.size() > before; }, 50ms));
  ASSERT_TRUE(pair.RunUntil(done, 20s)) << Report(pair);
  ExpectDelivered(pair, 8 * kMiB);
  EXPECT_GT(pair.sender().stats().min_rtt, Duration(79ms));
  EXPECT_EQ(pair.sender().stats().persistent_congestions, persistent);
}

TEST(Pair, LargerPayloadsOfTheSamePathForgetNothing) {
  Pair::Config config;
  config.max_payload = 1'444;
  config.payload_changes = true;
  Pair pair(config);
  pair.sender().SetMaxPayload(1'172);
  pair.sender().OfferBytes(StreamOffset(0), StreamOffset(2 * kMiB));
  const auto done = [&] { return pair.sender().AllBytesAcknowledged(); };
  EXPECT_FALSE(pair.RunUntil(done, 200ms));
  const Duration rtt = pair.sender().stats().smoothed_rtt;
  pair.sender().SetMaxPayload(1'444);
  EXPECT_EQ(pair.sender().stats().smoothed_rtt, rtt);
  ASSERT_TRUE(pair.RunUntil(done, 20s));
  ExpectDelivered(pair, 2 * kMiB);
}

TEST(Pair, ControlMessagesCrossBothWaysAmidData) {
  for (const double loss : {0.0, 0.2}) {
    Pair::Config config;
    config.link.loss = loss;
    config.link.delay = 10ms;
    Pair pair(config);
    pair.sender().OfferBytes(StreamOffset(0), StreamOffset(kMiB));
    SeededRandom random(11);
    std::vector<Bytes> sent[2];
    std::size_t received[2] = {0, 0};
    Connection* const ends[2] = {&pair.sender(), &pair.receiver()};
    const auto turn = [&] {
      for (int i = 0; i < 2; ++i) {
        if (sent[i].size() < 50) {
          Bytes message(random.Below(Connection::kMaxControlMessage + 1));
          random.Fill(message);
          if (message.size() <= ends[i]->ControlRoom()) {
            ends[i]->SendControl(message);
            sent[i].push_back(message);
          }
        }
        while (const auto message = ends[i]->PollControl()) {
          EXPECT_EQ(*message, sent[1 - i][received[i]]);
          ++received[i];
        }
      }
      return received[0] == 50 && received[1] == 50 &&
             ends[0]->ControlAcknowledged() && ends[1]->ControlAcknowledged() &&
             ends[0]->AllBytesAcknowledged();
    };
    ASSERT_TRUE(pair.RunUntil(turn, 200s)) << Report(pair);
    ExpectDelivered(pair, kMiB);
  }
}

TEST(Pair, BadBlocksAreSentAnew) {
  Pair::Config config;
  config.link.loss = 0.05;
  Pair pair(config);
  ASSERT_TRUE(pair.Transfer(kMiB, 60s));
  ExpectDelivered(pair, kMiB);
  pair.receiver().ForgetBytes(StreamOffset(100'000), StreamOffset(200'000));
  pair.sink().written.Erase(100'000, 200'000);
  pair.sender().OfferBytes(StreamOffset(100'000), StreamOffset(200'000));
  EXPECT_FALSE(pair.sender().AllBytesAcknowledged());
  ASSERT_TRUE(
      pair.RunUntil([&] { return pair.sender().AllBytesAcknowledged(); }, 60s));
  EXPECT_EQ(pair.sink().written.size(), kMiB);
  EXPECT_EQ(pair.sink().doubled_bytes, 0u);
}

TEST(Pair, BothEndsFallSilentWhenAllIsDone) {
  Pair::Config config;
  config.link.loss = 0.1;
  Pair pair(config);
  ASSERT_TRUE(pair.Transfer(100'000, 60s));
  pair.RunUntil([] { return false; }, 60s);
  const std::uint64_t sent =
      pair.sender().stats().packets_sent + pair.receiver().stats().packets_sent;
  pair.RunUntil([] { return false; }, 600s);
  EXPECT_EQ(
      pair.sender().stats().packets_sent + pair.receiver().stats().packets_sent,
      sent);
}

// ACKs cost the path from the receiver little, and a lossless sender needs few.
TEST(Pair, AcksAreThin) {
  Pair::Config config;
  config.link.rate = 12'500'000;
  config.link.queue = 100 << 20;
  config.number_skip = 0;
  Pair pair(config);
  ASSERT_TRUE(pair.Transfer(16 * kMiB, 60s)) << Report(pair);
  EXPECT_LT(pair.receiver().stats().packets_sent * 20,
            pair.sender().stats().packets_sent);
}

TEST(Pair, ClosingReachesThePeer) {
  Pair pair({});
  pair.sender().Close(pair.now(), 9);
  EXPECT_TRUE(
      pair.RunUntil([&] { return pair.receiver().peer_close() == 9; }, 1s));
}

}  // namespace
}  // namespace p2pcp

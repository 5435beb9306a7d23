#include "cmd/pump.h"

#include <algorithm>
#include <deque>
#include <map>

#include "gtest/gtest.h"
#include "net/base/random.h"

namespace p2pcp::cmd {
namespace {

// A session that says what it is told to, and notes what it hears.
class ScriptedSession final : public Session {
 public:
  struct Out {
    std::size_t size;
    bool full;
  };

  void HandlePackets(TimePoint,
                     std::span<const Connection::Received> packets) override {
    for (const Connection::Received& packet : packets) {
      received.push_back(packet.payload.size());
      const std::size_t frames = packet.payload.size() / 2;
      for (std::size_t i = 0; i < packet.payload.size(); ++i) {
        wrong_bytes += packet.payload[i] != std::byte(i < frames ? 1 : 2);
      }
    }
  }
  void HandleTimeout(TimePoint) override {}
  void HandleDisk(TimePoint) override {}
  void HandlePathChange(TimePoint, std::size_t) override { ++path_changes; }
  void SetMaxPayload(std::size_t max_payload) override {
    max_payloads.push_back(max_payload);
  }
  void HandleChannelLost(TimePoint) override {}
  std::optional<Connection::Packet> PollTransmit(TimePoint, PacketNumber number,
                                                 MutableByteSpan out) override {
    if (!max_payloads.empty()) {
      EXPECT_GE(out.size(), max_payloads.back());
    }
    if (to_send.empty()) return std::nullopt;
    numbers.push_back(number);
    const Out next = to_send.front();
    to_send.pop_front();
    // Half as frames in place, half as data elsewhere.
    const std::size_t frames = next.size / 2;
    std::fill_n(out.begin(), frames, std::byte{1});
    data_.assign(next.size - frames, std::byte{2});
    Connection::Packet packet{frames, data_};
    packet.full = next.full;
    return packet;
  }
  Connection::Run PollRun(TimePoint, PacketNumber number, std::size_t most,
                          std::size_t size, std::size_t stride,
                          MutableByteSpan out) override {
    Connection::Run run{
        .frames_size = size / 2, .data_size = size - size / 2, .data = {}};
    if (!runs) return run;
    for (; run.count < most && !to_send.empty() && to_send.front().full &&
           to_send.front().size == size;
         ++run.count) {
      numbers.push_back(PacketNumber(number.value() + run.count));
      to_send.pop_front();
      std::fill_n(out.begin() + static_cast<std::ptrdiff_t>(run.count * stride),
                  run.frames_size, std::byte{1});
    }
    packets_in_runs += run.count;
    data_.assign(run.count * run.data_size, std::byte{2});
    run.data = data_;
    return run;
  }
  std::optional<TimePoint> PollTimeout() const override { return {}; }
  std::optional<SessionEvent> PollEvent() override { return {}; }
  void Cancel(TimePoint, Error) override {}
  Progress progress() const override { return {}; }
  const ConnectionStats& stats() const override { return connection; }
  void SetSocketDrops(std::uint64_t) override {}

  std::deque<Out> to_send;
  std::vector<std::size_t> received;
  std::vector<PacketNumber> numbers;
  std::vector<std::size_t> max_payloads;
  int path_changes = 0;
  std::uint64_t wrong_bytes = 0;
  bool runs = false;
  std::uint64_t packets_in_runs = 0;
  ConnectionStats connection;

 private:
  Bytes data_;
};

SocketAddress At(const char* text) { return *SocketAddress::Parse(text); }

// Two pumps whose trains reach each other at once.
class PumpTest : public testing::Test {
 protected:
  PumpTest() {
    crypto::SessionKeys keys;
    keys.send.bytes.fill(std::byte{1});
    keys.receive.bytes.fill(std::byte{2});
    alice_.emplace(
        now_, channel::Channel::Config{ice::Role::kControlling, keys}, random_);
    std::swap(keys.send, keys.receive);
    bob_.emplace(now_, channel::Channel::Config{ice::Role::kControlled, keys},
                 random_);
    alice_pump_.emplace(&*alice_, &alice_session_);
    bob_pump_.emplace(&*bob_, &bob_session_);
    const ice::Candidate a = Host("192.0.2.1:41001");
    const ice::Candidate b = Host("192.0.2.2:42002");
    alice_->AddLocalCandidates(now_, std::span(&a, 1));
    bob_->AddLocalCandidates(now_, std::span(&b, 1));
    alice_->AddRemoteCandidates(now_, std::span(&b, 1));
    bob_->AddRemoteCandidates(now_, std::span(&a, 1));
    for (int i = 0; i < 2000 && !(alice_->connected() && bob_->connected() &&
                                  alice_->max_payload() > 1300);
         ++i) {
      Exchange();
      now_ += 1ms;
    }
    EXPECT_TRUE(alice_->connected() && bob_->connected());
    trains_.clear();
    alice_session_.numbers.clear();
  }

  static ice::Candidate Host(const char* text) {
    ice::Candidate candidate;
    candidate.address = candidate.base = At(text);
    candidate.priority = ice::ComputePriority(ice::CandidateType::kHost, 1);
    return candidate;
  }

  void Deliver(const Pump::Train& train, Pump& to, const char* from) {
    Bytes bytes = ToBytes(train.bytes);
    if (std::min(train.segment_size, bytes.size()) <= mtu_) {
      to.HandleTrain(now_, 0, At(from), bytes, train.segment_size);
    }
  }

  // Everything that both have to say now.
  void Exchange() {
    alice_pump_->HandleTimeout(now_);
    bob_pump_->HandleTimeout(now_);
    for (bool more = true; more;) {
      more = false;
      while (const auto train = alice_pump_->PollTrain(now_)) {
        trains_.push_back(
            {train->segment_size, train->bytes.size(), train->one_by_one});
        Deliver(*train, *bob_pump_, "192.0.2.1:41001");
        more = true;
      }
      while (const auto train = bob_pump_->PollTrain(now_)) {
        Deliver(*train, *alice_pump_, "192.0.2.2:42002");
        more = true;
      }
    }
    while (const auto event = alice_->PollEvent()) {
      alice_pump_->HandleChannelEvent(now_, *event);
    }
    while (const auto event = bob_->PollEvent()) {
      bob_pump_->HandleChannelEvent(now_, *event);
    }
  }

  struct Sent {
    std::size_t segment_size, size;
    bool one_by_one;
  };
  TimePoint now_{1s};
  std::size_t mtu_ = 65'535;  // Larger datagrams vanish.
  SeededRandom random_{3};
  ScriptedSession alice_session_, bob_session_;
  std::optional<channel::Channel> alice_, bob_;
  std::optional<Pump> alice_pump_, bob_pump_;
  std::vector<Sent> trains_;
};

TEST_F(PumpTest, FullPacketsGoInOneTrain) {
  const std::size_t full = alice_->max_payload();
  for (int i = 0; i < 10; ++i) alice_session_.to_send.push_back({full, true});
  alice_session_.to_send.push_back({500, false});
  Exchange();
  ASSERT_EQ(trains_.size(), 1u);
  EXPECT_EQ(trains_[0].segment_size, full + channel::Channel::kOverhead);
  EXPECT_EQ(trains_[0].size,
            10 * trains_[0].segment_size + 500 + channel::Channel::kOverhead);
  EXPECT_EQ(bob_session_.received.size(), 11u);
}

TEST_F(PumpTest, ATrainKeepsToTheKernelsBounds) {
  const std::size_t full = alice_->max_payload();
  for (int i = 0; i < 100; ++i) alice_session_.to_send.push_back({full, true});
  Exchange();
  EXPECT_EQ(bob_session_.received.size(), 100u);
  for (const Sent& train : trains_) {
    EXPECT_LE(train.size, 65'507u);
    EXPECT_LE(train.size, 64 * train.segment_size);
  }
}

TEST_F(PumpTest, RunsMakeTheSameTrains) {
  const std::size_t full = alice_->max_payload();
  std::vector<std::size_t> sizes[2];
  for (const bool runs : {false, true}) {
    alice_session_.runs = runs;
    trains_.clear();
    bob_session_.received.clear();
    alice_session_.numbers.clear();
    for (int i = 0; i < 100; ++i) {
      alice_session_.to_send.push_back({i == 70 ? full - 1 : full, i != 70});
    }
    alice_session_.to_send.push_back({500, false});
    Exchange();
    for (const Sent& train : trains_) sizes[runs].push_back(train.size);
    EXPECT_EQ(bob_session_.received.size(), 101u);
    EXPECT_EQ(bob_session_.wrong_bytes, 0u);
    for (std::size_t i = 1; i < alice_session_.numbers.size(); ++i) {
      EXPECT_EQ(alice_session_.numbers[i] - alice_session_.numbers[i - 1], 1);
    }
  }
  EXPECT_EQ(sizes[0], sizes[1]);
  EXPECT_GT(alice_session_.packets_in_runs, 80u);
}

TEST_F(PumpTest, AnEmptyDatagramIsDroppedAndCounted) {
  const auto dropped = [&] {
    return bob_->stats().received.Dropped(channel::DropReason::kTooShort);
  };
  const std::uint64_t before = dropped();
  bob_pump_->HandleTrain(now_, 0, At("192.0.2.1:41001"), {}, 0);
  EXPECT_EQ(dropped(), before + 1);
}

TEST_F(PumpTest, ALargerPacketBeginsTheNextTrain) {
  const std::size_t full = alice_->max_payload();
  // The first is smaller though it says full: the limit grew in between.
  alice_session_.to_send = {{1000, true}, {full, true}, {full, true}};
  Exchange();
  ASSERT_EQ(trains_.size(), 2u);
  EXPECT_EQ(trains_[0].size, 1000 + channel::Channel::kOverhead);
  EXPECT_EQ(trains_[1].size, 2 * (full + channel::Channel::kOverhead));
  EXPECT_EQ(bob_session_.received,
            (std::vector<std::size_t>{1000, full, full}));
}

TEST_F(PumpTest, AShortPacketTravelsAlone) {
  alice_session_.to_send = {{40, false}, {50, false}};
  Exchange();
  EXPECT_EQ(trains_.size(), 2u);
  EXPECT_EQ(bob_session_.received, (std::vector<std::size_t>{40, 50}));
}

TEST_F(PumpTest, NumbersRiseAndAreUsedOnce) {
  for (int i = 0; i < 50; ++i) {
    alice_session_.to_send.push_back({100, false});
  }
  Exchange();
  ASSERT_EQ(alice_session_.numbers.size(), 50u);
  for (std::size_t i = 1; i < 50; ++i) {
    EXPECT_LT(alice_session_.numbers[i - 1], alice_session_.numbers[i]);
  }
}

// The peer's kernel counts datagrams with a wrong checksum like those that its
// socket has no room for. All trains are lost so, and no single packet is.
TEST_F(PumpTest, TrainsWhoseChecksumsAreWrongAreGivenUp) {
  ConnectionStats& stats = alice_session_.connection;
  for (int i = 0; i < 100 && !alice_pump_->trains_condemned(); ++i) {
    alice_session_.to_send.push_back({1000, false});
    trains_.clear();
    Exchange();
    stats.packets_sent += 100;
    const bool one_by_one =
        std::any_of(trains_.begin(), trains_.end(),
                    [](const Sent& train) { return train.one_by_one; });
    if (!one_by_one) {
      stats.packets_lost += 100;
      stats.socket_drops_at_peer += 100;
    }
    now_ += 100ms;
  }
  EXPECT_TRUE(alice_pump_->trains_condemned());
}

// What a slow receiver drops of single packets, too, is no reason to.
TEST_F(PumpTest, TrainsThatAPeerHasNoRoomForAreNotGivenUp) {
  ConnectionStats& stats = alice_session_.connection;
  for (int i = 0; i < 100; ++i) {
    alice_session_.to_send.push_back({1000, false});
    Exchange();
    stats.packets_sent += 100;
    stats.packets_lost += 50;
    stats.socket_drops_at_peer += 50;
    now_ += 100ms;
    EXPECT_FALSE(alice_pump_->trains_condemned());
  }
}

// A sender would send later for it.
TEST_F(PumpTest, WhoReceivesDataLetsPacketsGather) {
  for (const bool sends : {false, true}) {
    bob_session_.connection.data_bytes_sent = sends ? 1 : 0;
    int rests = 0;
    for (int i = 0; i < 200; ++i) {
      now_ += 50us;
      alice_session_.to_send.push_back({1000, false});
      Exchange();
      rests += bob_pump_->PollRest() > now_;
    }
    EXPECT_EQ(rests > 100, !sends) << rests;
    EXPECT_EQ(rests == 0, sends) << rests;
  }
}

TEST_F(PumpTest, TheSessionLearnsThatLargerDatagramsPass) {
  ASSERT_FALSE(alice_session_.max_payloads.empty());
  EXPECT_EQ(alice_session_.max_payloads.back(), alice_->max_payload());
  EXPECT_GT(alice_->max_payload(), 1400u);
}

TEST_F(PumpTest, TheSessionLearnsOfASmallerPayloadBeforeItIsAskedForOne) {
  const std::size_t before = alice_->max_payload();
  // The path swallows what is large. The channel finds out while it is polled
  // for its own packets, and its event is still to come when the session is
  // asked.
  mtu_ = 1210;
  ++alice_session_.connection.black_hole_suspicions;
  for (int i = 0; i < 100 && alice_->max_payload() == before; ++i) {
    now_ += 10ms;
    alice_pump_->HandleTimeout(now_);
    alice_session_.to_send.push_back({100, false});
    while (const auto train = alice_pump_->PollTrain(now_)) {
      Deliver(*train, *bob_pump_, "192.0.2.1:41001");
    }
    while (const auto train = bob_pump_->PollTrain(now_)) {
      Deliver(*train, *alice_pump_, "192.0.2.2:42002");
    }
  }
  EXPECT_LT(alice_->max_payload(), before);
  EXPECT_EQ(alice_session_.max_payloads.back(), alice_->max_payload());
}

}  // namespace
}  // namespace p2pcp::cmd

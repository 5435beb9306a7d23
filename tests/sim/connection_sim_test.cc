// The connection alone over every path that a seed can draw: finds what is
// wrong in the transport itself, faster than whole transfers do.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <iostream>
#include <string>

#include "net/base/bytes.h"
#include "net/base/random.h"
#include "net/base/time.h"
#include "tests/sim/connection_peer.h"
#include "tests/sim/scenario.h"
#include "tests/sim/seeds.h"
#include "tests/sim/simulator.h"
#include "tests/sim/topology.h"
#include "transfer/connection/connection.h"

namespace p2pcp::sim {
namespace {

// Seeds of an ordinary run.
constexpr std::uint64_t kSeeds = 96;
// The seeds are dealt out to so many tests, which Bazel spreads over shards.
constexpr std::uint64_t kDecks = 16;
constexpr std::uint16_t kPort = 4000;
constexpr std::uint64_t kReceiveBudget = 24 << 20;

class BareTransfer {
 public:
  explicit BareTransfer(const Scenario& scenario)
      : scenario_(scenario),
        size_(scenario.TotalBytes()),
        random_(scenario.seed),
        // A slow or a full disk in every other run.
        stutter_(scenario.disk.latency > Duration::zero() ? 0.01 : 0),
        source_(simulator_, size_, stutter_, scenario.disk.latency),
        sink_(simulator_, size_, stutter_, scenario.disk.latency) {
    wire_.attacker().options() = scenario.attacker;
    Connection::Config config;
    config.max_payload = 1172 + random_.Below(2) * 272;
    sender_.emplace(simulator_, wire_.a(), Peer(wire_.b()), config, &source_,
                    nullptr);
    // A budget below what the line holds makes it wait for credit.
    config.receive_budget = random_.Below(4) == 0 ? 64 << 10 : kReceiveBudget;
    receiver_.emplace(simulator_, wire_.b(), Peer(wire_.a()), config, nullptr,
                      &sink_);
    source_.set_on_ready([this] {
      sender_->connection().OnSourceReady();
      sender_->Turn();
    });
    sink_.set_on_release([this](std::uint64_t n) {
      receiver_->connection().ReleaseBytes(n);
      receiver_->Turn();
    });
  }

  // Empty: all went well.
  std::string Execute() {
    Connection& sender = sender_->connection();
    // The byte space and control messages both ways.
    sender.OfferBytes(StreamOffset(0), StreamOffset(size_));
    for (ConnectionPeer* peer : {&*sender_, &*receiver_}) {
      for (int i = 0; i < kMessages; ++i) {
        peer->connection().SendControl(Message(i));
      }
      peer->Turn();
    }
    for (const Happening& happening : scenario_.happenings) Plan(happening);
    const Stop stop =
        simulator_.RunUntil([this] { return Done() || !Broken().empty(); },
                            Simulator::kStart + Limit());
    if (std::string broken = Broken(); !broken.empty()) return broken;
    if (!Done()) return std::string(ToString(stop)) + Describe();
    if (sink_.wrong()) return *sink_.wrong();
    for (const ConnectionPeer* peer : {&*sender_, &*receiver_}) {
      for (int i = 0; i < kMessages; ++i) {
        if (peer->heard()[i] != Message(i)) return "a wrong control message";
      }
    }
    if (static_cast<double>(sender.stats().bytes_sent) >
        scenario_.MostBytesSent()) {
      return "sent too much" + Describe();
    }
    // Then it is quiet: nothing is sent and no timer runs without end.
    simulator_.RunFor(60s);
    const std::uint64_t sent = sender.stats().packets_sent;
    const std::uint64_t answered = receiver_->connection().stats().packets_sent;
    simulator_.RunFor(60s);
    if (sender.stats().packets_sent != sent ||
        receiver_->connection().stats().packets_sent != answered) {
      return "goes on sending when all is done";
    }
    return "";
  }

  // What the sink refuses is lost to the sender.
  Duration Limit() const {
    Scenario strained = scenario_;
    strained.to_receiver.loss += stutter_;
    return strained.TimeLimit();
  }

  std::string Describe() const {
    const ConnectionStats& s = sender_->connection().stats();
    return "; acked " + std::to_string(s.data_bytes_acknowledged) + " of " +
           std::to_string(size_) + ", cwnd " +
           std::to_string(s.congestion_window) + ", in flight " +
           std::to_string(s.bytes_in_flight) + ", sent " +
           std::to_string(s.packets_sent) + " packets, " +
           std::to_string(s.bytes_sent) + " bytes, lost " +
           std::to_string(s.packets_lost) + ", spurious " +
           std::to_string(s.packets_spuriously_lost) + ", PTOs " +
           std::to_string(s.probe_timeouts) + ", persistent " +
           std::to_string(s.persistent_congestions) + ", srtt " +
           std::to_string(s.smoothed_rtt / 1us) + " us; at " +
           std::to_string(simulator_.elapsed() / 1ms) + " ms";
  }

 private:
  static constexpr int kMessages = 12;

  static SocketAddress Peer(const Host& host) {
    return {.ip = host.v4(), .port = kPort};
  }
  static Bytes Message(int i) {
    return Bytes(static_cast<std::size_t>(i * i * 100),
                 static_cast<std::byte>(i));
  }
  bool Done() const {
    const auto all_heard = [](const ConnectionPeer& peer) {
      return peer.heard().size() == kMessages &&
             peer.connection().ControlAcknowledged();
    };
    return sink_.complete() && sender_->connection().AllBytesAcknowledged() &&
           all_heard(*sender_) && all_heard(*receiver_);
  }
  std::string Broken() const {
    for (const ConnectionPeer* peer : {&*sender_, &*receiver_}) {
      const ConnectionStats& stats = peer->connection().stats();
      if (peer->connection().error()) {
        return peer->connection().error()->message;
      }
      if (stats.bytes_in_flight > stats.bytes_sent) {
        return "more bytes in flight than were sent";
      }
    }
    return "";
  }
  // Outages and storms by time here, as if the line were full all along.
  void Plan(const Happening& happening) {
    const double seconds = happening.when * static_cast<double>(size_) /
                           static_cast<double>(scenario_.to_receiver.rate);
    simulator_.ScheduleIn(
        std::chrono::duration_cast<Duration>(
            std::chrono::duration<double>(seconds)),
        [this, happening] {
          if (happening.kind == Happening::Kind::kStorm) {
            wire_.attacker().options().replay = 1;
            wire_.attacker().options().copies = 20;
          } else if (happening.duration > Duration::zero()) {
            wire_.a_to_b().set_up(false);
            wire_.b_to_a().set_up(happening.kind ==
                                  Happening::Kind::kOneWayOutage);
          }
          simulator_.ScheduleIn(happening.duration, [this] {
            wire_.attacker().options() = scenario_.attacker;
            wire_.a_to_b().set_up(true);
            wire_.b_to_a().set_up(true);
          });
        });
  }

  const Scenario scenario_;
  const std::uint64_t size_;
  Simulator simulator_{scenario_.seed};
  SeededRandom random_;
  Wire wire_{simulator_, scenario_.to_receiver, scenario_.to_sender};
  double stutter_;
  PatternSource source_;
  PatternSink sink_;
  std::optional<ConnectionPeer> sender_;
  std::optional<ConnectionPeer> receiver_;
};

class ConnectionOverSeeds : public testing::TestWithParam<std::uint64_t> {};

TEST_P(ConnectionOverSeeds, DeliversEverythingOnceInBoundedTime) {
  for (const std::uint64_t seed : SeedsOfDeck(GetParam(), kDecks, kSeeds)) {
    const Scenario scenario = DrawScenario(seed);
    BareTransfer run(scenario);
    const std::string failure = run.Execute();
    if (!failure.empty()) {
      ADD_FAILURE() << "seed " << seed << ": " << failure << "\n  limit "
                    << run.Limit() / 1ms
                    << " ms\n  scenario: " << scenario.Describe()
                    << "\n  replay: bazel run //tests/sim:connection_sim_test "
                       "-- --seed="
                    << seed;
    } else if (Seeds().seed) {
      std::cout << scenario.Describe() << run.Describe() << " of "
                << run.Limit() / 1ms << "\n";
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Decks, ConnectionOverSeeds,
                         testing::Range(std::uint64_t{0}, kDecks));

}  // namespace
}  // namespace p2pcp::sim

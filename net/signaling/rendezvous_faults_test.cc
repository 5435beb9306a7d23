// What others may do to the messages of a rendezvous: lose, repeat, reorder,
// delay, replay, invent, flood. Whatever it is, two peers that are there meet
// as soon as it ends, and never in a session that is not the one both hold.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/random.h"
#include "net/base/time.h"
#include "net/ice/candidate.h"
#include "net/signaling/rendezvous.h"
#include "net/signaling/world_for_tests.h"

namespace p2pcp::signaling {
namespace {

using simulated::CandidateAt;
using simulated::kOneWay;
using simulated::kRoundTrip;
using simulated::Node;
using simulated::Sent;
using simulated::World;

// Who comes how much earlier.
struct Order {
  Duration offerer;
  Duration answerer;
};
constexpr Order kOrders[] = {{0s, 0s},   {0s, 3min},  {3min, 0s}, {0s, 40ms},
                             {40ms, 0s}, {0s, 700ms}, {700ms, 0s}};

struct Pair {
  Node& alice;
  Node& bob;
};

// Both are there when this returns.
Pair StartBoth(World& world, const Order& order) {
  if (order.offerer < order.answerer) {
    Node& alice = world.StartOfferer();
    world.Run(order.answerer);
    return {alice, world.StartAnswerer()};
  }
  Node& bob = world.StartAnswerer();
  world.Run(order.offerer);
  return {world.StartOfferer(), bob};
}

// A meeting, then a candidate of each that the other must learn of.
void ExpectMeetingAndTrickle(World& world, Pair pair, Duration patience) {
  ASSERT_TRUE(world.Meet(pair.alice, pair.bob, patience));
  pair.alice->SetLocalCandidates(world.now,
                                 {CandidateAt(1, 9), CandidateAt(77, 5)});
  world.Settle(pair.alice);
  pair.bob->SetLocalCandidates(world.now,
                               {CandidateAt(2, 9), CandidateAt(88, 5)});
  world.Settle(pair.bob);
  const auto knows = [](const Node& node, std::uint8_t last) {
    return std::any_of(node.trickled.begin(), node.trickled.end(),
                       [last](const ice::Candidate& candidate) {
                         return candidate.address ==
                                CandidateAt(last, 0).address;
                       });
  };
  EXPECT_TRUE(world.RunUntil(
      [&] { return knows(pair.alice, 88) && knows(pair.bob, 77); }, patience));
  EXPECT_TRUE(World::Agree(pair.alice, pair.bob));
}

// How many messages are sent from the moment both are there, without faults.
std::size_t CleanCount(const Order& order, std::size_t& begin) {
  World world;
  const Pair pair = StartBoth(world, order);
  begin = world.sent.size();
  ExpectMeetingAndTrickle(world, pair, 10s);
  return world.sent.size() - begin;
}

class AnyOneMessage : public ::testing::TestWithParam<Order> {
 protected:
  // The whole, with a fate for one message at a time, and two more than ever
  // were needed.
  void ForEach(const std::vector<Duration>& fate, Duration patience) {
    std::size_t begin = 0;
    const std::size_t count = CleanCount(GetParam(), begin);
    ASSERT_GE(count, 4u);
    for (std::size_t n = begin; n < begin + count + 2; ++n) {
      SCOPED_TRACE(n - begin);
      World world;
      world.fate = [&](std::size_t i) {
        return i == n ? fate : std::vector<Duration>{0s};
      };
      const Pair pair = StartBoth(world, GetParam());
      ExpectMeetingAndTrickle(world, pair, patience);
      // What was delayed still arrives, and changes nothing.
      pair.alice->SetBusy(world.now, true);
      pair.bob->SetBusy(world.now, true);
      world.Run(2min);
      EXPECT_TRUE(World::Agree(pair.alice, pair.bob));
    }
  }
};

TEST_P(AnyOneMessage, MayBeLost) { ForEach({}, 2500ms); }
TEST_P(AnyOneMessage, MayComeAHundredTimes) {
  ForEach(std::vector<Duration>(100, 0s), 2500ms);
}
TEST_P(AnyOneMessage, MayComeAHundredTimesOverAMinute) {
  std::vector<Duration> fate;
  for (int i = 0; i < 100; ++i) fate.push_back(i * 600ms);
  ForEach(fate, 2500ms);
}
TEST_P(AnyOneMessage, MayBeAMinuteLate) { ForEach({1min}, 2500ms); }
TEST_P(AnyOneMessage, MayBeOvertaken) { ForEach({120ms}, 2500ms); }

INSTANTIATE_TEST_SUITE_P(Orders, AnyOneMessage, ::testing::ValuesIn(kOrders));

// Messages of one kind sent while a session is established must not disturb
// it, however late they come.
TEST(RendezvousFaults, ALateMessageOfTheMeetingDoesNotEndTheSession) {
  for (const Order& order : kOrders) {
    World world;
    const Pair pair = StartBoth(world, order);
    ASSERT_TRUE(world.Meet(pair.alice, pair.bob, 10s));
    pair.alice->SetBusy(world.now, true);
    pair.bob->SetBusy(world.now, true);
    const std::vector<Sent> said = world.sent;
    for (const Duration late : {Duration(3s), Duration(30s), Duration(1min)}) {
      world.Run(late);
      for (const Sent& sent : said) world.Inject(sent.topic, sent.payload);
    }
    world.Run(1min);
    EXPECT_TRUE(World::Agree(pair.alice, pair.bob));
    EXPECT_EQ(pair.alice.sessions.size(), 1u);
    EXPECT_EQ(pair.bob.sessions.size(), 1u);
    EXPECT_EQ(pair.alice.superseded + pair.bob.superseded, 0);
  }
}

// The offerer's first hello comes when its offer has been taken, which the
// answerer's own ready brought about; and what the answerer says to it
// overtakes the answer. That is no new beginning.
TEST(RendezvousFaults, AHelloThatWasOvertakenGetsTheSameAnswer) {
  for (const Duration late : {Duration(0s), kOneWay}) {
    World world;
    Node& alice = world.StartOfferer();
    int of_bob = 0;
    world.fate = [&](std::size_t n) {
      if (n == 0) return std::vector<Duration>{};
      const bool bobs = world.sent[n].topic == alice->Topics()[1];
      const bool answer = bobs && ++of_bob == 2;
      return std::vector<Duration>{answer ? 150ms : 0ms};
    };
    world.Run(700ms);
    ASSERT_EQ(world.sent.size(), 1u);
    Node& bob = world.StartAnswerer();
    ASSERT_TRUE(world.RunUntil([&] { return bob.current.has_value(); }, 2s));
    world.Run(late);
    world.Inject(world.sent[0].topic, world.sent[0].payload);
    ASSERT_TRUE(world.Meet(alice, bob, 4 * kOneWay));
    world.Run(3s);
    EXPECT_TRUE(World::Agree(alice, bob));
    EXPECT_EQ(bob.sessions.size(), 1u);
    EXPECT_EQ(alice.sessions.size(), 1u);
  }
}

// Each message takes its own time, in no order: nothing is lost, so at most one
// thing has to be said again, and what the two have then is the same.
TEST(RendezvousFaults, MessagesMayOvertakeEachOther) {
  for (std::uint64_t seed = 1; seed <= 400; ++seed) {
    SCOPED_TRACE(seed);
    World world(seed);
    SeededRandom random(seed);
    world.fate = [&random](std::size_t) {
      return std::vector<Duration>{Duration(random.Below(500'000'000))};
    };
    const Pair pair =
        StartBoth(world, {Duration(random.Below(2) * random.Below(2e9)),
                          Duration(random.Below(2) * random.Below(2e9))});
    EXPECT_TRUE(world.Meet(pair.alice, pair.bob, kRoundTrip + 4 * 550ms + 1s));
    world.Run(3s);
    EXPECT_TRUE(World::Agree(pair.alice, pair.bob));
    EXPECT_EQ(pair.alice.sessions.size(), 1u);
    EXPECT_EQ(pair.bob.sessions.size(), 1u);
  }
}

// All that two peers have ever said to each other, in this day's topics.
std::vector<Sent> RecordSessions(std::uint64_t seed, int sessions) {
  World world(seed);
  for (int i = 0; i < sessions; ++i) {
    const Pair pair = StartBoth(world, kOrders[i % std::size(kOrders)]);
    EXPECT_TRUE(world.Meet(pair.alice, pair.bob, 10s));
    pair.alice->SetLocalCandidates(world.now, {CandidateAt(9, 9)});
    world.Settle(pair.alice);
    world.Run(1s);
    pair.alice->Close(world.now, ByeReason::kGaveUp);
    world.Settle(pair.alice);
    world.Run(1s);
    pair.bob->Close(world.now, ByeReason::kBusy);
    world.Settle(pair.bob);
    world.Kill(pair.alice);
    world.Kill(pair.bob);
  }
  return world.sent;
}

// PROTOCOL.md, "Why nothing old counts": replayed offers start nothing.
TEST(RendezvousFaults, ReplaysOfEarlierSessionsStartNothing) {
  const std::vector<Sent> old = RecordSessions(42, 10);
  ASSERT_GE(old.size(), 60u);
  for (const bool offerer : {false, true}) {
    World world(1);  // The same two identities.
    Node& lone = offerer ? world.StartOfferer() : world.StartAnswerer();
    world.Run(1s);
    for (int round = 0; round < 100; ++round) {
      for (const Sent& sent : old) world.Inject(sent.topic, sent.payload);
      world.Run(100ms);
    }
    world.Run(1min);
    EXPECT_GE(lone.peer_seen, 1);  // They are authentic, after all.
    EXPECT_TRUE(lone.sessions.empty());
    EXPECT_FALSE(lone.failure.has_value());
    // At most what it was allowed to process, each answered by one message.
    EXPECT_LE(world.sent.size(), 20u + 20u * 72u + 20u);
  }
}

// An original, not a replay: nobody has seen it, but who sent it is gone.
TEST(RendezvousFaults, AnOfferThatWasHeldBackStartsNothing) {
  for (const bool others_come : {false, true}) {
    World world;
    Node& bob = world.StartAnswerer();
    world.Run(1h);
    std::vector<Sent> held;
    Node& alice = world.StartOfferer();
    // Of what the offerer says only its hello arrives.
    const std::string to_bob = bob->Topics()[1];
    bool greeted = false;
    world.fate = [&](std::size_t n) {
      if (world.sent[n].topic != to_bob || !std::exchange(greeted, true)) {
        return std::vector<Duration>{0s};
      }
      held.push_back(world.sent[n]);
      return std::vector<Duration>{};
    };
    world.Run(10s);
    ASSERT_GE(held.size(), 2u);
    world.Kill(alice);
    world.fate = [](std::size_t) { return std::vector<Duration>{0s}; };
    world.Run(2min);
    for (const Sent& sent : held) world.Inject(sent.topic, sent.payload);
    world.Run(1min);
    EXPECT_GE(alice.peer_seen, 1);
    EXPECT_TRUE(bob.sessions.empty());
    if (!others_come) continue;
    Node& next = world.StartOfferer();
    EXPECT_TRUE(world.Meet(next, bob, 1s));
  }
}

TEST(RendezvousFaults, PeersMeetInTheMidstOfReplays) {
  const std::vector<Sent> old = RecordSessions(43, 10);
  for (const Order& order : kOrders) {
    World world(2);
    SeededRandom random(7);
    // Three replays a second, as long as the meeting takes.
    std::function<void()> replay = [&] {
      const Sent& sent = old[random.Below(old.size())];
      world.Inject(sent.topic, sent.payload);
      world.At(world.now + 333ms, replay);
    };
    world.At(world.now, replay);
    const Pair pair = StartBoth(world, order);
    ExpectMeetingAndTrickle(world, pair, 5s);
    EXPECT_EQ(pair.bob.sessions.size(), 1u);
    EXPECT_EQ(pair.alice.sessions.size(), 1u);
  }
}

// Beacons refer to nothing of ours, so any of the last days may be repeated.
// Whoever has two hours of each side's repeats five hundred a second to each;
// the two meet nevertheless, and soon.
TEST(RendezvousFaults, HoursOfBeaconsReplayedDoNotStarveAMeeting) {
  std::vector<Sent> old;
  for (const bool offerer : {false, true}) {
    World world(46);
    offerer ? world.StartOfferer() : world.StartAnswerer();
    world.Run(2h);
    old.insert(old.end(), world.sent.begin(), world.sent.end());
  }
  // More than a mailbox remembers.
  ASSERT_GT(old.size(), 450u);
  for (const Order& order : kOrders) {
    World world(5);
    std::size_t next = 0;
    std::function<void()> replay = [&] {
      for (int i = 0; i < 10; ++i) {
        const Sent& sent = old[next++ % old.size()];
        world.Inject(sent.topic, sent.payload);
      }
      world.At(world.now + 10ms, replay);
    };
    world.At(world.now, replay);
    const Pair pair = StartBoth(world, order);
    ExpectMeetingAndTrickle(world, pair, 5s);
  }
}

TEST(RendezvousFaults, PeersMeetOnceAStormOfReplaysIsOver) {
  const std::vector<Sent> old = RecordSessions(44, 10);
  World world(3);
  const Pair pair = StartBoth(world, {0s, 0s});
  for (int i = 0; i < 200; ++i) {
    for (const Sent& sent : old) world.Inject(sent.topic, sent.payload);
    world.Run(50ms);
  }
  EXPECT_TRUE(world.Meet(pair.alice, pair.bob, 10s));
  EXPECT_GT(pair.alice->stats().duplicates + pair.bob->stats().duplicates,
            1000u);
}

TEST(RendezvousFaults, InventedMessagesAreDroppedAndCounted) {
  World world;
  SeededRandom random(3);
  const Pair pair = StartBoth(world, {0s, 0s});
  world.Run(kRoundTrip);
  int invented = 0;
  std::function<void()> invent = [&] {
    for (int i = 0; i < 50; ++i) {
      Bytes payload(1024);
      random.Fill(payload);
      world.Inject(pair.bob->Topics()[1], payload);
      world.Inject(pair.alice->Topics()[1], payload);
      ++invented;
    }
    if (invented < 2000) world.At(world.now + 10ms, invent);
  };
  world.At(world.now, invent);
  // A meeting is not delayed by as much as a millisecond.
  ASSERT_TRUE(world.Meet(pair.alice, pair.bob, 3 * kRoundTrip));
  world.Run(1min);
  EXPECT_EQ(pair.bob->stats().not_authentic, 2000u);
  EXPECT_TRUE(World::Agree(pair.alice, pair.bob));
}

TEST(RendezvousFaults, AlteredMovedAndReflectedMessagesAreDropped) {
  World world;
  const Pair pair = StartBoth(world, {0s, 0s});
  // Every message arrives with each of its bytes changed, under the other
  // topics of its receiver, and at its sender, before it arrives itself.
  SeededRandom random(3);
  world.fate = [&](std::size_t n) {
    world.At(world.now + 1ms, [&world, &random, n, pair] {
      const Sent sent = world.sent[n];
      for (int i = 0; i < 20; ++i) {
        Bytes altered = sent.payload;
        altered[random.Below(altered.size())] ^=
            static_cast<std::byte>(1 << random.Below(8));
        world.Inject(sent.topic, altered);
      }
      for (Node* node : {&pair.alice, &pair.bob}) {
        for (const std::string& topic : (*node)->Topics()) {
          if (topic != sent.topic) world.Inject(topic, sent.payload);
        }
      }
    });
    return std::vector<Duration>{0s};
  };
  ExpectMeetingAndTrickle(world, pair, 3s);
  EXPECT_EQ(pair.bob.sessions.size(), 1u);
  EXPECT_EQ(pair.alice->stats().malformed + pair.bob->stats().malformed, 0u);
}

TEST(RendezvousFaults, PayloadsOfAnyOtherSizeAreIgnored) {
  World world;
  const Pair pair = StartBoth(world, {0s, 0s});
  world.Run(kRoundTrip);
  const std::string topic = pair.bob->Topics()[1];
  for (const std::size_t size : {0, 1, 23, 24, 40, 1023, 1025, 4096}) {
    world.Inject(topic, Bytes(size));
  }
  EXPECT_EQ(pair.bob->stats().wrong_size, 8u);
  EXPECT_EQ(pair.bob->stats().not_authentic, 0u);
  world.Inject("not-our-topic", Bytes(1024));
  EXPECT_TRUE(world.Meet(pair.alice, pair.bob, 5s));
}

// At most 20 messages a second are processed and 64 wait.
TEST(RendezvousFaults, ProcessesAtMostTwentyMessagesASecond) {
  const std::vector<Sent> old = RecordSessions(45, 60);
  World world(4);
  Node& bob = world.StartAnswerer();
  world.Run(1s);
  const std::size_t before = world.sent.size();
  for (const Sent& sent : old) world.Inject(sent.topic, sent.payload);
  // The burst.
  EXPECT_LE(world.sent.size() - before, 21u);
  EXPECT_GT(bob->stats().queue_full, 0u);
  world.Run(1s);
  EXPECT_LE(world.sent.size() - before, 42u);
  world.Run(10s);
  EXPECT_LE(world.sent.size() - before, 20u + 64u + 8u);
}

// Everything at once, from a seed: loss, delay, duplication, restarts. When it
// is over the peers meet.
TEST(RendezvousFaults, PeersMeetAfterAnyChaos) {
  for (std::uint64_t seed = 1; seed <= 150; ++seed) {
    SCOPED_TRACE(seed);
    World world(seed);
    SeededRandom random(seed);
    world.fate = [&random](std::size_t) {
      std::vector<Duration> copies;
      while (random.Below(100) < 55) {
        copies.push_back(Duration(random.Below(
            random.Below(10) == 0 ? 60'000'000'000 : 2'000'000'000)));
      }
      return copies;
    };
    Node* alice = &world.StartOfferer();
    Node* bob = &world.StartAnswerer();
    for (int step = 0; step < 12; ++step) {
      world.Run(Duration(random.Below(8'000'000'000)));
      Node*& victim = random.Below(2) == 0 ? alice : bob;
      switch (random.Below(5)) {
        case 0:
          world.Kill(*victim);
          victim =
              victim == alice ? &world.StartOfferer() : &world.StartAnswerer();
          break;
        case 1:
          (*victim)->SetBusy(world.now, true);
          break;
        case 2:
          (*victim)->SetBusy(world.now, false);
          break;
        case 3:
          (*victim)->SetLocalCandidates(
              world.now,
              {CandidateAt(static_cast<std::uint8_t>(random.Below(200)), 4)});
          break;
        case 4:
          (*victim)->HandleSubscribed(world.now, victim->Wall(world.now));
          break;
      }
      world.Settle(*victim);
    }
    EXPECT_FALSE(alice->failure.has_value());
    EXPECT_FALSE(bob->failure.has_value());
    // Quiet again; each side ends what it had, as its channel would tell it.
    world.fate = [](std::size_t) { return std::vector<Duration>{0s}; };
    world.Run(1min);
    for (Node* node : {alice, bob}) {
      (*node)->SetBusy(world.now, true);
      (*node)->SetBusy(world.now, false);
      node->current.reset();
      world.Settle(*node);
    }
    EXPECT_TRUE(world.Meet(*alice, *bob, 10s));
  }
}

}  // namespace
}  // namespace p2pcp::signaling

#include "net/signaling/pairing.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/random.h"
#include "net/base/result.h"
#include "net/base/time.h"
#include "net/crypto/identity.h"
#include "net/crypto/key.h"
#include "net/crypto/pairing_code.h"
#include "net/signaling/pairing_event.h"
#include "net/signaling/pairing_mailbox.h"
#include "net/signaling/pairing_world_for_tests.h"

namespace p2pcp::signaling {
namespace {

using simulated::Code;
using simulated::kOneWay;
using simulated::PairingWorld;
using simulated::Person;

const char kCode[] = "4821-acid-bagel-crumb";
const char kOtherCode[] = "4821-acid-bagel-crust";

bool Agree(const PairingWorld& world, const Person& a, const Person& b) {
  return PairingWorld::Agree(a, world.alice, b, world.bob);
}

TEST(Pairing, GivesBothEachOthersKeyAndTheSameSecret) {
  PairingWorld world;
  Person& a = world.Start(world.alice, Code(kCode));
  Person& b = world.Start(world.bob, std::nullopt);
  world.Run(3s);
  world.Enter(b, Code(kCode));
  const TimePoint typed = world.now;
  ASSERT_TRUE(world.RunUntil([&] { return a->over() && b->over(); }, 30s));
  EXPECT_TRUE(Agree(world, a, b));
  EXPECT_NE(a.paired->psk, crypto::Psk());
  // Subscribed, then request, share, proof, answer: no timer in between.
  EXPECT_EQ(b.paired_at - typed, 6 * kOneWay);
  EXPECT_EQ(a.times_paired, 1);
  EXPECT_EQ(b.times_paired, 1);
  EXPECT_FALSE(a.failure || b.failure);
}

TEST(Pairing, SaysOnlyMessagesOfOneSizeWithoutKeysOrWords) {
  PairingWorld world;
  Person& a = world.Start(world.alice, Code(kCode));
  Person& b = world.Start(world.bob, std::nullopt);
  world.Enter(b, Code(kCode));
  ASSERT_TRUE(world.RunUntil([&] { return Agree(world, a, b); }, 30s));
  PairingMailbox broker(world.now, a.Wall(world.now), "4821", world.random);
  for (const auto& message : world.sent) {
    EXPECT_EQ(message.payload.size(), 1024u);
    // The place is public: whoever guesses it can open the envelope.
    const auto inside = broker.Receive(message.topic, message.payload);
    ASSERT_TRUE(inside);
    const Bytes bytes = inside->Encode();
    const std::string text(AsText(bytes));
    for (const crypto::Identity* identity : {&world.alice, &world.bob}) {
      EXPECT_EQ(text.find(AsText(identity->public_key().bytes())),
                std::string::npos);
    }
    for (const char* word : {"acid", "bagel", "crumb"}) {
      EXPECT_EQ(text.find(word), std::string::npos);
    }
  }
}

TEST(Pairing, GivesAnotherSecretEachTime) {
  std::set<std::string> secrets;
  PairingWorld world;
  for (int i = 0; i < 5; ++i) {
    Person& a = world.Start(world.alice, Code(kCode));
    Person& b = world.Start(world.bob, std::nullopt);
    world.Enter(b, Code(kCode));
    ASSERT_TRUE(world.RunUntil([&] { return Agree(world, a, b); }, 30s));
    secrets.insert(Hex(a.paired->psk.key));
    world.Run(15s);
    a.alive = b.alive = false;
  }
  EXPECT_EQ(secrets.size(), 5u);
}

TEST(Pairing, WorksWhoeverIsThereFirst) {
  PairingWorld world;
  Person& b = world.Start(world.bob, std::nullopt);
  world.Enter(b, Code(kCode));
  world.Run(20s);
  EXPECT_EQ(b.lonely, 1);
  Person& a = world.Start(world.alice, Code(kCode));
  EXPECT_TRUE(world.RunUntil([&] { return Agree(world, a, b); }, 4s));
}

TEST(Pairing, SurvivesTheLossOfAnyOneMessage) {
  for (std::size_t lost = 0; lost < 8; ++lost) {
    PairingWorld world(lost + 1);
    world.fate = [&](std::size_t n) {
      return n == lost ? std::vector<Duration>{} : std::vector<Duration>{0s};
    };
    Person& a = world.Start(world.alice, Code(kCode));
    Person& b = world.Start(world.bob, std::nullopt);
    world.Enter(b, Code(kCode));
    EXPECT_TRUE(world.RunUntil([&] { return Agree(world, a, b); }, 5s)) << lost;
    EXPECT_TRUE(world.RunUntil([&] { return a->over() && b->over(); }, 15s));
    EXPECT_FALSE(a.failure || b.failure);
  }
}

TEST(Pairing, SurvivesLossDelayAndDuplicates) {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    PairingWorld world(seed);
    SeededRandom dice(seed);
    world.fate = [&](std::size_t) {
      std::vector<Duration> deliveries;
      for (std::uint64_t copies = dice.Below(4); copies > 0; --copies) {
        deliveries.push_back(std::chrono::milliseconds(dice.Below(3000)));
      }
      return deliveries;  // A quarter is lost.
    };
    Person& a = world.Start(world.alice, Code(kCode));
    Person& b = world.Start(world.bob, std::nullopt);
    world.Enter(b, Code(kCode));
    EXPECT_TRUE(world.RunUntil([&] { return Agree(world, a, b); }, 60s))
        << "seed " << seed;
    EXPECT_EQ(a->displayer_stats().wrong_proofs, 0u);
    EXPECT_EQ(a.times_paired, 1);
    EXPECT_EQ(b.times_paired, 1);
    EXPECT_LT(world.turns, 1000) << "seed " << seed;
  }
}

TEST(Pairing, GoesOnWhenTheHourTurns) {
  PairingWorld world;
  Person& a = world.Start(world.alice, Code(kCode));
  Person& b = world.Start(world.bob, std::nullopt);
  const std::vector<std::string> before = a->Topics();
  world.Run(90s);
  EXPECT_NE(a->Topics(), before);
  world.Enter(b, Code(kCode));
  EXPECT_TRUE(world.RunUntil([&] { return Agree(world, a, b); }, 5s));
}

TEST(Pairing, WorksWithClocksThatAreAnHourApart) {
  for (const Duration error : {Duration(1h), Duration(-1h)}) {
    PairingWorld world;
    Person& a = world.Start(world.alice, Code(kCode));
    Person& b = world.Start(world.bob, std::nullopt, error);
    world.Enter(b, Code(kCode));
    EXPECT_TRUE(world.RunUntil([&] { return Agree(world, a, b); }, 5s));
  }
}

TEST(Pairing, AWrongCodeIsSaidOnBothSidesAndTypedAgain) {
  PairingWorld world;
  Person& a = world.Start(world.alice, Code(kCode));
  Person& b = world.Start(world.bob, std::nullopt);
  world.Enter(b, Code(kOtherCode));
  ASSERT_TRUE(world.RunUntil([&] { return !b.tries_left.empty(); }, 5s));
  EXPECT_EQ(b.tries_left, std::vector<int>{2});
  EXPECT_EQ(a.guesses_left, std::vector<int>{2});
  world.Enter(b, Code(kCode));
  EXPECT_TRUE(world.RunUntil([&] { return Agree(world, a, b); }, 5s));
}

TEST(Pairing, TheThirdWrongCodeBurnsIt) {
  PairingWorld world;
  Person& a = world.Start(world.alice, Code(kCode));
  Person& b = world.Start(world.bob, std::nullopt);
  for (std::size_t i = 1; i <= 3; ++i) {
    world.Enter(b, Code(kOtherCode));
    world.RunUntil([&] { return b.tries_left.size() == i || b.failure; }, 5s);
  }
  ASSERT_TRUE(a.failure && b.failure);
  EXPECT_EQ(a.failure->code, ErrorCode::kAuthenticationFailed);
  EXPECT_EQ(b.failure->code, ErrorCode::kAuthenticationFailed);
  // Not even the right one helps now, nor another who comes.
  world.Enter(b, Code(kCode));
  Person& c = world.Start(world.mallory, std::nullopt);
  world.Enter(c, Code(kCode));
  world.Run(30s);
  EXPECT_FALSE(a.paired || b.paired || c.paired);
  EXPECT_TRUE(a->over());
  EXPECT_TRUE(b->over());
}

TEST(Pairing, ARefusalThatIsLostIsSaidAgain) {
  PairingWorld world;
  Person& a = world.Start(world.alice, Code(kCode));
  Person& b = world.Start(world.bob, std::nullopt);
  // Request, share, proof, refusal.
  world.fate = [&](std::size_t n) {
    return n == 3 ? std::vector<Duration>{} : std::vector<Duration>{0s};
  };
  world.Enter(b, Code(kOtherCode));
  EXPECT_TRUE(world.RunUntil([&] { return !b.tries_left.empty(); }, 5s));
  EXPECT_EQ(a->displayer_stats().wrong_proofs, 1u);
}

TEST(Pairing, WrongDigitsMeetNobodyAndCostNothing) {
  PairingWorld world;
  Person& a = world.Start(world.alice, Code(kCode));
  Person& b = world.Start(world.bob, std::nullopt);
  world.Enter(b, Code("4822-acid-bagel-crumb"));
  world.Run(30s);
  EXPECT_EQ(b.lonely, 1);
  EXPECT_TRUE(a.guesses_left.empty());
  world.Enter(b, Code(kCode));
  EXPECT_TRUE(world.RunUntil([&] { return Agree(world, a, b); }, 5s));
}

TEST(Pairing, ACodeLivesTenMinutes) {
  PairingWorld world;
  Person& a = world.Start(world.alice, Code(kCode));
  Person& b = world.Start(world.bob, std::nullopt);
  world.Run(10min - 1s);
  EXPECT_FALSE(a.failure);
  world.Run(1s);
  ASSERT_TRUE(a.failure);
  EXPECT_EQ(a.failure->code, ErrorCode::kPeerNeverAppeared);
  world.Run(5s);
  EXPECT_TRUE(a->over());
  world.Enter(b, Code(kCode));
  world.Run(10min);
  EXPECT_FALSE(a.paired || b.paired);
  ASSERT_TRUE(b.failure);
  EXPECT_EQ(b.failure->code, ErrorCode::kPeerNeverAppeared);
}

TEST(Pairing, ACodeServesOnce) {
  PairingWorld world;
  Person& a = world.Start(world.alice, Code(kCode));
  Person& b = world.Start(world.bob, std::nullopt);
  // The displayer lingers, since it never hears that its answer came.
  b.alive = true;
  world.Enter(b, Code(kCode));
  ASSERT_TRUE(world.RunUntil([&] { return a.paired.has_value(); }, 5s));
  Person& c = world.Start(world.mallory, std::nullopt);
  b.alive = false;
  world.Enter(c, Code(kCode));
  world.Run(5s);
  EXPECT_FALSE(c.paired);
  ASSERT_TRUE(c.failure);
  EXPECT_EQ(c.failure->code, ErrorCode::kAuthenticationFailed);
  EXPECT_EQ(a.times_paired, 1);
}

TEST(Pairing, TheDisplayerEndsOnceItsAnswerIsThereOrAfterTenSeconds) {
  PairingWorld world;
  Person& a = world.Start(world.alice, Code(kCode));
  Person& b = world.Start(world.bob, std::nullopt);
  world.Enter(b, Code(kCode));
  ASSERT_TRUE(world.RunUntil([&] { return a->over(); }, 5s));
  EXPECT_EQ(world.now - b.paired_at, kOneWay);

  PairingWorld other;
  Person& x = other.Start(other.alice, Code(kCode));
  Person& y = other.Start(other.bob, std::nullopt);
  other.Enter(y, Code(kCode));
  ASSERT_TRUE(other.RunUntil([&] { return x.paired.has_value(); }, 5s));
  y.alive = false;
  ASSERT_TRUE(other.RunUntil([&] { return x->over(); }, 60s));
  EXPECT_EQ(other.now - x.paired_at, 10s);
  EXPECT_FALSE(x.failure);
}

TEST(Pairing, WhoCannotKeepTheKeySaysSo) {
  for (const bool displayer_keeps : {false, true}) {
    PairingWorld world;
    Person& a = world.Start(world.alice, Code(kCode));
    Person& b = world.Start(world.bob, std::nullopt);
    a.keeps = displayer_keeps;
    b.keeps = !displayer_keeps;
    world.Enter(b, Code(kCode));
    ASSERT_TRUE(world.RunUntil([&] { return a->over() && b->over(); }, 30s));
    Person& told = displayer_keeps ? a : b;
    ASSERT_TRUE(told.failure) << displayer_keeps;
    EXPECT_EQ(told.failure->code, ErrorCode::kDeclined);
    // The enterer hears nothing of a displayer that refuses but that.
    EXPECT_EQ(b.paired.has_value(), displayer_keeps);
  }
}

TEST(Pairing, BothMayShowACodeAndEitherMayType) {
  for (const bool alice_types : {false, true}) {
    PairingWorld world;
    Person& a = world.Start(world.alice, Code(kCode));
    Person& b = world.Start(world.bob, Code("0007-zebra-yoga-xerox"));
    world.Run(1s);
    if (alice_types) {
      world.Enter(a, Code("0007-zebra-yoga-xerox"));
    } else {
      world.Enter(b, Code(kCode));
    }
    ASSERT_TRUE(world.RunUntil([&] { return a->over() && b->over(); }, 15s));
    EXPECT_TRUE(Agree(world, a, b));
    EXPECT_FALSE(a.failure || b.failure);
  }
}

TEST(Pairing, BothMayTypeAtOnce) {
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    PairingWorld world(seed);
    SeededRandom dice(seed);
    world.fate = [&](std::size_t) {
      std::vector<Duration> deliveries;
      if (dice.Below(10) > 0) {
        deliveries.push_back(std::chrono::milliseconds(dice.Below(200)));
      }
      return deliveries;
    };
    // Every third time both codes have the same digits.
    const crypto::PairingCode of_bob =
        Code(seed % 3 == 0 ? "4821-zebra-yoga-xerox" : "0007-zebra-yoga-xerox");
    Person& a = world.Start(world.alice, Code(kCode));
    Person& b = world.Start(world.bob, of_bob);
    world.Run(1s);
    world.At(world.now + std::chrono::milliseconds(dice.Below(500)),
             [&] { world.Enter(a, of_bob); });
    world.At(world.now + std::chrono::milliseconds(dice.Below(500)),
             [&] { world.Enter(b, Code(kCode)); });
    ASSERT_TRUE(world.RunUntil([&] { return a->over() && b->over(); }, 60s))
        << "seed " << seed;
    EXPECT_TRUE(Agree(world, a, b)) << "seed " << seed;
    EXPECT_FALSE(a.failure || b.failure) << "seed " << seed;
  }
}

TEST(Pairing, OneWhoTypedAWrongCodeIsStillPairedByItsOwn) {
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    PairingWorld world(seed);
    Person& a = world.Start(world.alice, Code(kCode));
    Person& b = world.Start(world.bob, Code("0007-zebra-yoga-xerox"));
    world.Run(1s);
    world.Enter(a, Code("0007-zebra-yoga-yummy"));
    world.Enter(b, Code(kCode));
    ASSERT_TRUE(world.RunUntil([&] { return Agree(world, a, b); }, 10s));
  }
}

TEST(Pairing, ADeviceDoesNotPairWithItself) {
  PairingWorld world;
  Person& a = world.Start(world.alice, Code(kCode));
  Person& b = world.Start(world.alice, std::nullopt);
  world.Enter(b, Code(kCode));
  world.Run(10s);
  EXPECT_FALSE(a.paired || b.paired);
  ASSERT_TRUE(a.failure && b.failure);
  EXPECT_EQ(a.failure->code, ErrorCode::kUsage);
}

TEST(Pairing, TwoPairsMayMeetAtOneNameplate) {
  PairingWorld world;
  const crypto::Identity carol = crypto::Identity::Generate(world.random);
  Person& a = world.Start(world.alice, Code(kCode));
  Person& m = world.Start(world.mallory, Code("4821-zebra-yoga-xerox"));
  Person& b = world.Start(world.bob, std::nullopt);
  Person& c = world.Start(carol, std::nullopt);
  world.Enter(b, Code(kCode));
  world.Enter(c, Code("4821-zebra-yoga-xerox"));
  world.Run(10s);
  EXPECT_TRUE(Agree(world, a, b));
  EXPECT_TRUE(PairingWorld::Agree(m, world.mallory, c, carol));
}

}  // namespace
}  // namespace p2pcp::signaling

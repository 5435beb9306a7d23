// What strangers who know the place, but not the words, can do to a pairing.

#include <gtest/gtest.h>

#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/random.h"
#include "net/base/result.h"
#include "net/base/time.h"
#include "net/crypto/cpace.h"
#include "net/crypto/envelope.h"
#include "net/crypto/hash.h"
#include "net/crypto/identity.h"
#include "net/crypto/key.h"
#include "net/crypto/pairing_code.h"
#include "net/crypto/public_key.h"
#include "net/signaling/message.h"
#include "net/signaling/pairing.h"
#include "net/signaling/pairing_event.h"
#include "net/signaling/pairing_keys.h"
#include "net/signaling/pairing_mailbox.h"
#include "net/signaling/pairing_message.h"
#include "net/signaling/pairing_world_for_tests.h"

namespace p2pcp::signaling {
namespace {

using simulated::Code;
using simulated::Heard;
using simulated::PairingWorld;
using simulated::Person;

const char kCode[] = "4821-acid-bagel-crumb";
constexpr std::uint8_t kSuite = 1;

// Knows the nameplate; hears and says what it likes there.
class Stranger {
 public:
  explicit Stranger(PairingWorld* world)
      : world_(world),
        mailbox_(world->now, simulated::kAlmostOne, "4821", world->random) {}

  std::optional<PairingMessage> Read(const Heard& heard) {
    return mailbox_.Receive(heard.topic, heard.payload);
  }
  void Say(const PairingMessage& message) {
    mailbox_.Send(message);
    const auto sealed = *mailbox_.PollPublish();
    world_->At(world_->now, [world = world_, sealed] {
      world->Inject({sealed.topic, sealed.payload});
    });
  }
  PairingMessage Make(PairingType type, const Nonce& enterer,
                      const Nonce& displayer) const {
    PairingMessage message;
    message.type = type;
    message.versions = kPairingVersions;
    message.enterer = enterer;
    message.displayer = displayer;
    return message;
  }
  Nonce Draw() {
    const auto nonce = world_->random.Array<sizeof(Nonce)>();
    drawn_.insert(nonce);
    return nonce;
  }
  bool IsOurs(const Nonce& nonce) const { return drawn_.count(nonce) > 0; }
  PairingMessage Request() {
    PairingMessage request = Make(PairingType::kRequest, Draw(), Nonce{});
    request.suites = {kSuite};
    return request;
  }

  // The proof of one who guesses `code`, to a share for a request of ours.
  PairingMessage Proof(const PairingMessage& share,
                       const crypto::PairingCode& code) {
    const Bytes own = EntererData(kPairingVersions, {kSuite});
    const crypto::Cpace run =
        StartCpace(PairingRole::kEnterer, code, share.displayer, share.enterer,
                   own, world_->random);
    const auto secret =
        *run.Finish(share.share, DisplayerData(share.versions, 1, kSuite, own));
    PairingMessage proof =
        Make(PairingType::kProof, share.enterer, share.displayer);
    proof.share = run.share();
    proof.tag = secret.Tag(run.share(), own);
    proof.identity = SealIdentity(secret, PairingRole::kEnterer,
                                  world_->mallory, world_->random);
    return proof;
  }
  // The share of one who guesses `code`, to a request of somebody's.
  PairingMessage Share(const PairingMessage& request,
                       const crypto::PairingCode& code) {
    PairingMessage share = Make(PairingType::kShare, request.enterer, Draw());
    share.version = 1;
    share.suite = kSuite;
    share.share =
        StartCpace(PairingRole::kDisplayer, code, share.displayer,
                   share.enterer,
                   DisplayerData(kPairingVersions, 1, kSuite,
                                 EntererData(request.versions, request.suites)),
                   world_->random)
            .share();
    return share;
  }

 private:
  PairingWorld* const world_;
  PairingMailbox mailbox_;
  std::set<Nonce> drawn_;
};

bool Agree(const PairingWorld& world, const Person& a, const Person& b) {
  return PairingWorld::Agree(a, world.alice, b, world.bob);
}

TEST(PairingAbuse, OfTenThousandGuessesThreeAndThreeAreEvaluated) {
  PairingWorld world;
  Stranger stranger(&world);
  Person& a = world.Start(world.alice, Code(kCode));
  Person& b = world.Start(world.bob, std::nullopt);
  world.Run(1s);
  int requests = 0, proofs = 0, shares = 0;
  world.adversary = [&](const Heard& heard) {
    const auto message = stranger.Read(heard);
    if (!message) return;
    if (message->type == PairingType::kShare &&
        stranger.IsOurs(message->enterer)) {
      // Each share that alice gives us is answered, several times.
      for (int i = 0; i < 4; ++i, ++proofs) {
        stranger.Say(stranger.Proof(
            *message, crypto::PairingCode::Generate(world.random)));
      }
    }
    if (message->type == PairingType::kRequest && shares == 0 &&
        !stranger.IsOurs(message->enterer)) {
      // Bob's request is answered before alice can.
      for (; shares < 5000; ++shares) {
        stranger.Say(stranger.Share(
            *message, crypto::PairingCode::Generate(world.random)));
      }
    }
  };
  for (int i = 0; i < 5000; ++i, ++requests) {
    world.At(world.now + std::chrono::milliseconds(i),
             [&] { stranger.Say(stranger.Request()); });
  }
  world.At(world.now + 20ms, [&] { world.Enter(b, Code(kCode)); });
  world.Run(60s);
  EXPECT_EQ(requests, 5000);
  EXPECT_GE(shares, 5000);
  EXPECT_GE(proofs, 12);
  EXPECT_EQ(a->displayer_stats().wrong_proofs, 3u);
  EXPECT_EQ(b->enterer_stats().shares_followed, 3u);
  EXPECT_GT(b->enterer_stats().shares_ignored, 4000u);
  // Nobody is paired, and both are told.
  EXPECT_FALSE(a.paired || b.paired);
  ASSERT_TRUE(a.failure && b.failure);
  EXPECT_EQ(a.failure->code, ErrorCode::kAuthenticationFailed);
  EXPECT_EQ(b.failure->code, ErrorCode::kAuthenticationFailed);
  EXPECT_EQ(a.guesses_left, (std::vector<int>{2, 1}));
}

// Mallory has the code, as Bob's guest has, and wants to be Bob in Alice's
// book: a key that is not his can't sign for this run.
TEST(PairingAbuse, NobodyPairsWithAKeyThatHeDoesNotHave) {
  PairingWorld world;
  Stranger stranger(&world);
  Person& a = world.Start(world.alice, Code(kCode));
  world.Run(1s);
  bool asked = false;
  world.adversary = [&](const Heard& heard) {
    const auto share = stranger.Read(heard);
    if (!share || share->type != PairingType::kShare) return;
    if (std::exchange(asked, true)) return;
    const Bytes own = EntererData(kPairingVersions, {kSuite});
    const crypto::Cpace run =
        StartCpace(PairingRole::kEnterer, Code(kCode), share->displayer,
                   share->enterer, own, world.random);
    const auto secret = *run.Finish(
        share->share, DisplayerData(share->versions, 1, kSuite, own));
    PairingMessage proof =
        stranger.Make(PairingType::kProof, share->enterer, share->displayer);
    proof.share = run.share();
    proof.tag = secret.Tag(run.share(), own);
    // His own identity, and in it Bob's key in the place of his.
    const crypto::Key key = crypto::DeriveKey(
        secret.isk(), "p2pcp/1 pair identity", AsBytes("enterer"));
    Bytes identity =
        *crypto::OpenEnvelope(key, AsBytes("p2pcp/1 pair"),
                              SealIdentity(secret, PairingRole::kEnterer,
                                           world.mallory, world.random));
    CopyBytes(world.bob.public_key().bytes(),
              MutableByteSpan(identity).first(crypto::PublicKey::kSize));
    CopyBytes(crypto::SealEnvelope(key, AsBytes("p2pcp/1 pair"), identity,
                                   world.random),
              proof.identity);
    stranger.Say(proof);
  };
  stranger.Say(stranger.Request());
  world.Run(5s);
  EXPECT_TRUE(asked);
  EXPECT_FALSE(a.paired.has_value());
  // It counts as a guess.
  EXPECT_EQ(a->displayer_stats().wrong_proofs, 1u);
}

TEST(PairingAbuse, OneRunIsGoodForOneGuess) {
  PairingWorld world;
  Stranger stranger(&world);
  Person& a = world.Start(world.alice, Code(kCode));
  world.adversary = [&](const Heard& heard) {
    const auto message = stranger.Read(heard);
    if (!message || message->type != PairingType::kShare) return;
    for (int i = 0; i < 100; ++i) {
      stranger.Say(stranger.Proof(*message,
                                  crypto::PairingCode::Generate(world.random)));
    }
  };
  world.Run(1s);
  stranger.Say(stranger.Request());
  world.Run(1s);
  EXPECT_EQ(a->displayer_stats().wrong_proofs, 1u);
  EXPECT_FALSE(a.failure);
}

TEST(PairingAbuse, AFloodOfRequestsCostsFiveAnswersASecond) {
  PairingWorld world;
  Stranger stranger(&world);
  Person& a = world.Start(world.alice, Code(kCode));
  world.Run(1s);
  for (int i = 0; i < 10'000; ++i) {
    world.At(world.now + std::chrono::milliseconds(i),
             [&] { stranger.Say(stranger.Request()); });
  }
  world.Run(11s);
  // 5 at once, and 5 a second for 10 s.
  EXPECT_LE(world.sent.size(), 56u);
  EXPECT_GE(a->displayer_stats().requests_dropped, 9'900u);
  // Once it has ebbed, pairing goes on.
  Person& b = world.Start(world.bob, std::nullopt);
  world.Enter(b, Code(kCode));
  EXPECT_TRUE(world.RunUntil([&] { return Agree(world, a, b); }, 5s));
}

TEST(PairingAbuse, TheSameRequestAgainAndAgainIsNotAnsweredEachTime) {
  PairingWorld world;
  Stranger stranger(&world);
  world.Start(world.alice, Code(kCode));
  world.Run(1s);
  const PairingMessage request = stranger.Request();
  for (int i = 0; i < 1000; ++i) {
    world.At(world.now + std::chrono::milliseconds(i),
             [&] { stranger.Say(request); });
  }
  world.Run(2s);
  EXPECT_LE(world.sent.size(), 6u);
}

TEST(PairingAbuse, ARightAnswerAmongThreeStillPairs) {
  PairingWorld world;
  Stranger stranger(&world);
  Person& a = world.Start(world.alice, Code(kCode));
  Person& b = world.Start(world.bob, std::nullopt);
  world.Run(1s);
  int shares = 0;
  world.adversary = [&](const Heard& heard) {
    const auto message = stranger.Read(heard);
    if (message && message->type == PairingType::kRequest && shares < 2) {
      for (; shares < 2; ++shares) {
        stranger.Say(stranger.Share(
            *message, crypto::PairingCode::Generate(world.random)));
      }
    }
  };
  world.Enter(b, Code(kCode));
  EXPECT_TRUE(world.RunUntil([&] { return Agree(world, a, b); }, 5s));
  EXPECT_EQ(b->enterer_stats().shares_followed, 3u);
}

TEST(PairingAbuse, MessagesSentBackToTheirSenderDoNothing) {
  for (const PairingType as :
       {PairingType::kRequest, PairingType::kShare, PairingType::kProof,
        PairingType::kAnswer, PairingType::kDone}) {
    PairingWorld world;
    Stranger stranger(&world);
    Person& a = world.Start(world.alice, Code(kCode));
    Person& b = world.Start(world.bob, std::nullopt);
    int reflected = 0;
    world.adversary = [&](const Heard& heard) {
      auto message = stranger.Read(heard);
      // Only what the honest ones say, once, under another type.
      if (!message || message->type == as || reflected > 50) return;
      ++reflected;
      message->type = as;
      message->version = 1;
      message->suite = kSuite;
      if (as == PairingType::kRequest) message->suites = {kSuite};
      stranger.Say(*message);
    };
    world.Enter(b, Code(kCode));
    world.Run(30s);
    EXPECT_GT(reflected, 0);
    // It may spoil tries, but nobody is paired with anybody else.
    if (a.paired) {
      EXPECT_EQ(a.paired->peer, world.bob.public_key());
    }
    if (b.paired) {
      EXPECT_EQ(b.paired->peer, world.alice.public_key());
    }
  }
}

TEST(PairingAbuse, ADisplayersOwnShareIsNoProof) {
  PairingWorld world;
  Stranger stranger(&world);
  Person& a = world.Start(world.alice, Code(kCode));
  world.Run(1s);
  world.adversary = [&](const Heard& heard) {
    const auto message = stranger.Read(heard);
    if (!message || message->type != PairingType::kShare) return;
    PairingMessage proof = stranger.Make(PairingType::kProof, message->enterer,
                                         message->displayer);
    proof.share = message->share;
    stranger.Say(proof);
  };
  stranger.Say(stranger.Request());
  world.Run(1s);
  EXPECT_EQ(a->displayer_stats().invalid_shares, 1u);
  EXPECT_FALSE(a.paired);
}

TEST(PairingAbuse, TheNeutralElementAbortsTheRunOnBothSides) {
  PairingWorld world;
  Stranger stranger(&world);
  Person& a = world.Start(world.alice, Code(kCode));
  Person& b = world.Start(world.bob, std::nullopt);
  world.Run(1s);
  world.adversary = [&](const Heard& heard) {
    const auto message = stranger.Read(heard);
    if (!message) return;
    if (message->type == PairingType::kShare &&
        message->share != crypto::CpacePoint{}) {
      stranger.Say(stranger.Make(PairingType::kProof, message->enterer,
                                 message->displayer));
    }
    if (message->type == PairingType::kRequest) {
      PairingMessage share = stranger.Share(*message, Code(kCode));
      share.share = {};
      stranger.Say(share);
    }
  };
  world.Enter(b, Code(kCode));
  // Aborted runs are no guesses: what is left of the tries serves the honest.
  world.Run(500ms);
  world.adversary = nullptr;
  EXPECT_TRUE(world.RunUntil([&] { return Agree(world, a, b); }, 10s));
  EXPECT_GE(a->displayer_stats().invalid_shares, 1u);
  EXPECT_GE(b->enterer_stats().invalid_shares, 1u);
  EXPECT_EQ(a->displayer_stats().wrong_proofs, 0u);
}

TEST(PairingAbuse, WhoIsInTheMiddleWithoutTheCodeGetsNothing) {
  // Every field that is bound, changed in passing.
  for (int field = 0; field < 7; ++field) {
    PairingWorld world;
    Stranger stranger(&world);
    Person& a = world.Start(world.alice, Code(kCode));
    Person& b = world.Start(world.bob, std::nullopt);
    world.Run(1s);
    world.fate = [](std::size_t) { return std::vector<Duration>{}; };
    world.Enter(b, Code(kCode));
    std::size_t read = world.sent.size();
    for (int step = 0; step < 2000; ++step) {
      world.Run(10ms);
      for (; read < world.sent.size(); ++read) {
        auto message = stranger.Read(world.sent[read]);
        if (!message) continue;
        const bool request = message->type == PairingType::kRequest;
        const bool share = message->type == PairingType::kShare;
        const bool proof = message->type == PairingType::kProof;
        const bool answer = message->type == PairingType::kAnswer;
        if (field == 0 && request) message->suites.push_back(7);
        if (field == 1 && request) message->versions.max = 2;
        if (field == 2 && share) message->versions.max = 2;
        if (field == 3 && proof) message->tag[0] ^= std::byte{1};
        if (field == 4 && proof) message->identity[0] ^= std::byte{1};
        if (field == 5 && answer) message->tag[63] ^= std::byte{1};
        if (field == 6 && answer) message->identity[99] ^= std::byte{1};
        stranger.Say(*message);
      }
    }
    EXPECT_FALSE(b.paired) << field;
    // The displayer is the first to know; the last message is not its affair.
    EXPECT_EQ(a.paired.has_value(), field >= 5) << field;
  }
}

TEST(PairingAbuse, AForgedRefusalDoesNotOvertakeTheRightAnswer) {
  PairingWorld world;
  Stranger stranger(&world);
  Person& a = world.Start(world.alice, Code(kCode));
  Person& b = world.Start(world.bob, std::nullopt);
  world.Run(1s);
  world.adversary = [&](const Heard& heard) {
    const auto message = stranger.Read(heard);
    if (!message || (message->type != PairingType::kRequest &&
                     message->type != PairingType::kProof)) {
      return;
    }
    PairingMessage refusal = stranger.Make(
        PairingType::kRefusal, message->enterer, message->displayer);
    refusal.refusal = Refusal::kBurnt;
    stranger.Say(refusal);
  };
  world.Enter(b, Code(kCode));
  EXPECT_TRUE(world.RunUntil([&] { return Agree(world, a, b); }, 5s));
  EXPECT_FALSE(b.failure);
}

TEST(PairingAbuse, AForgedDoneDoesNotEndTheDisplayer) {
  PairingWorld world;
  Stranger stranger(&world);
  Person& a = world.Start(world.alice, Code(kCode));
  Person& b = world.Start(world.bob, std::nullopt);
  world.Enter(b, Code(kCode));
  ASSERT_TRUE(world.RunUntil([&] { return a.paired.has_value(); }, 5s));
  b.alive = false;
  world.adversary = [&](const Heard& heard) {
    const auto message = stranger.Read(heard);
    if (!message || message->type != PairingType::kAnswer) return;
    stranger.Say(stranger.Make(PairingType::kDone, message->enterer,
                               message->displayer));
  };
  world.Run(5s);
  EXPECT_FALSE(a->over());
  EXPECT_FALSE(a.failure);
}

TEST(PairingAbuse, AReplayOfAWholePairingStartsNothing) {
  PairingWorld world;
  Person& a = world.Start(world.alice, Code(kCode));
  Person& b = world.Start(world.bob, std::nullopt);
  world.Enter(b, Code(kCode));
  ASSERT_TRUE(world.RunUntil([&] { return a->over() && b->over(); }, 30s));
  const std::vector<Heard> recorded = world.sent;
  a.alive = b.alive = false;
  // The same code once more, as nobody would draw it.
  Person& again = world.Start(world.alice, Code(kCode));
  Person& bob_again = world.Start(world.bob, std::nullopt);
  world.Run(1s);
  for (const Heard& message : recorded) world.Inject(message);
  world.Run(5s);
  EXPECT_FALSE(again.paired || bob_again.paired);
  EXPECT_EQ(again->displayer_stats().wrong_proofs, 0u);
  world.Enter(bob_again, Code(kCode));
  EXPECT_TRUE(
      world.RunUntil([&] { return Agree(world, again, bob_again); }, 5s));
}

TEST(PairingAbuse, NoiseIsDroppedAndCounted) {
  PairingWorld world;
  Person& a = world.Start(world.alice, Code(kCode));
  Person& b = world.Start(world.bob, std::nullopt);
  world.Run(1s);
  const std::string topic = a->Topics()[1];
  SeededRandom noise(9);
  for (int i = 0; i < 1000; ++i) {
    Bytes payload(i % 2 == 0 ? 1024 : noise.Below(4096));
    noise.Fill(payload);
    world.Inject({topic, payload});
  }
  EXPECT_GE(a->displayer_stats().not_authentic, 500u);
  EXPECT_GE(a->displayer_stats().wrong_size, 490u);
  EXPECT_TRUE(world.sent.empty());
  world.Enter(b, Code(kCode));
  EXPECT_TRUE(world.RunUntil([&] { return Agree(world, a, b); }, 5s));
}

TEST(PairingAbuse, ARequestWithoutACommonVersionIsToldSo) {
  PairingWorld world;
  Stranger stranger(&world);
  world.Start(world.alice, Code(kCode));
  world.Run(1s);
  std::vector<Refusal> refusals;
  world.adversary = [&](const Heard& heard) {
    const auto message = stranger.Read(heard);
    if (message && message->type == PairingType::kRefusal) {
      refusals.push_back(message->refusal);
    }
  };
  PairingMessage later = stranger.Request();
  later.versions = {2, 3};
  stranger.Say(later);
  PairingMessage other_suite = stranger.Request();
  other_suite.suites = {9};
  stranger.Say(other_suite);
  world.Run(1s);
  EXPECT_EQ(refusals, (std::vector<Refusal>{Refusal::kVersionMismatch,
                                            Refusal::kVersionMismatch}));
}

}  // namespace
}  // namespace p2pcp::signaling

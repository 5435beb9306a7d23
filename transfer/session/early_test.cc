// Bytes that are sent before the receiver has said that it wants them: they
// save a round trip where it does, and cost nothing but themselves where it
// does not.

#include <fcntl.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/result.h"
#include "net/base/time.h"
#include "transfer/connection/byte_space.h"
#include "transfer/connection/connection.h"
#include "transfer/file/disk.h"
#include "transfer/file/entry.h"
#include "transfer/file/intake.h"
#include "transfer/file/test_folder.h"
#include "transfer/file/unique_fd.h"
#include "transfer/session/hostile_rig.h"
#include "transfer/session/limits.h"
#include "transfer/session/messages.h"
#include "transfer/session/session.h"
#include "transfer/session/session_pair.h"

namespace p2pcp {
namespace {

using file::RandomText;
using Names = std::vector<std::string>;

constexpr std::size_t kSize = 2 << 20;

// Bytes of files that have been sent as DATA, once each.
std::uint64_t SentOnce(SessionPair& pair) {
  const ConnectionStats& stats = pair.sender().stats();
  return stats.data_bytes_sent - stats.data_bytes_retransmitted;
}

void ExpectDone(SessionPair& pair) {
  ASSERT_TRUE(pair.Run());
  EXPECT_EQ(pair.Outcome(0), std::nullopt)
      << pair.Find<Failed>(0)->error.message;
  EXPECT_EQ(pair.Outcome(1), std::nullopt)
      << pair.Find<Failed>(1)->error.message;
}

Duration TakenBy(bool early) {
  SessionPair::Config config;
  config.early = early;
  SessionPair pair(config);
  pair.link().delay = 50ms;
  pair.Add("file", RandomText(kSize, 1));
  pair.Start();
  ExpectDone(pair);
  EXPECT_EQ(pair.out.Read("file"), RandomText(kSize, 1));
  return pair.elapsed();
}

TEST(Early, SavesARoundTrip) {
  const Duration saved = TakenBy(false) - TakenBy(true);
  // Of 100 ms, and what the window's growth makes of it.
  EXPECT_GE(saved, 90ms);
  EXPECT_LE(saved, 150ms);
}

TEST(Early, WhatCameSoDoesNotComeAgain) {
  SessionPair pair;
  pair.Add("file", RandomText(kSize, 1));
  pair.Start();
  ExpectDone(pair);
  EXPECT_EQ(SentOnce(pair), kSize - kMaxEarlyBytes);
  EXPECT_EQ(pair.receiver().stats().data_bytes_received,
            kSize - kMaxEarlyBytes);
  EXPECT_EQ(pair.out.Read("file"), RandomText(kSize, 1));
  EXPECT_EQ(pair.receiver().progress().bytes_done, kSize);
}

// Also where some of it comes after the receiver has decided.
TEST(Early, ArrivesOverALineThatLosesAndReorders) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(seed);
    SessionPair::Config config;
    config.seed = seed;
    config.slow_disks = seed % 2 == 0;
    SessionPair pair(config);
    pair.link().loss = 0.15;
    pair.link().reorder = true;
    pair.Add("first", RandomText(300'000, 1));
    pair.Add("second", RandomText(100'000, 2));
    pair.Start();
    ExpectDone(pair);
    EXPECT_EQ(pair.out.Read("first"), RandomText(300'000, 1));
    EXPECT_EQ(pair.out.Read("second"), RandomText(100'000, 2));
  }
}

TEST(Early, OnlyTheFirstFileAndOnlyIfItIsLarge) {
  SessionPair pair;
  pair.Add("a", RandomText(kMaxEarlyBytes, 1));
  pair.Add("b", RandomText(kSize, 2));
  pair.Start();
  ExpectDone(pair);
  EXPECT_EQ(SentOnce(pair), kSize + kMaxEarlyBytes);
}

TEST(Early, IsHeldWhileTheUserIsAskedAndForgottenIfHeDeclines) {
  for (const bool accept : {false, true}) {
    SessionPair::Config config;
    config.ask = true;
    SessionPair pair(config);
    pair.Add("file", RandomText(kSize, 1));
    pair.Start();
    EXPECT_FALSE(pair.RunUntil([&] { return pair.Over(0); }, 5s));
    EXPECT_EQ(pair.out.Names(), Names{});
    pair.receiver().Decide(pair.now(), accept);
    ASSERT_TRUE(pair.Run());
    EXPECT_EQ(
        pair.Outcome(1),
        accept ? std::nullopt : std::optional<ErrorCode>(ErrorCode::kDeclined));
    EXPECT_EQ(pair.out.Names(), accept ? Names{"file"} : Names{});
    EXPECT_EQ(SentOnce(pair), accept ? kSize - kMaxEarlyBytes : 0);
  }
}

TEST(Early, OfAFileThatIsThereIsInVain) {
  SessionPair pair;
  pair.Add("file", RandomText(kSize, 1));
  pair.Add("other", RandomText(kSize, 2));
  pair.out.Write("file", RandomText(kSize, 1));
  std::filesystem::last_write_time(
      pair.out / "file", std::filesystem::last_write_time(pair.in / "file"));
  pair.Start();
  ExpectDone(pair);
  EXPECT_EQ(SentOnce(pair), kSize);
  EXPECT_EQ(pair.out.Read("other"), RandomText(kSize, 2));
}

TEST(Early, OfAFileThatIsKeptBackIsInVain) {
  SessionPair::Config config;
  config.conflict = file::ConflictPolicy::kSkip;
  SessionPair pair(config);
  pair.Add("file", RandomText(kSize, 1));
  pair.Add("other", RandomText(kSize, 2));
  pair.out.Write("file", "another");
  pair.Start();
  ASSERT_TRUE(pair.Run());
  EXPECT_EQ(pair.Outcome(1), ErrorCode::kKeptBack);
  EXPECT_EQ(SentOnce(pair), kSize);
  EXPECT_EQ(pair.out.Read("file"), "another");
  EXPECT_EQ(pair.out.Read("other"), RandomText(kSize, 2));
}

TEST(Early, OfAFileWithAnOlderVersionIsInVain) {
  SessionPair::Config config;
  config.conflict = file::ConflictPolicy::kOverwrite;
  SessionPair pair(config);
  const std::string base = RandomText(kSize, 1);
  pair.Add("file", "new" + base);
  pair.out.Write("file", base);
  pair.Start();
  ExpectDone(pair);
  EXPECT_LT(SentOnce(pair), 100'000);
  EXPECT_EQ(pair.out.Read("file"), "new" + base);
}

TEST(Early, OfAFileThatGoesOnIsInVain) {
  SessionPair::Config config;
  config.journals = true;
  SessionPair pair(config);
  pair.Add("file", RandomText(4 * kSize, 1));
  pair.Start();
  ASSERT_TRUE(pair.RunUntil(
      [&] { return pair.receiver().progress().bytes_done >= kSize; }));
  pair.Restart(/*killed=*/true);
  ExpectDone(pair);
  ASSERT_NE(pair.Find<Resumed>(0), nullptr);
  EXPECT_EQ(SentOnce(pair), 4 * kSize - pair.Find<Resumed>(0)->bytes);
  EXPECT_EQ(pair.out.Read("file"), RandomText(4 * kSize, 1));
}

// It is repaired like all else.
TEST(Early, WhatWasWrittenDamagedIsSentAgain) {
  SessionPair pair;
  pair.Add("file", RandomText(kSize, 1));
  pair.faults[1].corrupt_offset = 1000;
  pair.Start();
  ExpectDone(pair);
  EXPECT_GT(pair.sender().stats().data_bytes_sent, kSize);
  EXPECT_EQ(pair.out.Read("file"), RandomText(kSize, 1));
}

TEST(Early, OfAFileThatCantBeReadIsDropped) {
  SessionPair pair;
  pair.Add("file", RandomText(kSize, 1));
  pair.Add("other", RandomText(kSize, 2));
  pair.Start();
  bool changed = false;
  pair.link().filter = [&](int from, ByteSpan payload) {
    // While the receiver's word is under way.
    if (from == 1 && payload.size() > 20 && !std::exchange(changed, true)) {
      pair.in.Write("file", RandomText(kSize + 1, 3));
    }
    return true;
  };
  ASSERT_TRUE(pair.Run());
  EXPECT_TRUE(changed);
  EXPECT_EQ(pair.Outcome(1), ErrorCode::kSourceUnreadable);
  EXPECT_EQ(pair.out.Names(), Names{"other"});
  EXPECT_EQ(pair.out.Read("other"), RandomText(kSize, 2));
}

// --- What the sender makes of the receiver's word ---

class EarlySender : public testing::Test {
 protected:
  EarlySender() : content_(RandomText(kSize, 1)) {
    rig_.StartSender({in_.Write("file", content_)});
    rig_.Say(message::Hello{kVersion, kVersion, true});
  }
  // All of it, before anything was said.
  void HearEarly() {
    std::string heard;
    rig_.RunUntil([] { return false; }, 1s);
    for (const message::Early* early : rig_.AllHeard<message::Early>()) {
      EXPECT_EQ(early->index, 0u);
      heard += AsText(early->bytes);
    }
    EXPECT_EQ(heard, content_.substr(0, kMaxEarlyBytes));
    EXPECT_EQ(rig_.raw().stats().data_bytes_received, 0u);
  }
  void Want() { rig_.Say(message::Decisions{0, {{1, file::Verdict::kWant}}}); }
  std::uint64_t Come() {
    rig_.RunUntil([] { return false; }, 5s);
    return rig_.raw().stats().data_bytes_received;
  }

  const std::string content_;
  file::TestFolder in_;
  Rig rig_{false};
};

TEST_F(EarlySender, GoesOnBehindItWhereItIsWanted) {
  HearEarly();
  rig_.Say(message::Accept{});
  Want();
  EXPECT_EQ(Come(), kSize - kMaxEarlyBytes);
}

TEST_F(EarlySender, SendsAllWhereItCameInVain) {
  HearEarly();
  rig_.Say(message::Accept{.in_order = true});
  Want();
  EXPECT_EQ(Come(), kSize);
}

TEST_F(EarlySender, SendsAllButWhatIsThere) {
  HearEarly();
  rig_.Say(message::Accept{});
  rig_.Say(message::Have{0, {{0, 10}}});
  Want();
  EXPECT_EQ(Come(), kSize - 10);
}

TEST_F(EarlySender, SendsAllOfWhatHasAnOlderVersion) {
  HearEarly();
  rig_.Say(message::Accept{});
  rig_.Say(message::Signatures{0, 2 << 20, 0, 0, {}});
  Want();
  rig_.Say(message::Signatures{0, 0, 0, 0, {}});
  EXPECT_EQ(Come(), kSize);
}

// --- What a receiver puts up with ---

class HostileEarlySender : public testing::Test {
 protected:
  HostileEarlySender() { rig_.StartReceiver(); }

  void Offer(std::vector<file::Entry> entries) {
    rig_.Say(message::Hello{kVersion, kVersion, false});
    rig_.Say(message::Offer{});
    message::End end{entries.size(), 0, 0, 0};
    for (const file::Entry& entry : entries) end.bytes += entry.size;
    rig_.Say(message::Entries{0, std::move(entries)});
    rig_.Say(end);
  }
  void SayEarly(std::uint64_t index, const std::string& bytes) {
    rig_.Say(message::Early{index, ToBytes(AsBytes(bytes))});
  }

  Rig rig_{true};
};

TEST_F(HostileEarlySender, MayNotSayMoreThanIsHeld) {
  Offer({File("file", kSize)});
  const std::string piece(13'108, 'x');
  for (int i = 0; i < 5; ++i) SayEarly(0, piece);  // 65,540 bytes.
  ExpectAbortForViolation(rig_);
  EXPECT_EQ(rig_.folder.Names(), Names{});
}

TEST_F(HostileEarlySender, MayNotSayThemOfTwoFiles) {
  Offer({File("file", kSize), File("other", kSize)});
  SayEarly(0, "x");
  SayEarly(1, "x");
  ExpectAbortForViolation(rig_);
}

TEST_F(HostileEarlySender, MayNotSayThemOfWhatIsNotOffered) {
  Offer({File("file", kSize)});
  SayEarly(1, "x");
  ExpectAbortForViolation(rig_);
}

TEST_F(HostileEarlySender, MayNotSayThemOfAFolder) {
  Offer({Folder("folder"), File("file", kSize)});
  SayEarly(0, "x");
  ExpectAbortForViolation(rig_);
}

TEST_F(HostileEarlySender, MayNotSayThemOfASmallFile) {
  Offer({File("file", kMaxEarlyBytes)});
  SayEarly(0, "x");
  ExpectAbortForViolation(rig_);
}

TEST_F(HostileEarlySender, MayNotSayThemOfAFileWithHoles) {
  file::Entry entry = File("file", kSize);
  entry.sparse = true;
  Offer({entry});
  SayEarly(0, "x");
  ExpectAbortForViolation(rig_);
}

// What was said so is there: DATA with the same bytes changes nothing, and does
// not count either.
TEST_F(HostileEarlySender, MaySendTheSameBytesAgainInVain) {
  const std::string content(kSize, 'x');
  Offer({File("file", kSize)});
  SayEarly(0, std::string(1000, 'x'));
  ASSERT_NE(rig_.Hear<message::Decisions>(), nullptr);
  rig_.source.text = std::string(kSize, 'x');
  rig_.source.text.replace(0, 1000, std::string(1000, 'y'));
  rig_.raw().OfferBytes(StreamOffset(0), StreamOffset(kSize));
  rig_.Say(message::Digests{{{0, DigestOf(content)}}});
  ASSERT_NE(rig_.Hear<message::FilesDone>(), nullptr);
  EXPECT_EQ(rig_.folder.Read("file"), content);
}

// And if DATA comes first, EARLY is one too many.
TEST_F(HostileEarlySender, MayNotSayThemOfBytesThatCame) {
  Offer({File("file", kSize)});
  ASSERT_NE(rig_.Hear<message::Decisions>(), nullptr);
  rig_.source.text = std::string(kSize, 'x');
  rig_.raw().OfferBytes(StreamOffset(0), StreamOffset(1000));
  rig_.RunUntil([] { return false; }, 1s);
  SayEarly(0, "x");
  ExpectAbortForViolation(rig_);
}

// However many come beside it: the credit is what it was.
TEST_F(HostileEarlySender, GetsNoCreditForThem) {
  Offer({File("file", kSize)});
  SayEarly(0, std::string(16'000, 'x'));
  ASSERT_NE(rig_.Hear<message::Decisions>(), nullptr);
  rig_.source.text = std::string(kSize, 'x');
  rig_.raw().SkipBytes(StreamOffset(0), StreamOffset(16'000));
  rig_.raw().OfferBytes(StreamOffset(16'000), StreamOffset(kSize));
  rig_.Say(message::Digests{{{0, DigestOf(std::string(kSize, 'x'))}}});
  ASSERT_NE(rig_.Hear<message::FilesDone>(), nullptr);
  EXPECT_EQ(rig_.folder.Read("file"), std::string(kSize, 'x'));
}

// A pipe is written in order, and takes nothing of it.
TEST(EarlyStream, APipeTakesThemOnceMore) {
  Rig rig(true);
  const file::UniqueFd out(
      open((rig.folder / "out").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  rig.StartStreamReceiver(out.get());
  rig.Say(message::Hello{kVersion, kVersion, false});
  rig.Say(message::Offer{});
  rig.Say(message::Entries{0, {File("file", kSize)}});
  rig.Say(message::Early{0, ToBytes(AsBytes(std::string(1000, 'x')))});
  rig.Say(message::End{1, kSize, 0, 0});
  ASSERT_NE(rig.Hear<message::Decisions>(), nullptr);
  rig.source.text = std::string(kSize, 'x');
  rig.raw().OfferBytes(StreamOffset(0), StreamOffset(kSize));
  rig.Say(message::Digests{{{0, DigestOf(rig.source.text)}}});
  ASSERT_NE(rig.Hear<message::FilesDone>(), nullptr);
  EXPECT_EQ(rig.folder.Read("out"), rig.source.text);
}

}  // namespace
}  // namespace p2pcp

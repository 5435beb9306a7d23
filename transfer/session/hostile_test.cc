// Peers that hold the right key and break the rules, against a Receiver or a
// Sender.

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/time.h"
#include "transfer/connection/byte_space.h"
#include "transfer/connection/connection.h"
#include "transfer/file/digest.h"
#include "transfer/file/entry.h"
#include "transfer/file/intake.h"
#include "transfer/file/output_folder.h"
#include "transfer/file/test_folder.h"
#include "transfer/session/bottleneck.h"
#include "transfer/session/hostile_rig.h"
#include "transfer/session/messages.h"
#include "transfer/session/receipt.h"
#include "transfer/session/receiver.h"
#include "transfer/session/recorded_receipt.h"

namespace p2pcp {
namespace {

using Names = std::vector<std::string>;

// --- Against a receiver ---

class HostileSender : public testing::Test {
 protected:
  HostileSender() { rig_->StartReceiver(); }

  // A new rig for the next case.
  void Reset() {
    rig_ = std::make_unique<Rig>(true);
    rig_->StartReceiver();
  }
  void Greet() { rig_->Say(message::Hello{kVersion, kVersion, false}); }
  // Greets and offers these entries, and no others.
  void Offer(std::vector<file::Entry> entries) {
    Greet();
    rig_->Say(message::Offer{});
    message::End end{entries.size(), 0, 0, 0};
    for (const file::Entry& entry : entries) end.bytes += entry.size;
    rig_->Say(message::Entries{0, std::move(entries)});
    rig_->Say(end);
  }
  // Offers one file of this content, and has it accepted.
  void OfferFile(const std::string& content) {
    rig_->source.text = content;
    Offer({File("file", content.size())});
    ASSERT_NE(rig_->Hear<message::Decisions>(), nullptr);
  }
  void ExpectFailure(ErrorCode code, message::Reason told, bool empty = true) {
    p2pcp::ExpectFailure(*rig_, code, told);
    if (empty) {
      EXPECT_EQ(rig_->folder.Names(), Names{});
    }
  }
  void ExpectViolation() {
    ExpectFailure(ErrorCode::kMalformed, message::Reason::kViolation);
  }
  void ExpectRefused() {
    ExpectFailure(ErrorCode::kMalformed, message::Reason::kRefused);
  }

  std::unique_ptr<Rig> rig_ = std::make_unique<Rig>(true);
};

TEST_F(HostileSender, NamesThatAreNotPlainAreRefused) {
  for (const std::string name :
       {"", "/etc/passwd", "..", ".", "../x", "a/b", "a\nb", "a\x1b[2J"}) {
    SCOPED_TRACE(name);
    Reset();
    Offer({File(name)});
    ExpectRefused();
    Reset();
    Offer({Folder(name), File("x")});
    ExpectRefused();
    Reset();
    Offer({Folder("fine"), File(name)});
    ExpectRefused();
  }
}

TEST_F(HostileSender, DotfilesAtTheTopAreKeptBack) {
  Offer({File(".bashrc"), Folder(".ssh"), File("authorized_keys")});
  const auto* decisions = rig_->Hear<message::Decisions>();
  ASSERT_NE(decisions, nullptr);
  ASSERT_EQ(decisions->parts.size(), 1u);
  EXPECT_EQ(decisions->parts[0].count, 3u);
  EXPECT_EQ(decisions->parts[0].verdict, file::Verdict::kKeepBack);
  rig_->Say(message::Finished{{}});
  ASSERT_TRUE(rig_->Run());
  EXPECT_EQ(rig_->failed->code, ErrorCode::kKeptBack);
  EXPECT_EQ(rig_->folder.Names(), Names{});
}

TEST_F(HostileSender, NumbersThatDoNotAddUpAreRefused) {
  Offer({Folder("a"), File("x", 1, 2)});  // Leaves more than there is.
  ExpectRefused();
  Reset();
  file::Entry timeless = File("a");
  timeless.mtime.nanoseconds = 1'000'000'000;
  Offer({timeless});
  ExpectRefused();
  Reset();
  Offer({File("a", kMaxVarint)});
  ExpectRefused();
  Reset();
  Offer({File("a", file::kMaxTotal - 1), File("b", 2)});
  ExpectRefused();
  Reset();
  std::vector<file::Entry> deep;
  for (int i = 0; i < 70; ++i) deep.push_back(Folder("d"));
  Offer(deep);
  ExpectFailure(ErrorCode::kMalformed, message::Reason::kRefused,
                /*empty=*/false);
}

TEST_F(HostileSender, MoreThanTheDiskHoldsIsDeclined) {
  Offer({File("a", file::kMaxTotal)});
  ExpectFailure(ErrorCode::kCannotWrite, message::Reason::kCannotWrite);
}

// It claims little data and has terabytes of holes.
TEST_F(HostileSender, HolesAreBounded) {
  constexpr std::uint64_t kSize = std::uint64_t{5} << 40;
  file::Entry sparse = File("sparse", kSize);
  sparse.sparse = true;
  sparse.data_bytes = 0;
  Offer({sparse});
  ASSERT_NE(rig_->Hear<message::Decisions>(), nullptr);
  rig_->Say(message::Holes{0, {{0, kSize}}});
  ExpectRefused();
}

TEST_F(HostileSender, HolesLieInTheirFile) {
  const auto offer = [&](bool is_sparse) {
    Reset();
    rig_->source.text.assign(1 << 20, 'x');
    file::Entry sparse = File("sparse", 1 << 20);
    sparse.sparse = is_sparse;
    Offer({sparse});
    ASSERT_NE(rig_->Hear<message::Decisions>(), nullptr);
  };
  offer(true);
  rig_->Say(message::Holes{0, {{0, (1 << 20) + 1}}});
  ExpectViolation();
  offer(true);
  rig_->Say(message::Holes{0, {{kMaxVarint - 1, 1}}});
  ExpectViolation();
  offer(true);
  rig_->Say(message::Holes{0, {{0, 1000}}});
  rig_->Say(message::Holes{0, {{500, 1000}}});
  ExpectViolation();
  offer(false);
  rig_->Say(message::Holes{0, {{0, 1000}}});
  ExpectViolation();
  // Bytes that came can't be a hole, nor the other way round.
  offer(true);
  rig_->raw().OfferBytes(StreamOffset(0), StreamOffset(2000));
  ASSERT_TRUE(
      rig_->RunUntil([&] { return rig_->raw().AllBytesAcknowledged(); }, 30s));
  rig_->Say(message::Holes{0, {{1000, 5000}}});
  ExpectViolation();
}

TEST_F(HostileSender, EqualNamesDoNotReplaceEachOther) {
  rig_->source.text = "12";
  Offer({File("a"), File("a"), Folder("a"), File("x", 0)});
  ASSERT_NE(rig_->Hear<message::Decisions>(), nullptr);
  rig_->raw().OfferBytes(StreamOffset(0), StreamOffset(2));
  rig_->Say(message::Digests{{{0, DigestOf("1")}, {1, DigestOf("2")}}});
  rig_->Say(message::Digests{{{3, DigestOf("")}}});
  ASSERT_NE(rig_->Hear<message::Done>(), nullptr);
  rig_->Say(message::Finished{{}});
  ASSERT_TRUE(rig_->Run());
  // The folder came first, since it is made when it is heard of.
  EXPECT_EQ(rig_->folder.Names(), (Names{"a", "a (1)", "a (2)"}));
  EXPECT_EQ(rig_->folder.Read("a/x"), "");
  EXPECT_EQ(rig_->folder.Read("a (1)") + rig_->folder.Read("a (2)"), "12");
}

// In a folder that is new nothing is renamed: the names were the sender's own.
TEST_F(HostileSender, EqualNamesInANewFolderAreKeptBack) {
  rig_->source.text = "12";
  Offer({Folder("f"), File("a"), File("a")});
  ASSERT_NE(rig_->Hear<message::Decisions>(), nullptr);
  rig_->raw().OfferBytes(StreamOffset(0), StreamOffset(2));
  rig_->Say(message::Digests{{{1, DigestOf("1")}, {2, DigestOf("2")}}});
  ASSERT_NE(rig_->Hear<message::Done>(), nullptr);
  rig_->Say(message::Finished{{}});
  ASSERT_TRUE(rig_->Run());
  EXPECT_EQ(rig_->failed->code, ErrorCode::kKeptBack);
  EXPECT_EQ(rig_->folder.Read("f/a"), "1");
}

TEST_F(HostileSender, ALinkInTheFolderLeadsNowhere) {
  file::TestFolder elsewhere;
  std::filesystem::create_symlink(elsewhere.path(), rig_->folder / "link");
  rig_->source.text = "1";
  Offer({Folder("link"), File("x")});
  ASSERT_NE(rig_->Hear<message::Done>(), nullptr);
  rig_->Say(message::Finished{{}});
  ASSERT_TRUE(rig_->Run());
  EXPECT_EQ(rig_->failed->code, ErrorCode::kKeptBack);
  EXPECT_EQ(elsewhere.Names(), Names{});
}

// A folder is swapped for a link while its files are on their way.
TEST_F(HostileSender, AFolderThatBecomesALinkIsNotWrittenThrough) {
  file::TestFolder elsewhere;
  const std::string content = file::RandomText(600'000, 1);
  rig_->source.text = content;
  Offer({Folder("f"), File("x", content.size())});
  ASSERT_NE(rig_->Hear<message::Decisions>(), nullptr);
  std::filesystem::remove_all(rig_->folder / "f");
  std::filesystem::create_symlink(elsewhere.path(), rig_->folder / "f");
  rig_->raw().OfferBytes(StreamOffset(0), StreamOffset(content.size()));
  rig_->Say(message::Digests{{{1, DigestOf(content)}}});
  ASSERT_TRUE(rig_->Run());
  EXPECT_EQ(rig_->failed->code, ErrorCode::kCannotWrite);
  EXPECT_EQ(elsewhere.Names(), Names{});
}

// Entries without end: no more than a window of them is taken.
TEST_F(HostileSender, EntriesBeyondTheWindowAreAViolation) {
  Greet();
  rig_->Say(message::Offer{});
  std::uint64_t next = 0;
  const auto say_more = [&] {
    while (rig_->raw().ControlRoom() > 10'000) {
      message::Entries entries{next, {}};
      for (int i = 0; i < 300; ++i) {
        entries.entries.push_back(File("f" + std::to_string(next++)));
      }
      rig_->Say(entries);
    }
    return rig_->failed.has_value();
  };
  ASSERT_TRUE(rig_->RunUntil(say_more, 30s));
  EXPECT_EQ(rig_->failed->code, ErrorCode::kMalformed);
  EXPECT_LT(next, 60'000u);
}

TEST_F(HostileSender, MessagesOutOfOrderAreViolations) {
  const auto offer = [&] {
    Greet();
    rig_->Say(message::Offer{});
  };
  const std::vector<std::function<void()>> cases = {
      [&] { rig_->Say(message::Offer{}); },
      [&] {
        Greet();
        Greet();
      },
      [&] {
        rig_->Say(message::Hello{kVersion, kVersion, true});
      },
      [&] {
        offer();
        rig_->Say(message::Offer{});
      },
      [&] {
        Greet();
        rig_->Say(message::Entries{0, {File("a")}});
      },
      [&] {
        offer();
        rig_->Say(message::Entries{1, {File("a")}});
      },
      [&] {
        offer();
        rig_->Say(message::End{1, 0, 0, 0});
      },
      [&] {
        offer();
        rig_->Say(message::Entries{0, {File("a")}});
        rig_->Say(message::End{1, 2, 0, 0});
      },
      [&] {
        Offer({File("a")});
        rig_->Say(message::Entries{1, {File("b")}});
      },
      [&] {
        Offer({File("a")});
        rig_->Say(message::End{1, 1, 0, 0});
      },
      [&] {
        offer();
        rig_->Say(message::Digests{{{0, {}}}});
      },
      [&] {
        Greet();
        rig_->Say(message::Accept{});
      },
      [&] {
        Greet();
        rig_->Say(message::Finished{{}});
      },
      [&] {
        Greet();
        rig_->SayBytes(Unhex("ff00"));
      },
      [&] { rig_->SayBytes({}); },
      [&] {
        OfferFile("content");
        rig_->Say(message::Digests{{{1, {}}}});
      },
      [&] {
        OfferFile("content");
        rig_->Say(message::Digests{{{0, {}}}});
        rig_->Say(message::Digests{{{0, DigestOf("content")}}});
      },
      [&] {
        OfferFile("content");
        rig_->Say(message::SourceFailed{1, 0});
      },
      [&] {
        OfferFile("content");
        rig_->Say(message::SourceFailed{0, 8});
      },
      [&] {
        OfferFile("content");
        rig_->Say(message::BlockDigests{0, 0, {{}}});
      },
  };
  for (std::size_t i = 0; i < cases.size(); ++i) {
    SCOPED_TRACE(i);
    Reset();
    cases[i]();
    ExpectViolation();
  }
}

TEST_F(HostileSender, NoCommonVersionIsSaidToBeThat) {
  rig_->Say(message::Hello{kVersion + 1, 9, false});
  ExpectFailure(ErrorCode::kVersionMismatch, message::Reason::kVersionMismatch);
}

TEST_F(HostileSender, EarlierVersionsAreNotSpoken) {
  rig_->Say(message::Hello{1, kVersion - 1, false});
  ExpectFailure(ErrorCode::kVersionMismatch, message::Reason::kVersionMismatch);
}

TEST_F(HostileSender, ALaterVersionThatSpeaksOursIsFine) {
  rig_->source.text = "content";
  Bytes hello = message::Serialize(message::Hello{kVersion, 7, false});
  hello.push_back(std::byte{42});
  rig_->SayBytes(hello);
  rig_->Say(message::Offer{});
  rig_->Say(message::Entries{0, {File("file", 7)}});
  EXPECT_NE(rig_->Hear<message::Accept>(), nullptr);
}

TEST_F(HostileSender, BytesBeforeTheyAreAcceptedAreAViolation) {
  rig_->source.text = "content";
  Greet();
  rig_->Say(message::Offer{});
  rig_->raw().OfferBytes(StreamOffset(0), StreamOffset(7));
  ExpectViolation();
}

TEST_F(HostileSender, BytesBeyondTheDeclaredSizeAreAViolation) {
  OfferFile("content");
  rig_->source.text = "content and more";
  rig_->raw().OfferBytes(StreamOffset(0), StreamOffset(8));
  ExpectViolation();
}

TEST_F(HostileSender, AWrongDigestLeavesNoFile) {
  OfferFile("content");
  rig_->raw().OfferBytes(StreamOffset(0), StreamOffset(7));
  rig_->Say(message::Digests{{{0, DigestOf("other content")}}});
  // It is asked for again, but not for ever.
  for (std::size_t i = 1; i <= 2; ++i) {
    ASSERT_TRUE(rig_->RunUntil(
        [&] { return rig_->Count<message::Repair>() == i; }, 30s));
    rig_->raw().OfferAgain(StreamOffset(0), StreamOffset(7));
  }
  const auto* failed = rig_->Hear<message::FileFailed>();
  ASSERT_NE(failed, nullptr);
  EXPECT_EQ(failed->reason, message::Reason::kIntegrity);
  ASSERT_NE(rig_->Hear<message::Done>(), nullptr);
  EXPECT_EQ(rig_->Heard<message::Done>()->entries_done, 0u);
  rig_->Say(message::Finished{{}});
  ASSERT_TRUE(rig_->Run());
  EXPECT_EQ(rig_->failed->code, ErrorCode::kIntegrity);
  EXPECT_EQ(rig_->folder.Names(), Names{});
}

TEST_F(HostileSender, WithoutADigestNothingGetsItsName) {
  OfferFile("content");
  rig_->raw().OfferBytes(StreamOffset(0), StreamOffset(7));
  EXPECT_FALSE(rig_->Run(20s));
  EXPECT_FALSE(rig_->folder.Has("file"));
}

TEST_F(HostileSender, BytesThatWereVerifiedCannotBeReplaced) {
  const std::string content = file::RandomText(600'000, 1);
  OfferFile(content);
  rig_->raw().OfferBytes(StreamOffset(0), StreamOffset(content.size()));
  ASSERT_TRUE(
      rig_->RunUntil([&] { return rig_->raw().AllBytesAcknowledged(); }, 30s));
  // The same range once more, with other bytes.
  rig_->source.text.assign(content.size(), 'x');
  rig_->raw().OfferBytes(StreamOffset(0), StreamOffset(content.size()));
  ASSERT_TRUE(
      rig_->RunUntil([&] { return rig_->raw().AllBytesAcknowledged(); }, 30s));
  rig_->Say(message::Digests{{{0, DigestOf(content)}}});
  ASSERT_NE(rig_->Hear<message::Done>(), nullptr);
  rig_->Say(message::Finished{{}});
  ASSERT_TRUE(rig_->Run());
  EXPECT_TRUE(rig_->completed);
  EXPECT_EQ(rig_->folder.Read("file"), content);
}

TEST_F(HostileSender, ReasonsOfAnAbortAreTold) {
  const std::vector<std::pair<message::Reason, ErrorCode>> cases = {
      {message::Reason::kCancelled, ErrorCode::kDeclined},
      {message::Reason::kSourceUnreadable, ErrorCode::kSourceUnreadable},
      {message::Reason::kViolation, ErrorCode::kMalformed},
      {message::Reason::kVersionMismatch, ErrorCode::kVersionMismatch},
      {message::Reason::kOther, ErrorCode::kOther},
  };
  for (const auto& [reason, code] : cases) {
    Reset();
    OfferFile("content");
    rig_->Say(message::Abort{reason});
    ASSERT_TRUE(rig_->Run());
    EXPECT_EQ(rig_->failed->code, code);
    EXPECT_EQ(rig_->folder.Names(), Names{});
  }
}

TEST_F(HostileSender, LeavingEarlyIsALostConnection) {
  OfferFile("content");
  rig_->raw().Close(TimePoint{2s}, 0);
  ASSERT_TRUE(rig_->Run());
  EXPECT_EQ(rig_->failed->code, ErrorCode::kConnectionLost);
  EXPECT_EQ(rig_->folder.Names(), Names{});
}

// --- Against a sender ---

class HostileReceiver : public testing::Test {
 protected:
  HostileReceiver() { Reset(); }

  void Reset(ReceiptTaker* taker = nullptr) {
    rig_ = std::make_unique<Rig>(false);
    rig_->taker = taker;
    rig_->StartSender({in_.Write("a", "content"), in_.Write("b", "more")});
    rig_->Say(message::Hello{kVersion, kVersion, true});
  }
  // Accepts, and wants both.
  void Accept() {
    ASSERT_NE(rig_->Hear<message::End>(), nullptr);
    rig_->Say(message::Accept{});
    Decide(0, 2, file::Verdict::kWant);
  }
  void Decide(std::uint64_t first, std::uint64_t count, file::Verdict verdict) {
    rig_->Say(message::Decisions{first, {{count, verdict}}});
  }
  void ExpectViolation() { ExpectAbortForViolation(*rig_); }

  file::TestFolder in_;
  std::unique_ptr<Rig> rig_;
};

TEST_F(HostileReceiver, WithoutItsPartNothingIsInAReceipt) {
  RecordedTaker taker;
  const auto received = [&](std::uint64_t index, const std::string& content) {
    rig_->Say(message::Received{{{index, RecordedHasher::Of(content)}}});
  };
  const auto hear_digests = [&] {
    Accept();
    ASSERT_TRUE(rig_->RunUntil(
        [&] {
          std::size_t told = 0;
          for (const auto* digests : rig_->AllHeard<message::Digests>()) {
            told += digests->digests.size();
          }
          return told == 2;
        },
        30s));
  };
  const std::vector<std::function<void()>> cases = {
      // Done without a digest, or before there can be one, or twice.
      [&] {
        hear_digests();
        rig_->Say(message::FilesDone{{{0, 1}}});
      },
      [&] {
        ASSERT_NE(rig_->Hear<message::End>(), nullptr);
        rig_->Say(message::Accept{});
        Decide(0, 2, file::Verdict::kHave);
      },
      [&] {
        Accept();
        received(9, "");
      },
      [&] {
        hear_digests();
        received(0, "content");
        received(0, "content");
      },
      // The end too early, twice, or never.
      [&] {
        hear_digests();
        received(0, "content");
        rig_->Say(message::Receipt{});
      },
      [&] {
        hear_digests();
        received(0, "content");
        received(1, "more");
        rig_->Say(message::Receipt{});
        rig_->Say(message::Receipt{});
      },
      [&] {
        hear_digests();
        received(0, "content");
        received(1, "more");
        rig_->Say(message::Done{2, {}});
      },
  };
  for (std::size_t i = 0; i < cases.size(); ++i) {
    SCOPED_TRACE(i);
    Reset(&taker);
    cases[i]();
    ExpectViolation();
  }
  Reset(&taker);
  hear_digests();
  received(1, "more");
  received(0, "Content");
  ASSERT_TRUE(rig_->Run());
  EXPECT_EQ(rig_->failed->code, ErrorCode::kIntegrity);
  EXPECT_EQ(taker.lines, Names{RecordedTaker::FileLine("b", "more")});
  // Nobody wants one.
  for (const bool end : {false, true}) {
    Reset();
    hear_digests();
    if (end) {
      rig_->Say(message::Receipt{});
    } else {
      received(0, "content");
    }
    ExpectViolation();
  }
}

TEST_F(HostileReceiver, MessagesOutOfOrderAreViolations) {
  const auto accept = [&] {
    ASSERT_NE(rig_->Hear<message::End>(), nullptr);
    rig_->Say(message::Accept{});
  };
  const auto hear_digest = [&] {
    Accept();
    ASSERT_NE(rig_->Hear<message::Digests>(), nullptr);
  };
  const auto done = [&](std::uint64_t first, std::uint64_t count) {
    rig_->Say(message::FilesDone{{{first, count}}});
  };
  const std::vector<std::function<void()>> cases = {
      // Decisions before it accepts, out of order, of what is not there.
      [&] {
        ASSERT_NE(rig_->Hear<message::End>(), nullptr);
        Decide(0, 1, file::Verdict::kWant);
      },
      [&] {
        accept();
        Decide(1, 1, file::Verdict::kWant);
      },
      [&] {
        accept();
        Decide(0, 3, file::Verdict::kWant);
      },
      [&] {
        accept();
        Decide(0, kMaxVarint >> 4, file::Verdict::kKeepBack);
      },
      [&] {
        accept();
        Decide(0, 1, file::Verdict::kKeepBack);
        Decide(0, 1, file::Verdict::kWant);
      },
      [&] {
        Accept();
        rig_->Say(message::Accept{});
      },
      [&] {
        Accept();
        rig_->Say(message::Decline{message::Reason::kDeclined});
      },
      [&] {
        Accept();
        rig_->Say(message::Done{2, {}});
      },
      [&] {
        Accept();
        done(9, 1);
      },
      [&] {
        Accept();
        done(0, kMaxVarint);
      },
      // Claims to have verified what it can't know yet.
      [&] {
        ASSERT_NE(rig_->Hear<message::Entries>(), nullptr);
        done(0, 1);
      },
      [&] {
        hear_digest();
        done(0, 1);
        done(0, 1);
      },
      [&] {
        hear_digest();
        done(0, 1);
        rig_->Say(message::FileFailed{0, message::Reason::kIntegrity});
      },
      [&] {
        hear_digest();
        done(0, 1);
        rig_->Say(message::Done{1, {}});
      },
      [&] {
        Accept();
        rig_->Say(message::Want{0});
      },
      [&] {
        Accept();
        rig_->Say(message::CheckBlocks{7});
      },
      [&] {
        hear_digest();
        rig_->Say(message::Repair{0, {{0, 2}}});
      },
      [&] {
        hear_digest();
        for (int i = 0; i < 3; ++i) rig_->Say(message::CheckBlocks{0});
      },
      [&] {
        accept();
        Decide(0, 2, file::Verdict::kCompare);
        rig_->Say(message::Want{1});
      },
      [&] { rig_->Say(message::Offer{}); },
      [&] { rig_->Say(message::Finished{{}}); },
  };
  for (std::size_t i = 0; i < cases.size(); ++i) {
    SCOPED_TRACE(i);
    Reset();
    cases[i]();
    ExpectViolation();
  }
}

TEST_F(HostileReceiver, TheNumberInTheReceiptMustBeRight) {
  ASSERT_NE(rig_->Hear<message::End>(), nullptr);
  rig_->Say(message::Accept{});
  Decide(0, 2, file::Verdict::kKeepBack);
  rig_->Say(message::Done{1, {}});
  ExpectViolation();
}

// What a receiver says to have of a file ("a" has 7 bytes) lies inside of it,
// and comes before it is decided on.
TEST_F(HostileReceiver, WhatItHasFromBeforeMustFit) {
  using Haves = std::vector<message::Have>;
  const std::vector<Haves> cases = {
      {{0, {{0, 8}}}},
      {{0, {{8, 1}}}},
      {{0, {{kMaxVarint - 2, 1}}}},
      {{2, {{0, 1}}}},
      {{0, {{0, 1}}}, {0, {{2, 1}}}},
  };
  for (const Haves& haves : cases) {
    Reset();
    ASSERT_NE(rig_->Hear<message::End>(), nullptr);
    rig_->Say(message::Accept{});
    for (const message::Have& have : haves) rig_->Say(have);
    ExpectViolation();
  }
  Reset();
  ASSERT_NE(rig_->Hear<message::End>(), nullptr);
  rig_->Say(message::Have{0, {{0, 1}}});  // Before ACCEPT.
  ExpectViolation();
  Reset();
  Accept();
  rig_->Say(message::Have{1, {{0, 1}}});  // After the decision.
  ExpectViolation();
}

TEST_F(HostileReceiver, WhatItHasFromBeforeIsNotSent) {
  ASSERT_NE(rig_->Hear<message::End>(), nullptr);
  rig_->Say(message::Accept{});
  rig_->Say(message::Have{0, {{0, 3}, {4, 3}}});
  rig_->Say(message::Have{1, {{0, 4}}});
  Decide(0, 2, file::Verdict::kWant);
  const message::Digests* const digests = rig_->Hear<message::Digests>();
  ASSERT_NE(digests, nullptr);
  EXPECT_EQ(digests->digests[0].digest, DigestOf("content"));
  EXPECT_FALSE(rig_->RunUntil([] { return false; }, 1s));
  EXPECT_EQ(rig_->raw().stats().data_bytes_received, 1u);
}

TEST_F(HostileReceiver, NoReportMakesATransferOtherThanItIs) {
  Accept();
  // Until both digests have been told.
  EXPECT_FALSE(rig_->RunUntil([] { return false; }, 1s));
  rig_->Say(message::FilesDone{{{0, 2}}});
  // More time, work and drops than there can be.
  const Duration ages = std::chrono::hours(24 * 365 * 40);
  rig_->Say(
      message::Done{2, ReceiverReport{{ages, ages, ages, ages}, kMaxVarint}});
  ASSERT_TRUE(rig_->Run());
  EXPECT_TRUE(rig_->completed);
}

TEST_F(HostileReceiver, DeclinesAreToldWithTheirReason) {
  const std::vector<std::pair<message::Reason, ErrorCode>> cases = {
      {message::Reason::kDeclined, ErrorCode::kDeclined},
      {message::Reason::kRefused, ErrorCode::kDeclined},
      {message::Reason::kCannotWrite, ErrorCode::kCannotWrite},
  };
  for (const auto& [reason, code] : cases) {
    Reset();
    rig_->Say(message::Decline{reason});
    ASSERT_TRUE(rig_->Run());
    EXPECT_EQ(rig_->failed->code, code);
  }
}

}  // namespace
}  // namespace p2pcp

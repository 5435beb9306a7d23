// Peers that hold the right key and break the rules of streams.

#include <fcntl.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "net/base/result.h"
#include "net/base/time.h"
#include "transfer/connection/byte_space.h"
#include "transfer/file/entry.h"
#include "transfer/file/intake.h"
#include "transfer/file/test_folder.h"
#include "transfer/file/unique_fd.h"
#include "transfer/session/hostile_rig.h"
#include "transfer/session/messages.h"
#include "transfer/session/receiver.h"

namespace p2pcp {
namespace {

constexpr char kText[] = "seven b";
constexpr std::uint64_t kSize = sizeof(kText) - 1;

file::Entry Stream() {
  file::Entry entry;
  entry.kind = file::Entry::Kind::kStream;
  entry.name = "stream";
  return entry;
}

// --- Against a receiver that writes to a stream ---

class HostileStreamSender : public testing::Test {
 protected:
  // A new rig for the next case, which has greeted.
  void Reset(const Receiver::Config& config = {}) {
    rig_ = std::make_unique<Rig>(true);
    rig_->source.text = kText;
    out_ = file::UniqueFd(open((rig_->folder / "out").c_str(),
                               O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    rig_->StartStreamReceiver(out_.get(), config);
    rig_->Say(message::Hello{kVersion, kVersion, false});
    rig_->Say(message::Offer{});
  }
  void Offer(file::Entry entry) {
    rig_->Say(message::Entries{0, {std::move(entry)}});
  }
  void OfferStream() {
    Offer(Stream());
    ASSERT_NE(rig_->Hear<message::Decisions>(), nullptr);
  }
  void SendBytes(std::uint64_t begin, std::uint64_t end) {
    rig_->raw().OfferBytes(StreamOffset(begin), StreamOffset(end));
  }
  void SendText() {
    SendBytes(0, kSize);
    rig_->RunUntil([&] { return Written() == kText; }, 1s);
    ASSERT_EQ(Written(), kText);
  }
  std::string Written() const { return rig_->folder.Read("out"); }

  std::unique_ptr<Rig> rig_;
  file::UniqueFd out_;
};

TEST_F(HostileStreamSender, MessagesOutOfOrderAreViolations) {
  const std::vector<std::function<void()>> cases = {
      [&] { rig_->Say(message::Offer{}); },
      [&] {
        rig_->Say(message::StreamEnd{0, 0});
      },
      [&] {
        rig_->Say(message::Digests{{{0, DigestOf(kText)}}});
      },
      [&] {
        rig_->Say(message::SourceFailed{0, 0});
      },
      [&] {
        rig_->Say(message::Entries{1, {Stream()}});
      },
      [&] {
        rig_->Say(message::End{1, 0, 0, 0});
      },
      // Bytes before there is an offer, and before it is accepted.
      [&] { SendBytes(0, kSize); },
      [&] {
        Offer(File("file", kSize));
        SendBytes(0, kSize);
      },
      [&] {
        OfferStream();
        rig_->Say(message::Entries{1, {File("another")}});
      },
      [&] {
        OfferStream();
        rig_->Say(message::Holes{0, {{0, 1}}});
      },
      [&] {
        OfferStream();
        rig_->Say(message::Accept{});
      },
      [&] {
        OfferStream();
        rig_->Say(message::SourceFailed{1, 0});
      },
      [&] {
        OfferStream();
        rig_->Say(message::Digests{{{1, DigestOf(kText)}}});
      },
      [&] {
        OfferStream();
        rig_->Say(message::Digests{{{0, DigestOf(kText)}}});
        rig_->Say(message::Digests{{{0, DigestOf(kText)}}});
      },
      // Ends that are none.
      [&] {
        OfferStream();
        rig_->Say(message::StreamEnd{1, kSize});
      },
      [&] {
        OfferStream();
        rig_->Say(message::StreamEnd{0, kSize});
        rig_->Say(message::StreamEnd{0, kSize});
      },
      [&] {
        OfferStream();
        SendText();
        rig_->Say(message::StreamEnd{0, kSize - 1});
      },
      [&] {
        OfferStream();
        rig_->Say(message::StreamEnd{0, kSize - 1});
        rig_->Hear<message::Abort>();
        SendBytes(0, kSize);
      },
      [&] {
        Offer(File("file", kSize));
        rig_->Say(message::End{1, kSize, 0, 0});
        rig_->Say(message::StreamEnd{0, kSize});
      },
      // Sums that are none.
      [&] {
        OfferStream();
        rig_->Say(message::End{1, kSize, 0, 0});
      },
      [&] {
        OfferStream();
        rig_->Say(message::StreamEnd{0, kSize});
        rig_->Say(message::End{1, kSize + 1, 0, 0});
      },
      [&] {
        OfferStream();
        rig_->Say(message::StreamEnd{0, kSize});
        rig_->Say(message::End{2, kSize, 0, 0});
      },
      [&] {
        OfferStream();
        rig_->Say(message::StreamEnd{0, kSize});
        rig_->Say(message::End{1, kSize, 0, 0});
        rig_->Say(message::End{1, kSize, 0, 0});
      },
      [&] {
        Offer(File("file", kSize));
        rig_->Say(message::End{1, kSize - 1, 0, 0});
      },
  };
  for (std::size_t i = 0; i < cases.size(); ++i) {
    SCOPED_TRACE(i);
    Reset();
    cases[i]();
    ExpectFailure(*rig_, ErrorCode::kMalformed, message::Reason::kViolation);
  }
}

TEST_F(HostileStreamSender, WhatIsNoStreamIsRefused) {
  Reset();
  Offer(Folder("folder"));
  ExpectFailure(*rig_, ErrorCode::kUsage, message::Reason::kRefused);
  Reset();
  rig_->Say(message::Entries{0, {File("a"), File("b")}});
  ExpectFailure(*rig_, ErrorCode::kUsage, message::Reason::kRefused);
  Reset();
  Offer(File("a\x1b[2J"));
  ExpectFailure(*rig_, ErrorCode::kUsage, message::Reason::kRefused);
  Reset();
  rig_->Say(message::End{0, 0, 0, 0});
  ExpectFailure(*rig_, ErrorCode::kUsage, message::Reason::kRefused);
}

TEST_F(HostileStreamSender, NotAByteMoreThanTheUserTakesIsWritten) {
  Receiver::Config config;
  config.max_bytes = kSize - 1;
  Reset(config);
  OfferStream();
  SendBytes(0, kSize);
  ExpectFailure(*rig_, ErrorCode::kDeclined, message::Reason::kDeclined);
  EXPECT_EQ(Written(), "");
  Reset(config);
  Offer(File("file", kSize));
  rig_->Say(message::End{1, kSize, 0, 0});
  ExpectFailure(*rig_, ErrorCode::kDeclined, message::Reason::kDeclined);
  EXPECT_EQ(Written(), "");
}

TEST_F(HostileStreamSender, AWrongDigestIsToldToBoth) {
  Reset();
  OfferStream();
  SendText();
  rig_->Say(message::StreamEnd{0, kSize});
  rig_->Say(message::Digests{{{0, DigestOf("another")}}});
  rig_->Say(message::End{1, kSize, 0, 0});
  const auto* failed = rig_->Hear<message::FileFailed>();
  ASSERT_NE(failed, nullptr);
  EXPECT_EQ(failed->reason, message::Reason::kIntegrity);
  rig_->Say(message::Finished{{}});
  ASSERT_TRUE(rig_->Run());
  ASSERT_TRUE(rig_->failed.has_value());
  EXPECT_EQ(rig_->failed->code, ErrorCode::kIntegrity);
}

// --- Against a sender of a stream ---

class HostileStreamReceiver : public testing::Test {
 protected:
  void Reset() {
    rig_ = std::make_unique<Rig>(false);
    rig_->folder.Write("in", kText);
    in_ = file::UniqueFd(
        open((rig_->folder / "in").c_str(), O_RDONLY | O_CLOEXEC));
    rig_->StartStreamSender(in_.get());
    rig_->Say(message::Hello{kVersion, kVersion, true});
  }
  void Accept() { rig_->Say(message::Accept{.in_order = true}); }
  void Decide(std::uint64_t first, std::uint64_t count, file::Verdict verdict) {
    rig_->Say(message::Decisions{first, {{count, verdict}}});
  }
  // Takes the stream until its end has been told.
  void TakeAll() {
    Accept();
    Decide(0, 1, file::Verdict::kWant);
    ASSERT_NE(rig_->Hear<message::End>(), nullptr);
  }

  std::unique_ptr<Rig> rig_;
  file::UniqueFd in_;
};

TEST_F(HostileStreamReceiver, WhoKeepsTheRulesGetsAllOfIt) {
  Reset();
  TakeAll();
  const auto* end = rig_->Heard<message::StreamEnd>();
  ASSERT_NE(end, nullptr);
  EXPECT_EQ(end->size, kSize);
  rig_->Say(message::FilesDone{{{0, 1}}});
  rig_->Say(message::Done{1, {}});
  ASSERT_TRUE(rig_->Run());
  EXPECT_TRUE(rig_->completed);
}

TEST_F(HostileStreamReceiver, MessagesOutOfOrderAreViolations) {
  const std::vector<std::function<void()>> cases = {
      [&] { Decide(0, 1, file::Verdict::kWant); },
      [&] {
        rig_->Say(message::FilesDone{{{0, 1}}});
      },
      [&] {
        rig_->Say(message::Done{0, {}});
      },
      [&] { rig_->Say(message::Offer{}); },
      [&] {
        Accept();
        Accept();
      },
      [&] {
        Accept();
        rig_->Say(message::Decline{message::Reason::kDeclined});
      },
      // There is one entry, of which nobody can have anything.
      [&] {
        Accept();
        Decide(1, 1, file::Verdict::kWant);
      },
      [&] {
        Accept();
        Decide(0, 2, file::Verdict::kWant);
      },
      [&] {
        Accept();
        Decide(0, 1, file::Verdict::kHave);
      },
      [&] {
        Accept();
        Decide(0, 1, file::Verdict::kCompare);
      },
      [&] {
        Accept();
        rig_->Say(message::Have{0, {{0, 1}}});
      },
      [&] {
        TakeAll();
        Decide(0, 1, file::Verdict::kWant);
      },
      [&] {
        Accept();
        Decide(0, 1, file::Verdict::kWant);
        rig_->Say(message::Want{0});
      },
      // It can't be read again.
      [&] {
        TakeAll();
        rig_->Say(message::CheckBlocks{0});
      },
      [&] {
        TakeAll();
        rig_->Say(message::Repair{0, {{0, 1}}});
      },
      // Results that are none.
      [&] {
        TakeAll();
        rig_->Say(message::FilesDone{{{1, 1}}});
      },
      [&] {
        TakeAll();
        rig_->Say(message::FilesDone{{{0, 2}}});
      },
      [&] {
        TakeAll();
        rig_->Say(message::FilesDone{{{0, 1}}});
        rig_->Say(message::FileFailed{0, message::Reason::kIntegrity});
      },
      [&] {
        TakeAll();
        rig_->Say(message::Done{1, {}});
      },
      [&] {
        TakeAll();
        rig_->Say(message::FilesDone{{{0, 1}}});
        rig_->Say(message::Done{0, {}});
      },
  };
  for (std::size_t i = 0; i < cases.size(); ++i) {
    SCOPED_TRACE(i);
    Reset();
    cases[i]();
    ExpectAbortForViolation(*rig_);
  }
}

}  // namespace
}  // namespace p2pcp

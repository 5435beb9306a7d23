// Peers that hold the right key and break the rules: a raw Connection that says
// whatever a test wants, against a Receiver or a Sender.

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/random.h"
#include "net/base/time.h"
#include "transfer/connection/byte_space.h"
#include "transfer/connection/connection.h"
#include "transfer/file/digest.h"
#include "transfer/file/inline_disk.h"
#include "transfer/file/output_folder.h"
#include "transfer/file/source_list.h"
#include "transfer/file/test_folder.h"
#include "transfer/session/bottleneck.h"
#include "transfer/session/messages.h"
#include "transfer/session/receiver.h"
#include "transfer/session/sender.h"
#include "transfer/session/session_pair.h"

namespace p2pcp {
namespace {

using Names = std::vector<std::string>;

file::Digest DigestOf(const std::string& text) {
  file::Hasher hasher;
  hasher.Update(AsBytes(text));
  return hasher.Finish();
}

// The hostile side's bytes: whatever is asked for.
class TextSource final : public ByteSource {
 public:
  ByteSpan Read(StreamOffset offset, std::size_t max_size) override {
    return AsBytes(std::string_view(text).substr(
        static_cast<std::size_t>(offset.value()), max_size));
  }
  std::string text;
};

class NullSink final : public ByteSink {
 public:
  bool Write(StreamOffset, ByteSpan) override { return true; }
};

// One honest session and one raw connection.
class Rig {
 public:
  // The raw side is the other one than the session.
  explicit Rig(bool raw_is_sender) : raw_side_(raw_is_sender ? 0 : 1) {
    Connection::Config config;
    config.receive_budget = raw_is_sender ? 0 : 16 << 20;
    raw_ = std::make_unique<Connection>(now_, config,
                                        raw_is_sender ? &source : nullptr,
                                        raw_is_sender ? nullptr : &sink_);
  }

  void StartReceiver() {
    target_.emplace(*file::OpenOutput(folder.path()));
    disk_.emplace();
    session_ = std::make_unique<Receiver>(now_, Receiver::Config{}, &*target_,
                                          &*disk_, &random_);
  }
  void StartSender(const std::vector<std::string>& paths) {
    sources_ = *file::ScanSources(paths);
    disk_.emplace();
    session_ =
        std::make_unique<Sender>(now_, Sender::Config{}, &sources_, &*disk_);
  }

  void Say(const message::Message& message) {
    SayBytes(message::Serialize(message));
  }
  void SayBytes(const Bytes& bytes) { raw_->SendControl(bytes); }
  Connection& raw() { return *raw_; }

  // Runs until the session has its terminal event, or for limit.
  bool Run(Duration limit = 30s) {
    return RunUntil([this] { return failed || completed; }, limit);
  }
  // Runs until the raw side has heard a T.
  template <typename T>
  const T* Hear() {
    RunUntil([this] { return Heard<T>() != nullptr; }, 30s);
    return Heard<T>();
  }
  template <typename T>
  const T* Heard() const {
    for (const message::Message& message : heard_) {
      if (const T* found = std::get_if<T>(&message)) return found;
    }
    return nullptr;
  }
  bool RunUntil(const std::function<bool()>& condition, Duration limit) {
    const TimePoint end = now_ + limit;
    for (;;) {
      Drain(*raw_, raw_side_);
      Drain(*session_, 1 - raw_side_);
      while (const auto bytes = raw_->PollControl()) {
        heard_.push_back(*message::Parse(*bytes));
      }
      while (const auto event = session_->PollEvent()) {
        if (const auto* error = std::get_if<Failed>(&*event)) {
          failed = error->error;
        }
        if (std::holds_alternative<Completed>(*event)) completed = true;
        if (std::holds_alternative<FileDone>(*event)) ++files_done;
      }
      if (condition()) return true;
      std::optional<TimePoint> next = link_.NextArrival();
      for (const auto due : {raw_->PollTimeout(), session_->PollTimeout()}) {
        if (due && (!next || *due < *next)) next = due;
      }
      if (!next || *next > end) return false;
      now_ = std::max(now_, *next);
      while (const auto packet = link_.Receive(now_)) {
        if (packet->from == raw_side_) {
          session_->HandlePacket(now_, packet->number, packet->payload);
        } else {
          raw_->HandlePacket(now_, packet->number, packet->payload);
        }
      }
      Fire(*raw_);
      Fire(*session_);
    }
  }

  file::TestFolder folder;
  TextSource source;
  std::optional<Error> failed;
  bool completed = false;
  int files_done = 0;

 private:
  template <typename T>
  void Drain(T& end, int side) {
    Bytes out(1'172);
    while (const auto packet =
               end.PollTransmit(now_, PacketNumber(next_number_[side]), out)) {
      ++next_number_[side];
      Bytes payload(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(
                                                   packet->frames_size));
      payload.insert(payload.end(), packet->data.begin(), packet->data.end());
      link_.Send(now_, side, PacketNumber(next_number_[side] - 1),
                 std::move(payload));
    }
  }
  template <typename T>
  void Fire(T& end) {
    const auto due = end.PollTimeout();
    if (due && *due <= now_) end.HandleTimeout(now_);
  }

  const int raw_side_;
  TimePoint now_{1s};
  SeededRandom random_{1};
  TestLink link_{1};
  NullSink sink_;
  std::unique_ptr<Connection> raw_;
  std::optional<file::OutputTarget> target_;
  std::optional<file::InlineDisk> disk_;
  file::SourceList sources_;
  std::unique_ptr<Session> session_;
  std::uint64_t next_number_[2] = {0, 0};
  std::vector<message::Message> heard_;
};

// --- Against a receiver ---

class HostileSender : public testing::Test {
 protected:
  HostileSender() { rig_->StartReceiver(); }

  // A new rig for the next case.
  void Reset() {
    rig_ = std::make_unique<Rig>(true);
    rig_->StartReceiver();
  }
  void Greet() { rig_->Say(message::Hello{1, 1, false}); }
  void Offer(std::vector<file::Entry> entries) {
    std::uint64_t total = 0;
    for (const file::Entry& entry : entries) total += entry.size;
    rig_->Say(message::Offer{entries.size(), total});
    rig_->Say(message::Entries{0, std::move(entries)});
  }
  // Greets, offers one file of this content, and has it accepted.
  void OfferFile(const std::string& content) {
    rig_->source.text = content;
    Greet();
    Offer({{"file", content.size(), {}, false}});
    ASSERT_NE(rig_->Hear<message::Accept>(), nullptr);
  }
  void ExpectFailure(ErrorCode code, message::Reason told) {
    ASSERT_TRUE(rig_->Run());
    ASSERT_TRUE(rig_->failed.has_value());
    EXPECT_EQ(rig_->failed->code, code) << rig_->failed->message;
    const auto* abort = rig_->Heard<message::Abort>();
    const auto* decline = rig_->Heard<message::Decline>();
    ASSERT_TRUE(abort != nullptr || decline != nullptr);
    EXPECT_EQ(abort != nullptr ? abort->reason : decline->reason, told);
    EXPECT_EQ(rig_->folder.Names(), Names{});
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
  for (const std::string name : {"", "/etc/passwd", "..", "../x", "a/b",
                                 ".bashrc", "a\nb", "a\x1b[2J"}) {
    SCOPED_TRACE(name);
    Reset();
    Greet();
    Offer({{"fine", 1, {}, false}, {name, 1, {}, false}});
    ExpectRefused();
  }
}

TEST_F(HostileSender, ManifestsThatDoNotAddUpAreRefused) {
  Greet();
  Offer({{"a", 1, {}, false}, {"a", 2, {}, false}});
  ExpectRefused();
  Reset();
  Greet();
  Offer({{"a", 1, {0, 1'000'000'000}, false}});
  ExpectRefused();
  Reset();
  Greet();
  Offer({{"a", kMaxVarint, {}, false}});
  ExpectRefused();
  Reset();
  Greet();
  rig_->Say(message::Offer{2, 0});
  rig_->Say(message::Entries{
      0, {{"a", file::Manifest::kMaxTotal, {}, false}, {"b", 1, {}, false}}});
  ExpectRefused();
  Reset();
  Greet();
  rig_->Say(message::Offer{1, 2});
  rig_->Say(message::Entries{0, {{"a", 1, {}, false}}});
  ExpectRefused();
  Reset();
  Greet();
  rig_->Say(message::Offer{file::Manifest::kMaxEntries + 1, 2});
  ExpectRefused();
}

TEST_F(HostileSender, MoreThanTheDiskHoldsIsDeclined) {
  Greet();
  Offer({{"a", file::Manifest::kMaxTotal, {}, false}});
  ExpectFailure(ErrorCode::kCannotWrite, message::Reason::kCannotWrite);
}

TEST_F(HostileSender, MessagesOutOfOrderAreViolations) {
  const std::vector<std::function<void()>> cases = {
      [&] {
        rig_->Say(message::Offer{1, 1});
      },
      [&] {
        Greet();
        Greet();
      },
      [&] {
        rig_->Say(message::Hello{1, 1, true});
      },
      [&] {
        Greet();
        rig_->Say(message::Offer{0, 0});
      },
      [&] {
        Greet();
        rig_->Say(message::Offer{1, 1});
        rig_->Say(message::Offer{1, 1});
      },
      [&] {
        Greet();
        rig_->Say(message::Entries{0, {{"a", 1, {}, false}}});
      },
      [&] {
        Greet();
        rig_->Say(message::Offer{2, 1});
        rig_->Say(message::Entries{1, {{"a", 1, {}, false}}});
      },
      [&] {
        Greet();
        rig_->Say(message::Offer{1, 1});
        rig_->Say(
            message::Entries{0, {{"a", 1, {}, false}, {"b", 1, {}, false}}});
      },
      [&] {
        Greet();
        rig_->Say(message::Offer{1, 1});
        rig_->Say(message::FileDigest{0, {}});
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
        rig_->Say(message::FileDigest{1, {}});
      },
      [&] {
        OfferFile("content");
        rig_->Say(message::FileDigest{0, {}});
        rig_->Say(message::FileDigest{0, DigestOf("content")});
      },
      [&] {
        OfferFile("content");
        rig_->Say(message::Entries{1, {{"b", 1, {}, false}}});
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
  rig_->Say(message::Hello{3, 9, false});
  ExpectFailure(ErrorCode::kVersionMismatch, message::Reason::kVersionMismatch);
}

TEST_F(HostileSender, ALaterVersionThatSpeaksOursIsFine) {
  rig_->source.text = "content";
  Bytes hello = message::Serialize(message::Hello{1, 7, false});
  hello.push_back(std::byte{42});
  rig_->SayBytes(hello);
  Offer({{"file", 7, {}, false}});
  EXPECT_NE(rig_->Hear<message::Accept>(), nullptr);
}

TEST_F(HostileSender, BytesBeforeTheyAreAcceptedAreAViolation) {
  rig_->source.text = "content";
  Greet();
  rig_->Say(message::Offer{1, 7});
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
  rig_->Say(message::FileDigest{0, DigestOf("other content")});
  const auto* failed = rig_->Hear<message::FileFailed>();
  ASSERT_NE(failed, nullptr);
  EXPECT_EQ(failed->reason, message::Reason::kIntegrity);
  ASSERT_NE(rig_->Hear<message::Done>(), nullptr);
  EXPECT_EQ(rig_->Heard<message::Done>()->files_done, 0u);
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
  rig_->Say(message::FileDigest{0, DigestOf(content)});
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

  void Reset(std::uint64_t version = 1) {
    rig_ = std::make_unique<Rig>(false);
    rig_->StartSender({in_.Write("a", "content"), in_.Write("b", "more")});
    rig_->Say(message::Hello{1, version, true});
  }
  void Accept() {
    ASSERT_NE(rig_->Hear<message::Entries>(), nullptr);
    rig_->Say(message::Accept{});
  }
  void ExpectViolation() {
    ASSERT_TRUE(rig_->Run());
    ASSERT_TRUE(rig_->failed.has_value());
    EXPECT_EQ(rig_->failed->code, ErrorCode::kMalformed);
    ASSERT_NE(rig_->Heard<message::Abort>(), nullptr);
    EXPECT_EQ(rig_->Heard<message::Abort>()->reason,
              message::Reason::kViolation);
  }

  file::TestFolder in_;
  std::unique_ptr<Rig> rig_;
};

TEST_F(HostileReceiver, MessagesOutOfOrderAreViolations) {
  const auto keep_back = [&](std::uint64_t first, std::uint64_t count) {
    ASSERT_NE(rig_->Hear<message::Entries>(), nullptr);
    rig_->Say(message::KeepBack{{{first, count}}});
  };
  const auto hear_digest = [&] {
    Accept();
    ASSERT_NE(rig_->Hear<message::FileDigest>(), nullptr);
  };
  const std::vector<std::function<void()>> cases = {
      [&] { keep_back(2, 1); },
      [&] { keep_back(0, 3); },
      [&] { keep_back(1, kMaxVarint); },
      [&] { keep_back(kMaxVarint, 1); },
      [&] {
        keep_back(0, 1);
        keep_back(0, 1);
      },
      [&] {
        Accept();
        Accept();
      },
      [&] {
        Accept();
        keep_back(0, 1);
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
        rig_->Say(message::FileDone{9, {}});
      },
      // Claims to have verified what it can't know yet.
      [&] {
        ASSERT_NE(rig_->Hear<message::Entries>(), nullptr);
        rig_->Say(message::FileDone{0, DigestOf("content")});
      },
      [&] {
        hear_digest();
        rig_->Say(message::FileDone{0, DigestOf("other")});
      },
      [&] {
        hear_digest();
        rig_->Say(message::FileDone{0, DigestOf("content")});
        rig_->Say(message::FileDone{0, DigestOf("content")});
      },
      [&] {
        hear_digest();
        rig_->Say(message::FileDone{0, DigestOf("content")});
        rig_->Say(message::FileFailed{0, message::Reason::kIntegrity});
      },
      [&] {
        hear_digest();
        rig_->Say(message::FileDone{0, DigestOf("content")});
        rig_->Say(message::Done{1, {}});
      },
      [&] {
        rig_->Say(message::Offer{1, 1});
      },
      [&] { rig_->Say(message::Finished{{}}); },
  };
  for (std::size_t i = 0; i < cases.size(); ++i) {
    SCOPED_TRACE(i);
    Reset();
    cases[i]();
    ExpectViolation();
  }
}

TEST_F(HostileReceiver, TheNumberOfFilesInTheReceiptMustBeRight) {
  ASSERT_NE(rig_->Hear<message::Entries>(), nullptr);
  rig_->Say(message::KeepBack{{{0, 2}}});
  rig_->Say(message::Accept{});
  rig_->Say(message::Done{1, {}});
  ExpectViolation();
}

TEST_F(HostileReceiver, AReceiptMustHaveTheFormOfTheVersion) {
  for (const std::uint64_t version : {1, 2}) {
    for (const bool reports : {false, true}) {
      SCOPED_TRACE(version * 10 + reports);
      Reset(version);
      ASSERT_NE(rig_->Hear<message::Entries>(), nullptr);
      rig_->Say(message::KeepBack{{{0, 2}}});
      rig_->Say(message::Accept{});
      message::Done done;
      if (reports) done.report.emplace();
      rig_->Say(done);
      if (reports == (version == 2)) {
        ASSERT_TRUE(rig_->Run());
        EXPECT_EQ(rig_->failed->code, ErrorCode::kKeptBack);
        const auto* finished = rig_->Heard<message::Finished>();
        ASSERT_NE(finished, nullptr);
        EXPECT_EQ(finished->report.has_value(), reports);
      } else {
        ExpectViolation();
      }
    }
  }
}

TEST_F(HostileReceiver, NoReportMakesATransferOtherThanItIs) {
  Reset(2);
  Accept();
  // Until both digests have been told.
  EXPECT_FALSE(rig_->RunUntil([] { return false; }, 1s));
  rig_->Say(message::FileDone{0, DigestOf("content")});
  rig_->Say(message::FileDone{1, DigestOf("more")});
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

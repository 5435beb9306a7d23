// Older versions as peers that mean ill tell of them, and use them.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/time.h"
#include "transfer/connection/byte_space.h"
#include "transfer/connection/connection.h"
#include "transfer/file/delta_signature.h"
#include "transfer/file/disk.h"
#include "transfer/file/intake.h"
#include "transfer/file/test_folder.h"
#include "transfer/session/hostile_rig.h"
#include "transfer/session/messages.h"
#include "transfer/session/receiver.h"

namespace p2pcp {
namespace {

using file::RandomText;
using message::Copies;
using message::Signatures;

constexpr std::uint64_t kMiB = 1 << 20;
constexpr std::uint64_t kSize = 2 * kMiB;

// --- Against a receiver ---

class HostileCopies : public testing::Test {
 protected:
  // Offers another version of a file that is there; and accepted.
  void Offer() {
    rig_ = std::make_unique<Rig>(true);
    rig_->folder.Write("film", RandomText(kSize, 1));
    rig_->folder.Write("small", "small");
    Receiver::Config config;
    config.conflict = file::ConflictPolicy::kOverwrite;
    rig_->StartReceiver(config);
    rig_->source.text = RandomText(kSize + 10, 2);
    rig_->Say(message::Hello{kVersion, kVersion, false});
    rig_->Say(message::Offer{});
    rig_->Say(message::Entries{0, {File("film", kSize), File("small", 10)}});
    rig_->Say(message::End{2, kSize + 10, 0, 0});
    ASSERT_NE(rig_->Hear<message::Decisions>(), nullptr);
    const auto* base = rig_->Heard<Signatures>();
    ASSERT_NE(base, nullptr);
    ASSERT_EQ(base->base_size, kSize);
    ASSERT_TRUE(base->signatures.empty());
  }
  std::uint64_t SignaturesHeard() const {
    std::uint64_t count = 0;
    for (const auto* message : rig_->AllHeard<Signatures>()) {
      EXPECT_EQ(message->first, count);
      count += message->signatures.size();
    }
    return count;
  }
  void ExpectViolation() {
    ASSERT_TRUE(rig_->Run());
    ASSERT_TRUE(rig_->failed.has_value());
    EXPECT_EQ(rig_->failed->code, ErrorCode::kMalformed);
    EXPECT_TRUE(rig_->folder.Read("film") == RandomText(kSize, 1));
    EXPECT_EQ(rig_->folder.Names(),
              (std::vector<std::string>{"film", "small"}));
  }

  std::unique_ptr<Rig> rig_;
};

TEST_F(HostileCopies, LieInTheirFileAndInItsOlderVersion) {
  const std::vector<Copies> cases = {
      {0, 0, {{0, kSize + 1, 0}}},
      {0, 0, {{kSize, 1, 0}}},
      {0, 0, {{kMaxVarint - 1, 1, 0}}},
      {0, 0, {{0, 1, kSize}}},
      {0, 0, {{0, 2, kSize - 1}}},
      {0, 0, {{0, 1, kMaxVarint}}},
      {0, 0, {{0, kSize, kMaxVarint}}},
      // There is none.
      {1, 0, {{0, 1, 0}}},
  };
  for (const Copies& copies : cases) {
    SCOPED_TRACE(Hex(message::Serialize(copies)));
    Offer();
    rig_->Say(copies);
    ExpectViolation();
  }
}

TEST_F(HostileCopies, LieWhereNothingElseCame) {
  Offer();
  rig_->Say(Copies{0, 0, {{0, 1000, 0}}});
  rig_->Say(Copies{0, 0, {{500, 1000, 0}}});
  ExpectViolation();
  Offer();
  rig_->raw().OfferBytes(StreamOffset(0), StreamOffset(2000));
  ASSERT_TRUE(
      rig_->RunUntil([&] { return rig_->raw().AllBytesAcknowledged(); }, 30s));
  rig_->Say(Copies{0, 0, {{1000, 5000, 0}}});
  ExpectViolation();
}

TEST_F(HostileCopies, AreBounded) {
  // Those that wait for the disk.
  Offer();
  ASSERT_TRUE(rig_->RunUntil([&] { return SignaturesHeard() == 512; }, 30s));
  rig_->disk().Hold();
  Copies copies{0, 0, {}};
  for (std::uint64_t i = 0; i <= file::kMaxDeltaCopies; ++i) {
    copies.parts.push_back({i, 1, kSize - 1 - i});
    if (copies.parts.size() == 2000 || i == file::kMaxDeltaCopies) {
      ASSERT_TRUE(rig_->RunUntil(
          [&] { return rig_->raw().ControlRoom() > 15'000; }, 30s));
      rig_->Say(copies);
      copies.parts.clear();
    }
  }
  ExpectViolation();
  // Gaps between them.
  Offer();
  for (std::uint64_t i = 0; i < 10'000; ++i) {
    copies.parts.push_back({2 * i, 1, 0});
    if (copies.parts.size() == 2000) {
      ASSERT_TRUE(rig_->RunUntil(
          [&] { return rig_->raw().ControlRoom() > 15'000; }, 30s));
      rig_->Say(copies);
      copies.parts.clear();
    }
  }
  ExpectViolation();
}

TEST_F(HostileCopies, SignaturesAreToldOnce) {
  Offer();
  rig_->Say(Copies{0, kMaxVarint, {}});
  rig_->Say(Copies{0, 3, {}});
  EXPECT_FALSE(rig_->RunUntil([&] { return SignaturesHeard() > 512; }, 5s));
  EXPECT_EQ(SignaturesHeard(), 512u);
}

TEST_F(HostileCopies, FromTheWrongPlaceAreFoundByTheDigest) {
  Offer();
  rig_->Say(Copies{0, 0, {{0, kSize, 0}}});
  rig_->Say(message::Digests{{{0, DigestOf("something else")}}});
  EXPECT_NE(rig_->Hear<message::CheckBlocks>(), nullptr);
  EXPECT_TRUE(rig_->folder.Read("film") == RandomText(kSize, 1));
}

// --- Against a sender ---

class HostileSignatures : public testing::Test {
 protected:
  // A sender of a large file, a small one, a folder and another large file.
  void Offer() {
    rig_ = std::make_unique<Rig>(false);
    std::filesystem::create_directory(in_ / "folder");
    rig_->StartSender({in_.Write("film", RandomText(kSize, 1)),
                       in_.Write("small", "small"), in_ / "folder",
                       in_.Write("later", RandomText(kSize, 2))});
    rig_->Say(message::Hello{kVersion, kVersion, true});
    ASSERT_NE(rig_->Hear<message::End>(), nullptr);
    rig_->Say(message::Accept{});
  }
  void Decide(file::Verdict verdict = file::Verdict::kWant) {
    rig_->Say(message::Decisions{0, {{1, verdict}}});
  }
  void ExpectViolation() {
    ASSERT_TRUE(rig_->Run());
    ASSERT_TRUE(rig_->failed.has_value());
    EXPECT_EQ(rig_->failed->code, ErrorCode::kMalformed);
  }

  file::TestFolder in_;
  std::unique_ptr<Rig> rig_;
};

TEST_F(HostileSignatures, OlderVersionsThatCantBeAreViolations) {
  const std::vector<Signatures> cases = {
      {0, 0, 0, 0, {}},
      {0, kMiB - 1, 0, 0, {}},
      {0, std::uint64_t{1} << 48, 0, 0, {}},
      {0, kMaxVarint, 0, 0, {}},
      {0, kSize, 1, 0, {}},
      {0, kSize, 0, 1, {}},
      {0, kSize, 0, 0, {{}}},
      {1, kSize, 0, 0, {}},  // Too small.
      {2, kSize, 0, 0, {}},  // A folder.
      {4, kSize, 0, 0, {}},
      {kMaxVarint, kSize, 0, 0, {}},
  };
  for (const Signatures& signatures : cases) {
    SCOPED_TRACE(Hex(message::Serialize(signatures)));
    Offer();
    rig_->Say(signatures);
    ExpectViolation();
  }
  Offer();
  rig_->Say(cases[4]);
  ExpectViolation();
  // Twice; too late; of what is settled.
  Offer();
  rig_->Say(Signatures{0, kSize, 0, 0, {}});
  rig_->Say(Signatures{0, kSize, 0, 0, {}});
  ExpectViolation();
  Offer();
  Decide();
  rig_->Say(Signatures{0, kSize, 0, 0, {}});
  ExpectViolation();
  Offer();
  Decide(file::Verdict::kKeepBack);
  rig_->Say(Signatures{0, kSize, 0, 0, {}});
  ExpectViolation();
}

TEST_F(HostileSignatures, ThatWereNotAskedForAreViolations) {
  constexpr std::uint64_t kBase = std::uint64_t{1} << 40;
  const std::vector<file::BlockSignature> one(1);
  const std::vector<file::BlockSignature> first(file::kFirstSignatures);
  const std::vector<std::vector<Signatures>> cases = {
      {{0, kBase, 0, 1, one}},                    // Out of order.
      {{0, kBase - 1, 0, 0, one}},                // Of another version.
      {{0, kBase, 1, 0, one}},                    // No copies were told.
      {{0, 0, 0, 0, {}}, {0, kBase, 0, 0, one}},  // After the end.
      {{3, kBase, 0, 0, first}, {3, kBase, 0, 1024, one}},  // Too many.
  };
  for (std::size_t i = 0; i < cases.size(); ++i) {
    SCOPED_TRACE(i);
    Offer();
    rig_->Say(Signatures{0, kBase, 0, 0, {}});
    rig_->Say(Signatures{3, kBase, 0, 0, {}});
    rig_->Say(message::Decisions{0, {{4, file::Verdict::kWant}}});
    for (const Signatures& signatures : cases[i]) rig_->Say(signatures);
    ExpectViolation();
  }
}

// Nothing of the file is in any of these: all of it travels.
TEST_F(HostileSignatures, OfNothingThatIsThereCostNothing) {
  Offer();
  rig_->Say(Signatures{0, kSize, 0, 0, {}});
  Decide();
  rig_->Say(
      Signatures{0, kSize, 0, 0,
                 std::vector<file::BlockSignature>(file::DeltaBlocks(kSize))});
  ASSERT_NE(rig_->Hear<message::Digests>(), nullptr);
  EXPECT_TRUE(rig_->RunUntil(
      [&] { return rig_->raw().stats().data_bytes_received == kSize; }, 30s));
}

// More than may wait for the pass to come to their files.
TEST_F(HostileSignatures, ForManyFilesAtOnceAreBounded) {
  constexpr std::uint64_t kFiles = 70;
  rig_ = std::make_unique<Rig>(false);
  std::vector<std::string> paths;
  const std::string content = RandomText(kMiB, 1);
  for (std::uint64_t i = 0; i < kFiles; ++i) {
    paths.push_back(in_.Write("f" + std::to_string(i), content));
  }
  rig_->StartSender(paths);
  rig_->Say(message::Hello{kVersion, kVersion, true});
  ASSERT_NE(rig_->Hear<message::End>(), nullptr);
  rig_->Say(message::Accept{});
  for (std::uint64_t i = 0; i < kFiles; ++i) {
    rig_->Say(Signatures{i, std::uint64_t{1} << 30, 0, 0, {}});
  }
  rig_->Say(message::Decisions{0, {{kFiles, file::Verdict::kWant}}});
  std::uint64_t told = 0;
  const std::vector<file::BlockSignature> signatures(1024);
  ASSERT_TRUE(rig_->RunUntil(
      [&] {
        if (told < kFiles && rig_->raw().ControlRoom() > 15'000) {
          rig_->Say(
              Signatures{told++, std::uint64_t{1} << 30, 0, 0, signatures});
        }
        return rig_->failed.has_value();
      },
      30s));
  EXPECT_EQ(rig_->failed->code, ErrorCode::kMalformed);
  EXPECT_GT(told, 64u);
}

}  // namespace
}  // namespace p2pcp

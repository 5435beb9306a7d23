// Receipts as a whole: what a receiver signs is what a sender has written and
// what a reader takes, and nothing else.

#include "transfer/session/receipt.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cmd/receipt/receipt_check.h"
#include "cmd/receipt/receipt_file.h"
#include "cmd/receipt/receipt_reader.h"
#include "cmd/receipt/receipt_signer.h"
#include "cmd/receipt/receipt_text.h"
#include "gtest/gtest.h"
#include "net/base/bytes.h"
#include "net/base/random.h"
#include "net/base/result.h"
#include "net/base/time.h"
#include "net/crypto/hash.h"
#include "net/crypto/identity.h"
#include "net/udp/file_descriptor.h"
#include "transfer/file/strong_hash.h"

namespace p2pcp::cmd {
namespace {

constexpr char kGolden[] = "testdata/receipt/two_files.receipt";

// 00 01 02 ..., on and on.
class CountingRandom final : public Random {
 public:
  explicit CountingRandom(std::uint8_t next) : next_(next) {}
  void Fill(MutableByteSpan out) override {
    for (std::byte& byte : out) byte = std::byte{next_++};
  }

 private:
  std::uint8_t next_;
};

crypto::Identity IdentityFrom(std::uint8_t first) {
  CountingRandom random(first);
  return crypto::Identity::Generate(random);
}

std::string ReadFile(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void WriteFile(const std::filesystem::path& path, std::string_view text) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << text;
}

file::StrongDigest DigestOf(std::string_view text) {
  const auto hasher = NewBlake2bHasher();
  hasher->Update(AsBytes(text));
  return hasher->Finish();
}

Result<ReceiptFacts> ReadText(std::string_view text, std::size_t step = 7) {
  ReceiptReader reader{ReceiptReader::OnEntry()};
  for (std::size_t at = 0; at < text.size(); at += step) {
    Status taken = reader.Take(AsBytes(text.substr(at, step)));
    if (!taken) return taken.error();
  }
  return reader.Finish();
}

class ReceiptTest : public testing::Test {
 protected:
  ReceiptTest() {
    std::string name = testing::TempDir() + "/receipt-XXXXXX";
    EXPECT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  ~ReceiptTest() override { std::filesystem::remove_all(folder_); }

  ReceiptSigner SignerOf(const crypto::Identity& self) {
    return ReceiptSigner(&self, [this] {
      return ReceiptSigner::Circumstances{
          alice_.public_key(), UnixTime(std::chrono::seconds(1'700'000'000)),
          false, true};
    });
  }

  // What both sides do.
  static void Tell(ReceiptLines& lines) {
    lines.AddFolder("photos");
    lines.AddFile("photos/a.jpg", 5, DigestOf("hello"));
    lines.AddFile("b \xff", 0, DigestOf(""));
  }

  std::unique_ptr<ReceiptFile> NewFile(const std::string& name) {
    Result<std::unique_ptr<ReceiptFile>> file =
        ReceiptFile::Create(folder_ / name, &random_);
    EXPECT_TRUE(file.ok()) << file.error().message;
    return *std::move(file);
  }

  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
      names.push_back(entry.path().filename());
    }
    return names;
  }

  const crypto::Identity alice_ = IdentityFrom(0x00);
  const crypto::Identity bob_ = IdentityFrom(0x20);
  CountingRandom random_{0x40};
  std::filesystem::path folder_;
};

TEST_F(ReceiptTest, WhatBothSidesToldIsTheGoldenReceipt) {
  auto file = NewFile("r");
  ReceiptSigner signer = SignerOf(bob_);
  signer.Begin(file->Begin());
  Tell(*file);
  Tell(signer);
  EXPECT_FALSE(file->ended());
  EXPECT_FALSE(signer.signed_one());
  file->End(1, signer.End(1));
  EXPECT_TRUE(signer.signed_one());
  const Status concluded =
      file->Conclude(bob_.public_key(), {alice_.public_key()});
  ASSERT_TRUE(concluded.ok()) << concluded.error().message;
  file.reset();
  EXPECT_EQ(Names(), std::vector<std::string>{"r"});
  EXPECT_EQ(ReadFile(folder_ / "r"), ReadFile(kGolden));
}

TEST_F(ReceiptTest, TheGoldenReceiptIsRead) {
  std::vector<std::string> paths;
  ReceiptReader reader([&](const ReceiptEntry& entry) {
    paths.emplace_back(entry.path);
    if (entry.path == "photos/a.jpg") {
      EXPECT_EQ(entry.size, 5u);
      EXPECT_EQ(entry.digest, DigestOf("hello"));
    }
    EXPECT_EQ(entry.is_folder, entry.path == "photos");
  });
  ASSERT_TRUE(reader.Take(AsBytes(ReadFile(kGolden))).ok());
  const Result<ReceiptFacts> facts = reader.Finish();
  ASSERT_TRUE(facts.ok()) << facts.error().message;
  EXPECT_EQ(paths,
            (std::vector<std::string>{"photos", "photos/a.jpg", "b \xff"}));
  EXPECT_EQ(facts->totals, (ReceiptTotals{2, 1, 5, 1}));
  EXPECT_EQ(facts->from, alice_.public_key());
  EXPECT_EQ(facts->to, bob_.public_key());
  EXPECT_EQ(facts->time, "2023-11-14T22:13:20Z");
  EXPECT_FALSE(facts->relayed);
  EXPECT_TRUE(facts->v6);
}

TEST_F(ReceiptTest, NoByteOfItCanBeChangedAddedOrLeftOut) {
  const std::string golden = ReadFile(kGolden);
  ASSERT_TRUE(ReadText(golden).ok());
  for (std::size_t i = 0; i < golden.size(); ++i) {
    EXPECT_FALSE(ReadText(golden.substr(0, i)).ok()) << i;
    for (const int bit : {0x01, 0x02, 0x20}) {
      std::string changed = golden;
      changed[i] = static_cast<char>(changed[i] ^ bit);
      EXPECT_FALSE(ReadText(changed).ok()) << i;
    }
    std::string longer = golden;
    longer.insert(i, 1, golden[i]);
    EXPECT_FALSE(ReadText(longer).ok()) << i;
  }
  EXPECT_FALSE(ReadText(golden + "\n").ok());
  EXPECT_FALSE(ReadText(golden + golden).ok());
}

TEST_F(ReceiptTest, ASignatureByAnotherKeyIsWrong) {
  const std::string golden = ReadFile(kGolden);
  const crypto::Identity mallory = IdentityFrom(0x60);
  const std::size_t end = golden.find("signature ");
  crypto::RunningHash hash;
  hash.Update(AsBytes(golden.substr(0, end)));
  const auto with = [&](const crypto::Identity& signer) {
    return golden.substr(0, end) +
           SignatureLine(signer.Sign(SignedText(hash.Finish())));
  };
  EXPECT_TRUE(ReadText(with(bob_)).ok());
  const Result<ReceiptFacts> forged = ReadText(with(mallory));
  ASSERT_FALSE(forged.ok());
  EXPECT_EQ(forged.error().code, ErrorCode::kAuthenticationFailed);
}

// Each is signed well, so that nothing but its form is wrong.
TEST_F(ReceiptTest, WhatHasNotItsFormIsRefusedThoughItIsSigned) {
  const auto made = [&](const std::string& lines, const std::string& totals) {
    std::string text = BeginLines({}) + lines + "end " + totals + "\nfrom " +
                       alice_.public_key().ToString() + "\nto " +
                       bob_.public_key().ToString() +
                       "\ntime 2026-01-01T00:00:00Z\npath relayed udp4\n";
    crypto::RunningHash hash;
    hash.Update(AsBytes(text));
    return text + SignatureLine(bob_.Sign(SignedText(hash.Finish())));
  };
  const std::string digest = Hex(DigestOf(""));
  const std::string good = "file 0 " + digest + " a\n";
  ASSERT_TRUE(ReadText(made(good, "1 0 0 0")).ok());
  ASSERT_TRUE(ReadText(made("", "0 0 0 0")).ok());
  for (const char* totals :
       {"0 0 0 0", "1 1 0 0", "1 0 1 0", "1 0 0", "1 0 0 0 ", "1 0 0 0 0",
        "01 0 0 0", "1 0 0 -1", "1 0 0 18446744073709551616", " 1 0 0 0"}) {
    EXPECT_FALSE(ReadText(made(good, totals)).ok()) << totals;
  }
  for (const std::string& path :
       {std::string(), std::string("."), std::string(".."), std::string("../a"),
        std::string("/a"), std::string("a/"), std::string("a//b"),
        std::string("a\tb"), std::string(256, 'a'),
        std::string(2049, 'a').append(4096, '/')}) {
    EXPECT_FALSE(ReadText(made("folder " + path + "\n", "0 1 0 0")).ok())
        << path;
  }
  for (const std::string& line :
       {"file 00 " + digest + " a", "file 0  " + digest + " a",
        "file " + digest + " a", "file 0 " + digest.substr(1) + " a",
        "file 0 " + digest + "0 a", "File 0 " + digest + " a",
        std::string("folder"), std::string()}) {
    EXPECT_FALSE(ReadText(made(line + "\n", "1 0 0 0")).ok()) << line;
  }
  const std::string huge = "file 18446744073709551615 " + digest + " a\n";
  EXPECT_TRUE(ReadText(made(huge, "1 0 18446744073709551615 0")).ok());
  EXPECT_FALSE(
      ReadText(made(huge + "file 1 " + digest + " b\n", "2 0 0 0")).ok());
}

TEST_F(ReceiptTest, AnotherVersionIsSaidToBeOne) {
  const Result<ReceiptFacts> facts = ReadText("p2pcp receipt 2\nid 00\n");
  ASSERT_FALSE(facts.ok());
  EXPECT_EQ(facts.error().code, ErrorCode::kVersionMismatch);
}

TEST_F(ReceiptTest, ALineWithoutAnEndTakesNoMemory) {
  ReceiptReader reader{ReceiptReader::OnEntry()};
  const Bytes piece(ReceiptReader::kMaxLine, std::byte{'a'});
  ASSERT_TRUE(reader.Take(piece).ok());
  EXPECT_FALSE(reader.Take(piece).ok());
}

TEST_F(ReceiptTest, WhatTheReceiverSignsMustBeWhatTheSenderHasWritten) {
  struct Case {
    const char* name;
    std::function<void(ReceiptSigner&)> tell;
    std::uint64_t missing;
    const crypto::Identity* signer;
  };
  const crypto::Identity mallory = IdentityFrom(0x60);
  const std::vector<Case> cases = {
      {"a line less", [](ReceiptSigner& s) { s.AddFolder("photos"); }, 1,
       &bob_},
      {"another count", [](ReceiptSigner& s) { Tell(s); }, 0, &bob_},
      {"another key", [](ReceiptSigner& s) { Tell(s); }, 1, &mallory}};
  for (const Case& c : cases) {
    auto file = NewFile("r");
    ReceiptSigner signer = SignerOf(*c.signer);
    signer.Begin(file->Begin());
    Tell(*file);
    c.tell(signer);
    file->End(1, signer.End(c.missing));
    const Status concluded =
        file->Conclude(bob_.public_key(), {alice_.public_key()});
    ASSERT_FALSE(concluded.ok()) << c.name;
    EXPECT_EQ(concluded.error().code, ErrorCode::kAuthenticationFailed);
    file.reset();
    EXPECT_TRUE(Names().empty()) << c.name;
  }
}

TEST_F(ReceiptTest, ASecondSessionBeginsTheReceiptAnew) {
  auto file = NewFile("r");
  file->Begin();
  for (int i = 0; i < 2000; ++i) file->AddFolder("photos");
  ReceiptSigner signer = SignerOf(bob_);
  signer.AddFolder("before");
  signer.Begin(file->Begin());
  Tell(*file);
  Tell(signer);
  file->End(0, signer.End(0));
  ASSERT_TRUE(file->Conclude(bob_.public_key(), {alice_.public_key()}).ok());
  EXPECT_TRUE(ReadText(ReadFile(folder_ / "r")).ok());
}

TEST_F(ReceiptTest, AnExistingFileIsNeverReplaced) {
  WriteFile(folder_ / "r", "mine");
  EXPECT_FALSE(ReceiptFile::Create(folder_ / "r", &random_).ok());
  std::filesystem::remove(folder_ / "r");
  auto file = NewFile("r");
  ReceiptSigner signer = SignerOf(bob_);
  signer.Begin(file->Begin());
  file->End(0, signer.End(0));
  WriteFile(folder_ / "r", "mine");
  const Status concluded =
      file->Conclude(bob_.public_key(), {alice_.public_key()});
  ASSERT_FALSE(concluded.ok());
  EXPECT_EQ(concluded.error().code, ErrorCode::kCannotWrite);
  file.reset();
  EXPECT_EQ(ReadFile(folder_ / "r"), "mine");
  EXPECT_EQ(Names(), std::vector<std::string>{"r"});
}

TEST_F(ReceiptTest, FindsWhatIsMissingAndWhatHasChanged) {
  WriteFile(folder_ / "a/b", "hello");
  const udp::FileDescriptor fd(open(folder_.c_str(), O_RDONLY | O_DIRECTORY));
  using Finding = ReceiptCheck::Finding;
  ReceiptCheck check(fd.get());
  const auto file = [&](std::string_view path, std::string_view content) {
    return check.Look({path, false, content.size(), DigestOf(content)});
  };
  const auto folder = [&](std::string_view path) {
    return check.Look({path, true, 0, {}});
  };
  EXPECT_EQ(file("a/b", "hello"), Finding::kSame);
  EXPECT_EQ(folder("a"), Finding::kSame);
  EXPECT_EQ(file("a/b", "hellO"), Finding::kChanged);
  EXPECT_EQ(file("a/b", "hello!"), Finding::kChanged);
  EXPECT_EQ(file("a/c", "hello"), Finding::kMissing);
  EXPECT_EQ(file("a/b/c", "hello"), Finding::kMissing);
  EXPECT_EQ(file("a", "hello"), Finding::kMissing);
  EXPECT_EQ(folder("a/b"), Finding::kMissing);
  EXPECT_EQ(folder("c"), Finding::kMissing);
  ASSERT_EQ(mkfifo((folder_ / "fifo").c_str(), 0600), 0);
  EXPECT_EQ(file("fifo", ""), Finding::kMissing);
  if (geteuid() != 0) {
    std::filesystem::permissions(folder_ / "a/b", std::filesystem::perms::none);
    EXPECT_EQ(file("a/b", "hello"), Finding::kUnreadable);
  }
}

TEST(ReceiptText, TimesAreThoseOfTheCalendar) {
  const auto text = [](std::int64_t seconds) {
    return TimeText(UnixTime(std::chrono::seconds(seconds)));
  };
  EXPECT_EQ(text(0), "1970-01-01T00:00:00Z");
  EXPECT_EQ(text(951'782'399), "2000-02-28T23:59:59Z");
  EXPECT_EQ(text(951'782'400), "2000-02-29T00:00:00Z");
  EXPECT_EQ(text(4'102'444'799), "2099-12-31T23:59:59Z");
}

}  // namespace
}  // namespace p2pcp::cmd

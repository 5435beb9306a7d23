#include "net/crypto/identity.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "net/crypto/test_folder.h"
#include "net/crypto/test_vectors.h"

namespace p2pcp::crypto {
namespace {

// Gives the seed of a vector to Identity::Generate.
class SeedRandom final : public Random {
 public:
  explicit SeedRandom(Bytes seed) : seed_(std::move(seed)) {}
  void Fill(MutableByteSpan out) override {
    ASSERT_EQ(out.size(), seed_.size());
    CopyBytes(seed_, out);
  }

 private:
  Bytes seed_;
};

// RFC 8032 section 7.1.
TEST(Identity, KeysAndSignaturesMatchRfc8032) {
  for (const TestVector& vector :
       ReadTestVectors("testdata/ed25519/rfc8032.txt")) {
    SeedRandom random(vector.Get("seed"));
    const Identity identity = Identity::Generate(random);
    EXPECT_EQ(Hex(identity.public_key().bytes()), vector.Text("public"));
    const Signature signature = identity.Sign(vector.Get("message"));
    EXPECT_EQ(Hex(signature), vector.Text("signature"));
    EXPECT_TRUE(
        Verify(identity.public_key(), vector.Get("message"), signature));
  }
}

TEST(Identity, X25519KeyMatchesTheVectorOfLibsodium) {
  const TestVector vector =
      ReadTestVectors("testdata/ed25519/to_x25519.txt")[0];
  SeedRandom random(vector.Get("seed"));
  const Identity identity = Identity::Generate(random);
  EXPECT_EQ(Hex(identity.public_key().bytes()), vector.Text("public"));
  EXPECT_EQ(identity.x25519().secret, Key(vector.Get("x25519_private")));
  EXPECT_EQ(Hex(identity.x25519().point), vector.Text("x25519_public"));
  EXPECT_EQ(identity.public_key().x25519(), identity.x25519().point)
      << "what others compute from the public key alone";
}

TEST(Identity, SurvivesAMove) {
  SeededRandom random(1);
  Identity first = Identity::Generate(random);
  const PublicKey key = first.public_key();
  const Identity second = std::move(first);
  EXPECT_EQ(second.public_key(), key);
  EXPECT_TRUE(Verify(key, AsBytes("x"), second.Sign(AsBytes("x"))));
}

TEST(Identity, IsTheSameAfterSaveAndLoad) {
  TestFolder folder;
  SeededRandom random(2);
  const Identity identity = Identity::Generate(random);
  ASSERT_TRUE(identity.Save(folder / "home/identity").ok());
  EXPECT_EQ(ModeOf(folder / "home/identity"), 0600u);
  const Result<Identity> loaded = Identity::Load(folder / "home/identity");
  ASSERT_TRUE(loaded.ok());
  EXPECT_EQ(loaded->public_key(), identity.public_key());
  EXPECT_EQ(loaded->Sign(AsBytes("x")), identity.Sign(AsBytes("x")));
  EXPECT_EQ(loaded->x25519().secret, identity.x25519().secret);
}

// An identity that is lost is lost for ever.
TEST(Identity, SaveNeverReplacesAFile) {
  TestFolder folder;
  SeededRandom random(3);
  ASSERT_TRUE(Identity::Generate(random).Save(folder / "identity").ok());
  const std::string before = ReadText(folder / "identity");
  const Status saved = Identity::Generate(random).Save(folder / "identity");
  ASSERT_FALSE(saved.ok());
  EXPECT_EQ(saved.error().os_errno, EEXIST);
  EXPECT_EQ(ReadText(folder / "identity"), before);
}

TEST(Identity, LoadOfAnAbsentFileTellsByErrno) {
  TestFolder folder;
  EXPECT_EQ(Identity::Load(folder / "identity").error().os_errno, ENOENT);
}

TEST(Identity, LoadRefusesWrongModesAndNamesTheChmod) {
  TestFolder folder;
  SeededRandom random(4);
  ASSERT_TRUE(Identity::Generate(random).Save(folder / "identity").ok());
  ASSERT_EQ(chmod((folder / "identity").c_str(), 0644), 0);
  const Result<Identity> loaded = Identity::Load(folder / "identity");
  ASSERT_FALSE(loaded.ok());
  EXPECT_NE(loaded.error().message.find("chmod 600 "), std::string::npos);
}

TEST(Identity, EveryTruncationOfTheFileIsRefused) {
  TestFolder folder;
  SeededRandom random(5);
  ASSERT_TRUE(Identity::Generate(random).Save(folder / "identity").ok());
  const std::string text = ReadText(folder / "identity");
  for (std::size_t size = 0; size < text.size(); ++size) {
    WriteText(folder / "identity", text.substr(0, size));
    const Result<Identity> loaded = Identity::Load(folder / "identity");
    ASSERT_FALSE(loaded.ok()) << size;
    EXPECT_EQ(loaded.error().code, ErrorCode::kMalformed);
    EXPECT_EQ(loaded.error().message.find(text.substr(18, 52)),
              std::string::npos)
        << "the seed must not be shown";
  }
}

TEST(Identity, OneChangedCharacterOfTheFileIsNoticed) {
  TestFolder folder;
  SeededRandom random(6);
  ASSERT_TRUE(Identity::Generate(random).Save(folder / "identity").ok());
  const std::string text = ReadText(folder / "identity");
  for (std::size_t i = 0; i + 1 < text.size(); ++i) {
    std::string changed = text;
    changed[i] = changed[i] == 'a' ? 'b' : 'a';
    WriteText(folder / "identity", changed);
    EXPECT_FALSE(Identity::Load(folder / "identity").ok()) << i;
  }
}

TEST(Identity, LoadOrGenerateMakesOneAndKeepsIt) {
  TestFolder folder;
  SeededRandom random(7);
  const auto file = folder / "home/identity";
  const Result<Identity> first = Identity::LoadOrGenerate(file, random);
  ASSERT_TRUE(first.ok());
  const Result<Identity> second = Identity::LoadOrGenerate(file, random);
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(first->public_key(), second->public_key());
}

TEST(Identity, LoadOrGenerateDoesNotReplaceWhatItCannotRead) {
  TestFolder folder;
  SeededRandom random(8);
  WriteText(folder / "identity", "damaged");
  EXPECT_FALSE(Identity::LoadOrGenerate(folder / "identity", random).ok());
  EXPECT_EQ(ReadText(folder / "identity"), "damaged");
}

TEST(Identity, ProcessesThatGenerateAtOnceEndWithTheSame) {
  TestFolder folder;
  std::mutex mutex;
  std::set<std::string> keys;
  std::vector<std::thread> threads;
  for (std::uint64_t i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] {
      SeededRandom random(100 + i);
      const Result<Identity> identity =
          Identity::LoadOrGenerate(folder / "home/identity", random);
      ASSERT_TRUE(identity.ok()) << identity.error().message;
      const std::lock_guard lock(mutex);
      keys.insert(identity->public_key().ToString());
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(keys.size(), 1u);
}

// The kernel's flags of the mapping that holds this address: "dd" is
// MADV_DONTDUMP.
std::string MappingFlags(const void* address) {
  std::ifstream maps("/proc/self/smaps");
  const auto wanted = reinterpret_cast<std::uintptr_t>(address);
  bool found = false;
  for (std::string line; std::getline(maps, line);) {
    unsigned long begin = 0;
    unsigned long end = 0;
    if (std::sscanf(line.c_str(), "%lx-%lx ", &begin, &end) == 2) {
      found = wanted >= begin && wanted < end;
    } else if (found && line.starts_with("VmFlags:")) {
      return line + ' ';
    }
  }
  return "";
}

TEST(Identity, ItsSecretsAreKeptOutOfCoreDumps) {
  SeededRandom random(1);
  const Identity identity = Identity::Generate(random);
  const std::string flags = MappingFlags(&identity.x25519().secret);
  EXPECT_NE(flags.find(" dd "), std::string::npos) << flags;
  const int on_the_heap_of_tests = 0;
  EXPECT_EQ(MappingFlags(&on_the_heap_of_tests).find(" dd "),
            std::string::npos);
}

}  // namespace
}  // namespace p2pcp::crypto

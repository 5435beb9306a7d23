#include "net/crypto/private_file.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "net/crypto/test_folder.h"

namespace p2pcp::crypto {
namespace {

using testing::Test;

Status Write(const std::filesystem::path& file, std::string_view text,
             IfExists if_exists = IfExists::kReplace) {
  return WritePrivateFile(file, AsBytes(text), if_exists);
}

// Lets no file of this process grow above a size, as a full disk would.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    signal(SIGXFSZ, SIG_IGN);  // write() then fails with EFBIG.
    P2PCP_CHECK(getrlimit(RLIMIT_FSIZE, &before_) == 0);
    rlimit limit = before_;
    limit.rlim_cur = bytes;
    P2PCP_CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
  }
  ~FileSizeLimit() { setrlimit(RLIMIT_FSIZE, &before_); }

 private:
  rlimit before_;
};

TEST(PrivateFile, RoundTripsWithModes0600In0700) {
  TestFolder folder;
  const auto file = folder / "a/b/secret";
  const mode_t mask = umask(0);  // The modes are ours, not the umask's.
  ASSERT_TRUE(Write(file, "content").ok());
  umask(mask);
  EXPECT_EQ(ModeOf(file), 0600u);
  EXPECT_EQ(ModeOf(folder / "a"), 0700u);
  EXPECT_EQ(ModeOf(folder / "a/b"), 0700u);
  const Result<Bytes> content = ReadPrivateFile(file, 7);
  ASSERT_TRUE(content.ok());
  EXPECT_EQ(AsText(*content), "content");
}

TEST(PrivateFile, InAFolderOfTheUsersOnlyTheFileItselfMustBePrivate) {
  TestFolder folder;
  const auto file = folder / "password";
  WriteText(file, "content");
  ASSERT_EQ(chmod(folder.path().c_str(), 0755), 0);
  ASSERT_EQ(symlink(file.c_str(), (folder / "link").c_str()), 0);
  EXPECT_FALSE(ReadPrivateFile(file, 10).ok());
  EXPECT_TRUE(ReadPrivateFile(file, 10, FolderRule::kAny).ok());
  EXPECT_TRUE(ReadPrivateFile(folder / "link", 10, FolderRule::kAny).ok());
  ASSERT_EQ(chmod(file.c_str(), 0640), 0);
  const auto refused = ReadPrivateFile(file, 10, FolderRule::kAny);
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.error().message.find("chmod 600 '" + file.native() + "'"),
            std::string::npos);
}

TEST(PrivateFile, AbsentFileIsToldByErrno) {
  TestFolder folder;
  EXPECT_EQ(ReadPrivateFile(folder / "x", 10).error().os_errno, ENOENT);
  EXPECT_EQ(ReadPrivateFile(folder / "no/x", 10).error().os_errno, ENOENT);
}

TEST(PrivateFile, ReplacesOrRefusesAnExistingFile) {
  TestFolder folder;
  const auto file = folder / "secret";
  ASSERT_TRUE(Write(file, "old").ok());
  const Status refused = Write(file, "new", IfExists::kFail);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().os_errno, EEXIST);
  EXPECT_EQ(ReadText(file), "old");
  ASSERT_TRUE(Write(file, "new").ok());
  EXPECT_EQ(ReadText(file), "new");
  EXPECT_EQ(folder.List(), std::vector<std::string>{"secret"});
}

TEST(PrivateFile, TooLargeIsRefused) {
  TestFolder folder;
  ASSERT_TRUE(Write(folder / "secret", "12345678").ok());
  EXPECT_TRUE(ReadPrivateFile(folder / "secret", 8).ok());
  EXPECT_EQ(ReadPrivateFile(folder / "secret", 7).error().code,
            ErrorCode::kMalformed);
}

TEST(PrivateFile, FileThatOthersMayUseIsRefusedWithTheChmodThatMendsIt) {
  TestFolder folder;
  const auto file = folder / "secret";
  ASSERT_TRUE(Write(file, "content").ok());
  for (const mode_t mode : {0640u, 0604u, 0660u, 0602u, 0777u, 0601u}) {
    ASSERT_EQ(chmod(file.c_str(), mode), 0);
    const Result<Bytes> content = ReadPrivateFile(file, 10);
    ASSERT_FALSE(content.ok()) << mode;
    EXPECT_NE(content.error().message.find("chmod 600 '" + file.native() + "'"),
              std::string::npos)
        << content.error().message;
  }
  ASSERT_EQ(chmod(file.c_str(), 0400), 0);
  EXPECT_TRUE(ReadPrivateFile(file, 10).ok()) << "stricter is fine";
}

TEST(PrivateFile, FolderThatOthersMayUseIsRefusedWithTheChmodThatMendsIt) {
  TestFolder folder;
  const auto file = folder / "secret";
  ASSERT_TRUE(Write(file, "content").ok());
  ASSERT_EQ(chmod(folder.path().c_str(), 0755), 0);
  const std::string mend = "chmod 700 '" + folder.path().native() + "'";
  const Result<Bytes> content = ReadPrivateFile(file, 10);
  ASSERT_FALSE(content.ok());
  EXPECT_NE(content.error().message.find(mend), std::string::npos);
  const Status written = Write(file, "new");
  ASSERT_FALSE(written.ok());
  EXPECT_NE(written.error().message.find(mend), std::string::npos);
  EXPECT_EQ(ReadText(file), "content");
}

TEST(PrivateFile, TheCommandSurvivesQuotesInThePath) {
  TestFolder folder;
  const auto file = folder / "it's";
  ASSERT_TRUE(Write(file, "content").ok());
  ASSERT_EQ(chmod(file.c_str(), 0644), 0);
  const Result<Bytes> content = ReadPrivateFile(file, 10);
  ASSERT_FALSE(content.ok());
  EXPECT_NE(content.error().message.find("it'\\''s'"), std::string::npos);
}

TEST(PrivateFile, FileOfAnotherUserIsRefused) {
  TestFolder folder;
  auto file = folder / "secret";
  ASSERT_TRUE(Write(file, "content").ok());
  if (geteuid() != 0) {
    file = "/etc/passwd";  // Root's.
  } else if (chown(file.c_str(), 65534, 65534) != 0) {
    return;  // A user namespace with one user: there is no other.
  }
  const Result<Bytes> content = ReadPrivateFile(file, 1 << 20);
  ASSERT_FALSE(content.ok());
  EXPECT_NE(content.error().message.find("chown"), std::string::npos);
}

TEST(PrivateFile, LinksFoldersAndPipesAreRefused) {
  TestFolder folder;
  ASSERT_TRUE(Write(folder / "secret", "content").ok());
  ASSERT_EQ(symlink("secret", (folder / "link").c_str()), 0);
  EXPECT_FALSE(ReadPrivateFile(folder / "link", 10).ok());
  ASSERT_EQ(mkdir((folder / "folder").c_str(), 0700), 0);
  EXPECT_FALSE(ReadPrivateFile(folder / "folder", 10).ok());
  ASSERT_EQ(mkfifo((folder / "pipe").c_str(), 0600), 0);
  EXPECT_FALSE(ReadPrivateFile(folder / "pipe", 10).ok()) << "and no hanging";
}

// A planted link must not lead the content elsewhere.
TEST(PrivateFile, WritingReplacesALinkAndNotWhatItPointsTo) {
  TestFolder folder;
  WriteText(folder / "victim", "precious");
  ASSERT_EQ(symlink("victim", (folder / "secret").c_str()), 0);
  EXPECT_FALSE(Write(folder / "secret", "content", IfExists::kFail).ok());
  ASSERT_TRUE(Write(folder / "secret", "content").ok());
  EXPECT_EQ(ReadText(folder / "victim"), "precious");
  EXPECT_EQ(ReadText(folder / "secret"), "content");
}

TEST(PrivateFile, WriteThatFailsHalfWayLeavesTheOldFileAndNothingElse) {
  TestFolder folder;
  const auto file = folder / "secret";
  ASSERT_TRUE(Write(file, "the old content").ok());
  {
    const FileSizeLimit full(100);
    const Status written = Write(file, std::string(5000, 'x'));
    ASSERT_FALSE(written.ok());
    EXPECT_EQ(written.error().code, ErrorCode::kCannotWrite);
    EXPECT_EQ(written.error().os_errno, EFBIG);
  }
  EXPECT_EQ(ReadText(file), "the old content");
  EXPECT_EQ(folder.List(), std::vector<std::string>{"secret"});
}

TEST(PrivateFile, FolderThatCannotBeMadeIsToldSo) {
  TestFolder folder;
  WriteText(folder / "file", "");
  const Status written = Write(folder / "file/sub/secret", "content");
  ASSERT_FALSE(written.ok());
  EXPECT_EQ(written.error().code, ErrorCode::kCannotWrite);
  EXPECT_EQ(written.error().os_errno, ENOTDIR);
}

TEST(FileLock, KeepsOthersOutUntilItGoes) {
  TestFolder folder;
  int counter = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < 50; ++j) {
        const Result<FileLock> lock = FileLock::Acquire(folder / "peers");
        ASSERT_TRUE(lock.ok());
        const int before = counter;
        std::this_thread::yield();
        counter = before + 1;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(counter, 200);
  EXPECT_EQ(ModeOf(folder / "peers.lock"), 0600u);
}

}  // namespace
}  // namespace p2pcp::crypto

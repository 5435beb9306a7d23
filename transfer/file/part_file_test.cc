#include "transfer/file/part_file.h"

#include <errno.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "net/base/bytes.h"
#include "transfer/file/faulty_syscalls.h"
#include "transfer/file/output_folder.h"
#include "transfer/file/test_folder.h"
#include "transfer/file/unique_fd.h"

namespace p2pcp::file {
namespace {

class PartFileTest : public testing::Test {
 protected:
  PartFileTest() : output_folder_(*OutputFolder::Open(folder_.path())) {
    output_.root = &output_folder_;
    output_.part_prefix = &prefix_;
    output_.name = "name.txt";
    output_.size = 5;
    output_.mtime = {1'000'000'000, 5};
  }

  // Creates, writes and commits `content`.
  Status Receive(const std::string& content) {
    Result<PartFile> part = PartFile::Create(syscalls_, Dir(), output_);
    if (!part) return part.error();
    Status written = part->Write(0, AsBytes(content));
    if (!written) return written;
    EXPECT_TRUE(folder_.Has(PartName(output_)));
    return part->Commit(output_, placed_);
  }

  FolderFd Dir() const {
    return std::make_shared<const UniqueFd>(
        open(folder_.path().c_str(), O_RDONLY | O_DIRECTORY));
  }

  TestFolder folder_;
  OutputFolder output_folder_;
  const std::string prefix_ = ".p2pcp-x";
  FaultySyscalls syscalls_;
  Output output_;
  PlacedFiles placed_;  // Of one transfer.
};

TEST_F(PartFileTest, GetsItsNameOnlyWhenCommitted) {
  {
    Result<PartFile> part = PartFile::Create(syscalls_, Dir(), output_);
    ASSERT_TRUE(part.ok());
    ASSERT_TRUE(part->Write(0, AsBytes("hello")).ok());
    EXPECT_EQ(folder_.Names(), std::vector<std::string>{".p2pcp-x-0.part"});
    ASSERT_TRUE(part->Commit(output_, placed_).ok());
  }
  EXPECT_EQ(output_.final_name, "name.txt");
  EXPECT_EQ(folder_.Names(), std::vector<std::string>{"name.txt"});
  EXPECT_EQ(folder_.Read("name.txt"), "hello");
  EXPECT_EQ(syscalls_.data_syncs, 1u);
}

TEST_F(PartFileTest, IsDeletedWhenItIsNotCommitted) {
  {
    Result<PartFile> part = PartFile::Create(syscalls_, Dir(), output_);
    ASSERT_TRUE(part.ok());
    const PartFile moved = std::move(*part);
  }
  EXPECT_TRUE(folder_.Names().empty());
}

TEST_F(PartFileTest, ModeIsOursButForTheOwnersX) {
  const mode_t mask = output_folder_.umask();
  const auto mode = [this](const std::string& name) {
    struct stat info;
    EXPECT_EQ(stat((folder_ / name).c_str(), &info), 0);
    EXPECT_EQ(info.st_mtim.tv_sec, 1'000'000'000);
    EXPECT_EQ(info.st_mtim.tv_nsec, 5);
    return info.st_mode & 07777;
  };
  ASSERT_TRUE(Receive("a").ok());
  EXPECT_EQ(mode("name.txt"), 0666 & ~mask);
  output_.name = "tool";
  output_.executable = true;
  ASSERT_TRUE(Receive("a").ok());
  EXPECT_EQ(mode("tool"), 0777 & ~mask);
}

TEST_F(PartFileTest, AbsurdTimesAreClamped) {
  output_.mtime = {std::int64_t{1} << 60, 0};
  EXPECT_TRUE(Receive("a").ok());
  output_.mtime = {-(std::int64_t{1} << 60), 0};
  output_.name = "other";
  EXPECT_TRUE(Receive("a").ok());
}

TEST_F(PartFileTest, AFileMayBeTheSameWithinTheStepsOfItsTimes) {
  struct Case {
    std::int64_t seconds, nanoseconds;
    bool same;
  };
  output_.mtime = {1'000'000'001, 123'456'789};
  for (const Case& c : std::vector<Case>{
           {1'000'000'001, 123'456'789, true},
           {1'000'000'001, 123'456'788, false},
           {1'000'000'001, 123'456'700, true},   // 100 ns
           {1'000'000'001, 123'456'600, false},  // Another of them.
           {1'000'000'001, 123'456'000, true},   // 1 us
           {1'000'000'001, 120'000'000, true},   // 10 ms
           {1'000'000'001, 110'000'000, false},
           {1'000'000'001, 0, true},  // 1 s
           {1'000'000'002, 0, true},
           {1'000'000'000, 0, true},  // 2 s
           {999'999'999, 0, false},
           {std::numeric_limits<std::int64_t>::max(), 0, false},
           {std::numeric_limits<std::int64_t>::min(), 0, false}}) {
    struct stat info = {};
    info.st_mode = S_IFREG;
    info.st_size = 5;
    info.st_mtim = {c.seconds, c.nanoseconds};
    EXPECT_EQ(MayBeSame(info, output_), c.same)
        << c.seconds << ' ' << c.nanoseconds;
    ++info.st_size;
    EXPECT_FALSE(MayBeSame(info, output_));
  }
}

TEST_F(PartFileTest, ANameThatTheFileSystemDoesNotHaveIsKeptBack) {
  for (const int error : {ENAMETOOLONG, EILSEQ, ENOENT}) {
    syscalls_.rename_flags_error = error;
    EXPECT_EQ(Receive("hello").error().code, ErrorCode::kKeptBack) << error;
  }
  EXPECT_TRUE(folder_.Names().empty());
  // The folder was removed.
  Result<PartFile> part = PartFile::Create(syscalls_, Dir(), output_);
  ASSERT_TRUE(part.ok());
  std::filesystem::remove_all(folder_.path());
  EXPECT_EQ(part->Commit(output_, placed_).error().code,
            ErrorCode::kCannotWrite);
}

TEST_F(PartFileTest, RenameTakesTheNextFreeNumber) {
  folder_.Write("name.txt", "old");
  folder_.Write("name (1).txt", "old 1");
  ASSERT_TRUE(Receive("new").ok());
  EXPECT_EQ(output_.final_name, "name (2).txt");
  EXPECT_EQ(folder_.Read("name.txt"), "old");
  EXPECT_EQ(folder_.Read("name (1).txt"), "old 1");
  EXPECT_EQ(folder_.Read("name (2).txt"), "new");
}

TEST_F(PartFileTest, SkipAndExactKeepTheOldFile) {
  folder_.Write("name.txt", "old");
  output_.conflict = ConflictPolicy::kSkip;
  EXPECT_EQ(Receive("new").error().code, ErrorCode::kKeptBack);
  output_.conflict = ConflictPolicy::kRename;
  output_.exact = true;
  EXPECT_EQ(Receive("new").error().code, ErrorCode::kKeptBack);
  EXPECT_EQ(folder_.Read("name.txt"), "old");
  EXPECT_EQ(folder_.Names().size(), 1u);
}

TEST_F(PartFileTest, OverwriteReplacesARegularFile) {
  folder_.Write("name.txt", "old");
  output_.conflict = ConflictPolicy::kOverwrite;
  ASSERT_TRUE(Receive("new").ok());
  EXPECT_EQ(folder_.Read("name.txt"), "new");
  EXPECT_EQ(folder_.Names().size(), 1u);
}

// "IMG.jpg" and "img.JPG" on a file system that ignores case: the folder takes
// them for one.
TEST_F(PartFileTest, ANameIsGivenOnceInATransfer) {
  ASSERT_TRUE(Receive("first").ok());
  EXPECT_EQ(Receive("second").error().code, ErrorCode::kKeptBack);
  EXPECT_EQ(folder_.Names().size(), 1u);
  // In a folder that the transfer has made nothing else can have it.
  placed_ = {};
  output_.fresh = true;
  EXPECT_EQ(Receive("third").error().code, ErrorCode::kKeptBack);
  output_.fresh = false;
  ASSERT_TRUE(Receive("fourth").ok());
  EXPECT_EQ(output_.final_name, "name (1).txt");
}

TEST_F(PartFileTest, OverwriteReplacesNoFileOfTheSameTransfer) {
  output_.conflict = ConflictPolicy::kOverwrite;
  folder_.Write("name.txt", "old");
  ASSERT_TRUE(Receive("first").ok());
  EXPECT_EQ(Receive("second").error().code, ErrorCode::kKeptBack);
  EXPECT_EQ(folder_.Read("name.txt"), "first");
  EXPECT_EQ(folder_.Names().size(), 1u);
  placed_ = {};  // The next transfer.
  ASSERT_TRUE(Receive("third").ok());
  EXPECT_EQ(folder_.Read("name.txt"), "third");
}

TEST_F(PartFileTest, OverwriteReplacesNothingElse) {
  output_.conflict = ConflictPolicy::kOverwrite;
  folder_.Write("victim", "precious");
  std::filesystem::create_symlink("victim", folder_ / "name.txt");
  EXPECT_EQ(Receive("new").error().code, ErrorCode::kKeptBack);
  EXPECT_EQ(folder_.Read("victim"), "precious");
  EXPECT_TRUE(std::filesystem::is_symlink(folder_ / "name.txt"));
  std::filesystem::remove(folder_ / "name.txt");
  std::filesystem::create_directory(folder_ / "name.txt");
  EXPECT_EQ(Receive("new").error().code, ErrorCode::kKeptBack);
}

TEST_F(PartFileTest, OverwriteIsAdvisedWhereItHelps) {
  output_.conflict = ConflictPolicy::kSkip;
  folder_.Write("name.txt", "old");
  EXPECT_EQ(Receive("new").error().message,
            "name.txt " + std::string(kExistsText));
  EXPECT_EQ(ProbeName(Dir()->get(), output_).error().message,
            "name.txt " + std::string(kExistsText));
  std::filesystem::remove(folder_ / "name.txt");
  std::filesystem::create_directory(folder_ / "name.txt");
  const std::string no_file = "name.txt exists and is not a regular file";
  EXPECT_EQ(Receive("new").error().message, no_file);
  EXPECT_EQ(ProbeName(Dir()->get(), output_).error().message, no_file);
}

TEST_F(PartFileTest, RenameStepsAsideForASymbolicLink) {
  std::filesystem::create_symlink("elsewhere", folder_ / "name.txt");
  ASSERT_TRUE(Receive("new").ok());
  EXPECT_EQ(output_.final_name, "name (1).txt");
  EXPECT_FALSE(folder_.Has("elsewhere"));
}

TEST_F(PartFileTest, WithoutRenameNoReplaceALinkDoesIt) {
  syscalls_.rename_flags_error = EINVAL;
  ASSERT_TRUE(Receive("new").ok());
  placed_ = {};  // The next transfer.
  ASSERT_TRUE(Receive("newer").ok());
  EXPECT_EQ(folder_.Read("name.txt"), "new");
  EXPECT_EQ(folder_.Read("name (1).txt"), "newer");
  EXPECT_EQ(folder_.Names().size(), 2u);
}

// As exFAT through FUSE.
TEST_F(PartFileTest, WithoutLinksEitherTheNameIsClaimedFirst) {
  syscalls_.rename_flags_error = EINVAL;
  syscalls_.link_error = EPERM;
  ASSERT_TRUE(Receive("new").ok());
  placed_ = {};  // The next transfer.
  ASSERT_TRUE(Receive("newer").ok());
  EXPECT_EQ(folder_.Read("name.txt"), "new");
  EXPECT_EQ(folder_.Read("name (1).txt"), "newer");
  // The claim goes with what failed.
  syscalls_.rename_error = EIO;
  EXPECT_EQ(Receive("x").error().code, ErrorCode::kCannotWrite);
  EXPECT_EQ(folder_.Names().size(), 2u);
}

TEST_F(PartFileTest, FailuresAreToldAndLeaveNothing) {
  const auto code = [this] {
    Status status = Receive("hello");
    return status ? 0
                  : static_cast<int>(status.error().code) * 1000 +
                        status.error().os_errno;
  };
  const auto cannot = [](int error) {
    return static_cast<int>(ErrorCode::kCannotWrite) * 1000 + error;
  };
  syscalls_.create_error = EACCES;
  EXPECT_EQ(code(), cannot(EACCES));
  syscalls_ = {};
  syscalls_.reserve_error = ENOSPC;
  EXPECT_EQ(code(), cannot(ENOSPC));
  syscalls_ = {};
  syscalls_.write_error = EDQUOT;
  EXPECT_EQ(code(), cannot(EDQUOT));
  syscalls_ = {};
  syscalls_.sync_error = EIO;
  EXPECT_EQ(code(), cannot(EIO));
  syscalls_ = {};
  syscalls_.rename_error = EACCES;
  EXPECT_EQ(code(), cannot(EACCES));
  syscalls_ = {};
  syscalls_.rename_error = ENAMETOOLONG;
  EXPECT_EQ(code() / 1000, static_cast<int>(ErrorCode::kKeptBack));
  EXPECT_TRUE(folder_.Names().empty());
}

// What a sender declares and does not send is not taken from others.
TEST_F(PartFileTest, ReservesALittleAheadOfWhatIsWritten) {
  constexpr std::uint64_t kAhead = 64 << 20;
  output_.size = 3 * kAhead;
  Result<PartFile> part = PartFile::Create(syscalls_, Dir(), output_);
  ASSERT_TRUE(part.ok());
  EXPECT_EQ(syscalls_.reserved_end, kAhead);
  ASSERT_TRUE(part->Write(0, AsBytes("hello")).ok());
  EXPECT_EQ(syscalls_.reserved_end, kAhead);
  ASSERT_TRUE(part->Write(kAhead / 2, AsBytes("hello")).ok());
  EXPECT_EQ(syscalls_.reserved_end, kAhead / 2 + 5 + kAhead);
  syscalls_.reserve_error = ENOSPC;
  EXPECT_TRUE(part->Write(kAhead / 2 + 5, AsBytes("hello")).ok());
  EXPECT_FALSE(part->Write(kAhead + 5, AsBytes("hello")).ok());
  syscalls_.reserve_error = 0;
  ASSERT_TRUE(part->Write(output_.size - 5, AsBytes("hello")).ok());
  EXPECT_EQ(syscalls_.reserved_end, output_.size);
}

TEST_F(PartFileTest, ShortWritesAndReadsGoOn) {
  syscalls_.max_transfer = 2;
  Result<PartFile> part = PartFile::Create(syscalls_, Dir(), output_);
  ASSERT_TRUE(part.ok());
  ASSERT_TRUE(part->Write(0, AsBytes("hello")).ok());
  Bytes scratch(4);
  Hasher hasher;
  ASSERT_TRUE(part->ReadBack(0, 5, scratch, hasher).ok());
  Hasher expected;
  expected.Update(AsBytes("hello"));
  EXPECT_EQ(hasher.Finish(), expected.Finish());
  // What is not there any more was tampered with.
  EXPECT_EQ(part->ReadBack(0, 6, scratch, hasher).error().code,
            ErrorCode::kIntegrity);
  syscalls_.read_error = EIO;
  EXPECT_EQ(part->ReadBack(0, 5, scratch, hasher).error().code,
            ErrorCode::kCannotWrite);
}

TEST(NumberedName, NumberStandsBeforeTheExtension) {
  EXPECT_EQ(NumberedName("a.txt", 1), "a (1).txt");
  EXPECT_EQ(NumberedName("a", 12), "a (12)");
  EXPECT_EQ(NumberedName("a.tar.gz", 1), "a (1).tar.gz");
  EXPECT_EQ(NumberedName(".tar.gz", 1), ".tar (1).gz");
  EXPECT_EQ(NumberedName(".bashrc", 1), ".bashrc (1)");
  EXPECT_EQ(NumberedName("a.", 1), "a (1).");
}

TEST(NumberedName, StaysANameAndWholeCharacters) {
  const std::string long_name = std::string(251, 'x') + ".txt";
  const std::string numbered = NumberedName(long_name, 10);
  EXPECT_EQ(numbered.size(), 255u);
  EXPECT_EQ(numbered.substr(246), " (10).txt");
  EXPECT_EQ(NumberedName("x." + std::string(253, 'y'), 1).size(), 255u);
  std::string umlauts;
  while (umlauts.size() < 250) umlauts += "\xc3\xa4";
  const std::string cut = NumberedName(umlauts + ".txt", 1);
  EXPECT_EQ(cut.size(), 254u);
  EXPECT_EQ(cut.substr(244), "\xc3\xa4 (1).txt");
}

}  // namespace
}  // namespace p2pcp::file

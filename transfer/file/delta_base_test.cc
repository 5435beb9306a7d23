#include "transfer/file/delta_base.h"

#include <errno.h>
#include <fcntl.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "net/base/bytes.h"
#include "transfer/file/delta_signature.h"
#include "transfer/file/faulty_syscalls.h"
#include "transfer/file/test_folder.h"

namespace p2pcp::file {
namespace {

constexpr std::size_t kBlock = 4096;

class DeltaBaseTest : public testing::Test {
 protected:
  Result<DeltaBase> Open(const std::string& path) {
    return DeltaBase::Open(
        faults_, UniqueFd(open(path.c_str(), O_RDONLY | O_NONBLOCK)), "old");
  }
  std::uint64_t Sign(DeltaBase& base, std::uint64_t offset,
                     std::uint64_t size) {
    return base.Sign(offset, size, kBlock, scratch_, &signatures_);
  }

  TestFolder folder_;
  FaultySyscalls faults_;
  Bytes scratch_ = Bytes(kBlock);
  std::vector<BlockSignature> signatures_;
};

TEST_F(DeltaBaseTest, SignsEachBlock) {
  const std::string text = RandomText(3 * kBlock + 5, 1);
  Result<DeltaBase> base = Open(folder_.Write("old", text));
  ASSERT_TRUE(base.ok());
  EXPECT_EQ(base->size(), text.size());
  faults_.max_transfer = 1000;
  EXPECT_EQ(Sign(*base, 0, 2 * kBlock), 2 * kBlock);
  EXPECT_EQ(Sign(*base, 2 * kBlock, kBlock + 5), kBlock + 5);
  ASSERT_EQ(signatures_.size(), 4u);
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(signatures_[i],
              SignBlock(AsBytes(text.substr(i * kBlock, kBlock))));
  }
}

TEST_F(DeltaBaseTest, SignsNoBlockThatIsNotAllThere) {
  const std::string path = folder_.Write("old", RandomText(3 * kBlock, 1));
  Result<DeltaBase> base = Open(path);
  ASSERT_TRUE(base.ok());
  std::filesystem::resize_file(path, kBlock + 1);
  EXPECT_EQ(Sign(*base, 0, 3 * kBlock), kBlock);
  EXPECT_EQ(signatures_.size(), 1u);
  faults_.read_error = EIO;
  EXPECT_EQ(Sign(*base, 0, kBlock), 0u);
}

TEST_F(DeltaBaseTest, WhatCantBeReadIsZeros) {
  const std::string path = folder_.Write("old", "0123456789");
  Result<DeltaBase> base = Open(path);
  ASSERT_TRUE(base.ok());
  std::filesystem::resize_file(path, 5);
  Bytes bytes(8, std::byte{'x'});
  base->Read(2, bytes);
  EXPECT_EQ(AsText(bytes), std::string("234") + std::string(5, '\0'));
  base->Read(std::uint64_t{1} << 50, bytes);
  EXPECT_EQ(AsText(bytes), std::string(8, '\0'));
}

TEST_F(DeltaBaseTest, OnlyARegularFileIsOne) {
  std::filesystem::create_directory(folder_ / "old");
  EXPECT_FALSE(Open(folder_ / "old").ok());
  EXPECT_FALSE(Open("/dev/null").ok());
}

}  // namespace
}  // namespace p2pcp::file

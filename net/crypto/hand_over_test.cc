#include "net/crypto/hand_over.h"

#include "gtest/gtest.h"
#include "net/base/random.h"

namespace p2pcp::crypto {
namespace {

class HandOverTest : public testing::Test {
 protected:
  SeededRandom random_{7};
  const Identity old_ = Identity::Generate(random_);
  const Identity new_ = Identity::Generate(random_);
  const Identity mallory_ = Identity::Generate(random_);
  const Bytes bytes_ = HandOver::Make(old_, new_).Encode();
};

TEST_F(HandOverTest, LeadsFromTheOldKeyToTheNewOne) {
  const auto opened = HandOver::Open(old_.public_key(), bytes_);
  ASSERT_TRUE(opened);
  EXPECT_EQ(opened->to, new_.public_key());
  EXPECT_EQ(opened->Encode(), bytes_);
}

TEST_F(HandOverTest, LeadsFromNoOtherKeyAndNotBack) {
  EXPECT_FALSE(HandOver::Open(mallory_.public_key(), bytes_));
  EXPECT_FALSE(HandOver::Open(new_.public_key(), bytes_));
}

TEST_F(HandOverTest, NeedsBothSignatures) {
  // Whoever has the old key alone can't hand over to a key that he has not,
  // and who has the new one alone can't take over another's.
  HandOver stolen = HandOver::Make(old_, new_);
  stolen.by_new = HandOver::Make(old_, mallory_).by_new;
  EXPECT_FALSE(HandOver::Open(old_.public_key(), stolen.Encode()));
  HandOver taken = HandOver::Make(mallory_, new_);
  EXPECT_FALSE(HandOver::Open(old_.public_key(), taken.Encode()));
}

TEST_F(HandOverTest, EveryChangedBitAndEveryOtherSizeIsRefused) {
  for (std::size_t i = 0; i < bytes_.size(); ++i) {
    Bytes changed = bytes_;
    changed[i] ^= std::byte{1};
    EXPECT_FALSE(HandOver::Open(old_.public_key(), changed)) << i;
    EXPECT_FALSE(HandOver::Open(old_.public_key(), ByteSpan(bytes_).first(i)));
  }
  Bytes longer = bytes_;
  longer.push_back(std::byte{0});
  EXPECT_FALSE(HandOver::Open(old_.public_key(), longer));
}

}  // namespace
}  // namespace p2pcp::crypto

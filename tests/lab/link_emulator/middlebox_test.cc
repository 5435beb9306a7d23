#include "tests/lab/link_emulator/middlebox.h"

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "net/base/bytes.h"
#include "net/base/random.h"
#include "net/base/time.h"
#include "tests/lab/link_emulator/options.h"
#include "tests/lab/link_emulator/packet.h"

namespace p2pcp::lab {
namespace {

constexpr TimePoint kStart{Duration(1s)};
// 10.1.0.2:1000 > 203.0.113.10:2000.
constexpr char kHeaders[] =
    "450000211234400040110000"
    "0a010002cb00710a"
    "03e807d0000d0000";

Bytes MakeDatagram(std::string_view payload) {
  Bytes packet = Unhex(kHeaders);
  for (const std::byte byte : AsBytes(payload)) packet.push_back(byte);
  FinishUdp(UdpLayout{false, 20}, packet);
  return packet;
}

std::string PayloadOf(const PacketPtr& packet) {
  const auto layout = FindUdp(packet->bytes());
  if (!layout) return "not UDP";
  return std::string(AsText(packet->bytes().subspan(layout->payload())));
}

// Whether header and UDP checksum are those that FinishUdp would write.
bool ChecksumsAreRight(const PacketPtr& packet) {
  Bytes copy = ToBytes(packet->bytes());
  FinishUdp(*FindUdp(copy), copy);
  return copy == ToBytes(packet->bytes());
}

class MiddleboxTest : public testing::Test {
 protected:
  void Handle(std::string_view payload) {
    middlebox_.Handle(options_, pool_.Copy(MakeDatagram(payload)), outcome_);
  }

  SeededRandom random_{2};
  PacketPool pool_{1500};
  Middlebox middlebox_{random_, pool_};
  Options options_;
  Middlebox::Outcome outcome_;
};

TEST_F(MiddleboxTest, PassesEverythingUnlessTold) {
  Handle("hello");
  ASSERT_EQ(outcome_.forward.size(), 1u);
  EXPECT_EQ(PayloadOf(outcome_.forward[0]), "hello");
  EXPECT_TRUE(outcome_.back.empty());
}

TEST_F(MiddleboxTest, FlipsBitsOfThePayloadAndMendsTheChecksum) {
  options_.flip = 0.5;
  int changed = 0;
  for (int i = 0; i < 1000; ++i) {
    Handle("hello");
    ASSERT_EQ(outcome_.forward.size(), 1u);
    EXPECT_TRUE(ChecksumsAreRight(outcome_.forward[0]));
    EXPECT_EQ(PayloadOf(outcome_.forward[0]).size(), 5u);
    changed += PayloadOf(outcome_.forward[0]) != "hello";
    outcome_.forward.clear();
  }
  EXPECT_NEAR(changed, 500, 60);
  EXPECT_NEAR(static_cast<double>(middlebox_.stats().flipped), 500, 60);
}

TEST_F(MiddleboxTest, TruncatesToEveryLength) {
  options_.truncate = 1;
  std::set<std::string> seen;
  for (int i = 0; i < 200; ++i) {
    Handle("hello");
    EXPECT_TRUE(ChecksumsAreRight(outcome_.forward[0]));
    seen.insert(PayloadOf(outcome_.forward[0]));
    outcome_.forward.clear();
  }
  EXPECT_EQ(seen, (std::set<std::string>{"", "h", "he", "hel", "hell"}));
}

TEST_F(MiddleboxTest, ReplaysWhatHasPassed) {
  options_.replay = 1;
  Handle("first");
  ASSERT_EQ(outcome_.forward.size(), 2u);
  EXPECT_EQ(PayloadOf(outcome_.forward[1]), "first");
  outcome_.forward.clear();
  std::set<std::string> replayed;
  for (int i = 0; i < 100; ++i) {
    Handle("second");
    EXPECT_EQ(PayloadOf(outcome_.forward[0]), "second");
    replayed.insert(PayloadOf(outcome_.forward[1]));
    outcome_.forward.clear();
  }
  EXPECT_EQ(replayed, (std::set<std::string>{"first", "second"}));
}

TEST_F(MiddleboxTest, ReflectsToTheSenderInThePeersName) {
  options_.reflect = 1;
  Handle("hello");
  ASSERT_EQ(outcome_.forward.size(), 1u);
  ASSERT_EQ(outcome_.back.size(), 1u);
  EXPECT_EQ(PayloadOf(outcome_.back[0]), "hello");
  EXPECT_TRUE(ChecksumsAreRight(outcome_.back[0]));
  EXPECT_EQ(Hex(outcome_.back[0]->bytes().subspan(12, 12)),
            "cb00710a"
            "0a010002"
            "07d003e8");
}

TEST_F(MiddleboxTest, InventsDatagramsInThePeersName) {
  options_.forged = 100;
  EXPECT_FALSE(middlebox_.PollTimeout(options_));
  Handle("\xc0 header and so on");
  outcome_.forward.clear();
  ASSERT_TRUE(middlebox_.PollTimeout(options_));
  middlebox_.HandleTimeout(kStart, options_, outcome_);
  outcome_.forward.clear();
  int headers = 0;
  for (TimePoint now = kStart; now < kStart + 1s; now += 10ms) {
    middlebox_.HandleTimeout(now, options_, outcome_);
  }
  EXPECT_NEAR(static_cast<double>(outcome_.forward.size()), 100, 2);
  for (const PacketPtr& packet : outcome_.forward) {
    ASSERT_TRUE(FindUdp(packet->bytes()));
    EXPECT_TRUE(ChecksumsAreRight(packet));
    EXPECT_EQ(Hex(packet->bytes().subspan(12, 12)), "0a010002cb00710a03e807d0");
    headers += PayloadOf(packet).starts_with("\xc0 header and");
  }
  EXPECT_NEAR(headers, 50, 20);
}

TEST_F(MiddleboxTest, InventsStrangers) {
  options_.strangers = 1000;
  Handle("hello");
  outcome_.forward.clear();
  for (TimePoint now = kStart; now < kStart + 100ms; now += 1ms) {
    middlebox_.HandleTimeout(now, options_, outcome_);
  }
  ASSERT_GT(outcome_.forward.size(), 50u);
  for (const PacketPtr& packet : outcome_.forward) {
    EXPECT_TRUE(ChecksumsAreRight(packet));
    EXPECT_EQ(Hex(packet->bytes().subspan(12, 2)), "c612");
    EXPECT_EQ(Hex(packet->bytes().subspan(16, 4)), "cb00710a");
  }
}

TEST_F(MiddleboxTest, LeavesTcpAlone) {
  options_.flip = options_.truncate = options_.reflect = options_.replay = 1;
  Bytes tcp = MakeDatagram("hello");
  tcp[9] = std::byte{6};
  middlebox_.Handle(options_, pool_.Copy(tcp), outcome_);
  ASSERT_EQ(outcome_.forward.size(), 1u);
  EXPECT_EQ(Hex(outcome_.forward[0]->bytes()), Hex(tcp));
  EXPECT_TRUE(outcome_.back.empty());
}

}  // namespace
}  // namespace p2pcp::lab

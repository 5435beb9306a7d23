#include "tests/lab/link_emulator/emulator.h"

#include <string>
#include <utility>

#include "gtest/gtest.h"
#include "net/base/bytes.h"
#include "net/base/time.h"
#include "tests/lab/link_emulator/packet.h"

namespace p2pcp::lab {
namespace {

constexpr TimePoint kStart{Duration(1s)};
constexpr End kA = 0;
constexpr End kB = 1;

TEST(Emulator, CarriesPacketsToTheOtherEnd) {
  Emulator emulator(1, 1500);
  emulator.HandlePacket(kStart, kA, emulator.pool().Copy(AsBytes("to b")));
  emulator.HandlePacket(kStart, kB, emulator.pool().Copy(AsBytes("to a")));
  ASSERT_EQ(emulator.PollTimeout(), kStart);
  EXPECT_EQ(AsText(emulator.PollDelivery(kStart, kB)->bytes()), "to b");
  EXPECT_EQ(AsText(emulator.PollDelivery(kStart, kA)->bytes()), "to a");
  EXPECT_EQ(emulator.PollDelivery(kStart, kA), nullptr);
  EXPECT_FALSE(emulator.PollTimeout());
}

TEST(Emulator, CommandsConcernTheirDirection) {
  Emulator emulator(1, 1500);
  EXPECT_EQ(emulator.HandleCommand("ab delay=5ms"), "ok");
  EXPECT_EQ(emulator.HandleCommand("ba loss=100%"), "ok");
  emulator.HandlePacket(kStart, kA, emulator.pool().Copy(AsBytes("to b")));
  emulator.HandlePacket(kStart, kB, emulator.pool().Copy(AsBytes("to a")));
  EXPECT_EQ(emulator.PollTimeout(), kStart + 5ms);
  EXPECT_EQ(emulator.PollDelivery(kStart + 5ms, kA), nullptr);
  EXPECT_NE(emulator.PollDelivery(kStart + 5ms, kB), nullptr);
  const std::string stats = emulator.HandleCommand("stats");
  EXPECT_NE(stats.find("\"ab\": {\"received\": 1, \"delivered\": 1"),
            std::string::npos)
      << stats;
  EXPECT_NE(stats.find("\"lost\": 1"), std::string::npos) << stats;
  EXPECT_EQ(emulator.HandleCommand("both clear"), "ok");
  emulator.HandlePacket(kStart + 6ms, kB, emulator.pool().Copy(AsBytes("x")));
  EXPECT_NE(emulator.PollDelivery(kStart + 6ms, kA), nullptr);
}

TEST(Emulator, RefusesCommandsThatItDoesNotUnderstand) {
  Emulator emulator(1, 1500);
  for (const char* command : {"", "up loss=1%", "ab loss=x", "ablation"}) {
    EXPECT_TRUE(emulator.HandleCommand(command).starts_with("error: "))
        << command;
  }
}

TEST(Emulator, TheSameSeedGivesTheSameRun) {
  std::string stats[2];
  for (std::string& text : stats) {
    Emulator emulator(42, 1500);
    emulator.HandleCommand("both loss=30% duplicate=20%");
    for (int i = 0; i < 1000; ++i) {
      emulator.HandlePacket(kStart, kA, emulator.pool().Copy(AsBytes("x")));
    }
    text = emulator.Stats();
  }
  EXPECT_EQ(stats[0], stats[1]);
}

}  // namespace
}  // namespace p2pcp::lab

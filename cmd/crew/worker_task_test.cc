#include "cmd/crew/worker_task.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <string>
#include <vector>

namespace p2pcp::cmd {
namespace {

const std::vector<std::string> kCommand = {"recv", "--from", "any", "--listen"};

TEST(WorkerTask, SurvivesTheWayThroughArguments) {
  WorkerTask task{"alice", 7, signaling::Nonce{}};
  for (std::size_t i = 0; i < task.ready->size(); ++i) {
    (*task.ready)[i] = static_cast<std::byte>(17 * i);
  }
  const auto parsed = ParseWorkerArguments(WorkerArguments(task, kCommand));
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->first.peer, "alice");
  EXPECT_EQ(parsed->first.place, 7u);
  EXPECT_EQ(parsed->first.ready, task.ready);
  EXPECT_FALSE(parsed->first.tells);
  EXPECT_EQ(parsed->second, kCommand);
  const auto without =
      ParseWorkerArguments(WorkerArguments({"bob", 0, {}, true}, kCommand));
  ASSERT_TRUE(without);
  EXPECT_TRUE(without->first.tells);
  EXPECT_FALSE(without->first.ready);
}

TEST(WorkerTask, TakesNothingElse) {
  const std::string nonce(32, 'a');
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{},
        {kWorkerVerb},
        {kWorkerVerb, "alice", "0", "-"},
        {"recv", "alice", "0", "-", "-", "recv"},
        {kWorkerVerb, "alice", "", "-", "-", "recv"},
        {kWorkerVerb, "alice", "-1", "-", "-", "recv"},
        {kWorkerVerb, "alice", "1x", "-", "-", "recv"},
        {kWorkerVerb, "alice", "0", "", "-", "recv"},
        {kWorkerVerb, "alice", "0", nonce + "a", "-", "recv"},
        {kWorkerVerb, "alice", "0", nonce.substr(1) + "x", "-", "recv"},
        {kWorkerVerb, "alice", "0", nonce.substr(1), "-", "recv"},
        {kWorkerVerb, "alice", "0", "-", "", "recv"},
        {kWorkerVerb, "alice", "0", "-", "x", "recv"},
        {kWorkerVerb, "alice", "0", "-", "-"}}) {
    EXPECT_FALSE(ParseWorkerArguments(words)) << words.size();
  }
}

}  // namespace
}  // namespace p2pcp::cmd

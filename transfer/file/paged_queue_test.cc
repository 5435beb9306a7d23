#include "transfer/file/paged_queue.h"

#include <gtest/gtest.h>

#include <memory>
#include <utility>

namespace p2pcp::file {
namespace {

TEST(PagedQueue, GivesInOrderWhatItGot) {
  PagedQueue<std::unique_ptr<int>> queue;
  int pushed = 0;
  int popped = 0;
  // Grows and shrinks, over many pages and down to nothing.
  for (int round = 0; round < 50; ++round) {
    for (int i = 0; i < round * 7; ++i) {
      queue.push_back(std::make_unique<int>(pushed++));
    }
    ASSERT_EQ(queue.size(), static_cast<std::size_t>(pushed - popped));
    for (std::size_t i = 0; i < queue.size(); ++i) {
      ASSERT_EQ(*queue[i], popped + static_cast<int>(i));
    }
    if (!queue.empty()) {
      ASSERT_EQ(*queue.back(), pushed - 1);
    }
    const int keep = round % 5 == 0 ? 0 : 100;
    while (pushed - popped > keep) {
      ASSERT_EQ(*queue.front(), popped++);
      queue.pop_front();
    }
  }
}

TEST(PagedQueue, LeavesElementsWhereTheyAre) {
  PagedQueue<int> queue;
  queue.push_back(0);
  queue.push_back(1);
  const int* const second = &queue[1];
  for (int i = 2; i < 1000; ++i) queue.push_back(i);
  queue.pop_front();
  EXPECT_EQ(&queue.front(), second);
}

TEST(PagedQueue, DestroysWhatIsTakenOutAndWhatIsLeft) {
  const auto life = std::make_shared<int>();
  {
    PagedQueue<std::shared_ptr<int>> queue;
    for (int i = 0; i < 200; ++i) queue.push_back(life);
    EXPECT_EQ(life.use_count(), 201);
    for (int i = 0; i < 100; ++i) queue.pop_front();
    EXPECT_EQ(life.use_count(), 101);
  }
  EXPECT_EQ(life.use_count(), 1);
}

}  // namespace
}  // namespace p2pcp::file

#include "cmd/code_input.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "net/base/result.h"
#include "net/base/time.h"
#include "net/udp/event_loop.h"

namespace p2pcp::cmd {
namespace {

const char kCode[] = "4821-acid-bagel-crumb";

class CodeInputTest : public testing::Test {
 protected:
  CodeInputTest() {
    folder_ = testing::TempDir() + "/code_input_XXXXXX";
    EXPECT_NE(mkdtemp(folder_.data()), nullptr);
    path_ = folder_ + "/code";
    loop_ = *udp::EventLoop::Create();
  }
  ~CodeInputTest() override { std::filesystem::remove_all(folder_); }

  void Open() {
    input_ = CodeInput::OpenFile(
        loop_.get(), path_,
        {[this](std::string_view line) { lines_.emplace_back(line); },
         [this] { ended_ = true; },
         [this](Error error) { error_ = std::move(error); }});
  }
  void Write(const std::string& text, mode_t mode = 0600) {
    std::ofstream(path_) << text;
    EXPECT_EQ(chmod(path_.c_str(), mode), 0);
  }
  bool Settled() const { return !lines_.empty() || ended_ || error_; }
  // Whatever is to come has its own timer or descriptor.
  void RunUntilSettled() {
    const TimePoint end = loop_->Now() + 10s;
    while (!Settled() && loop_->Now() < end) loop_->RunOnce(end);
  }
  void RunFor(Duration time) {
    const TimePoint end = loop_->Now() + time;
    while (loop_->Now() < end) loop_->RunOnce(end);
  }

  std::string folder_, path_;
  std::unique_ptr<udp::EventLoop> loop_;
  std::unique_ptr<CodeInput> input_;
  std::vector<std::string> lines_;
  bool ended_ = false;
  std::optional<Error> error_;
};

TEST_F(CodeInputTest, ReadsWhatWriteCodeFileWrote) {
  ASSERT_TRUE(WriteCodeFile(path_, kCode).ok());
  struct stat status {};
  ASSERT_EQ(stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  Open();
  RunUntilSettled();
  EXPECT_EQ(lines_, std::vector<std::string>{kCode});
}

TEST_F(CodeInputTest, WritesOverNothing) {
  Write("precious");
  const Status written = WriteCodeFile(path_, kCode);
  ASSERT_FALSE(written.ok());
  EXPECT_EQ(written.error().code, ErrorCode::kUsage);
  EXPECT_EQ(written.error().message.find("acid"), std::string::npos);
  const Status nowhere = WriteCodeFile(folder_ + "/no/where", kCode);
  ASSERT_FALSE(nowhere.ok());
  EXPECT_EQ(nowhere.error().code, ErrorCode::kCannotWrite);
}

TEST_F(CodeInputTest, WaitsForAFileThatIsNotThereYet) {
  Open();
  loop_->SetTimer(loop_->Now() + 300ms,
                  [this] { Write(std::string(kCode) + "\n"); });
  RunUntilSettled();
  EXPECT_EQ(lines_, std::vector<std::string>{kCode});
}

TEST_F(CodeInputTest, WaitsForTheRestOfALine) {
  Write("4821-acid");
  Open();
  loop_->SetTimer(loop_->Now() + 100ms, [this] { Write(kCode); });
  RunUntilSettled();
  EXPECT_EQ(lines_, std::vector<std::string>{kCode});
}

TEST_F(CodeInputTest, TakesOneLine) {
  Write(std::string(kCode) + "\nanother\n");
  Open();
  RunUntilSettled();
  RunFor(600ms);
  EXPECT_EQ(lines_, std::vector<std::string>{kCode});
}

TEST_F(CodeInputTest, RefusesAFileThatOthersMayRead) {
  Write(kCode, 0640);
  Open();
  RunUntilSettled();
  ASSERT_TRUE(error_);
  EXPECT_EQ(error_->code, ErrorCode::kUsage);
  EXPECT_NE(error_->message.find("chmod 600"), std::string::npos);
  EXPECT_TRUE(lines_.empty());
}

TEST_F(CodeInputTest, RefusesAFolder) {
  path_ = folder_;
  Open();
  RunUntilSettled();
  EXPECT_TRUE(error_);
}

TEST_F(CodeInputTest, ReadsAPipeWithOrWithoutANewline) {
  for (const char* end : {"\n", "", "\nanother\n"}) {
    ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);
    Open();
    RunFor(50ms);
    std::ofstream(path_) << kCode << end;
    RunUntilSettled();
    EXPECT_EQ(lines_, std::vector<std::string>{kCode});
    lines_.clear();
    input_.reset();
    unlink(path_.c_str());
  }
}

TEST_F(CodeInputTest, TellsTheEndOfAnEmptyPipe) {
  ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);
  Open();
  RunFor(50ms);
  std::ofstream(path_).flush();
  RunUntilSettled();
  EXPECT_TRUE(ended_);
  EXPECT_TRUE(lines_.empty());
}

TEST_F(CodeInputTest, CutsALineThatIsNoCode) {
  Write(std::string(100'000, 'a') + "\n");
  Open();
  RunUntilSettled();
  ASSERT_EQ(lines_.size(), 1u);
  EXPECT_LE(lines_[0].size(), 256u);
}

}  // namespace
}  // namespace p2pcp::cmd

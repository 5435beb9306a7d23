#include "cmd/events.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cmd/event_output.h"
#include "net/base/time.h"
#include "net/udp/file_descriptor.h"
#include "transfer/session/bottleneck.h"

namespace p2pcp::cmd {
namespace {

using Json = nlohmann::json;

class Pipe {
 public:
  Pipe() {
    int fds[2];
    EXPECT_EQ(pipe(fds), 0);
    read_ = udp::FileDescriptor(fds[0]);
    write_ = udp::FileDescriptor(fds[1]);
  }
  int out() const { return write_.get(); }
  void CloseReader() { read_ = udp::FileDescriptor(); }
  // All that was written; the writer is closed.
  std::string ReadAll() {
    write_ = udp::FileDescriptor();
    std::string text;
    char buffer[4096];
    for (;;) {
      const ssize_t n = read(read_.get(), buffer, sizeof(buffer));
      if (n <= 0) return text;
      text.append(buffer, static_cast<std::size_t>(n));
    }
  }
  std::string ReadSome(std::size_t size) {
    std::string text(size, '\0');
    const ssize_t n = read(read_.get(), text.data(), size);
    text.resize(n < 0 ? 0 : static_cast<std::size_t>(n));
    return text;
  }

 private:
  udp::FileDescriptor read_;
  udp::FileDescriptor write_;
};

std::vector<std::string> Lines(const std::string& text) {
  std::vector<std::string> lines;
  std::size_t begin = 0;
  for (std::size_t end; (end = text.find('\n', begin)) != std::string::npos;
       begin = end + 1) {
    lines.push_back(text.substr(begin, end - begin));
  }
  EXPECT_EQ(begin, text.size()) << "an end without a line feed";
  return lines;
}

std::vector<Json> Parse(const std::string& text) {
  std::vector<Json> events;
  for (const std::string& line : Lines(text)) {
    events.push_back(Json::parse(line, nullptr, /*allow_exceptions=*/false));
    EXPECT_TRUE(events.back().is_object()) << line;
  }
  return events;
}

FileDone Done(const std::string& name) {
  FileDone done;
  done.name = name;
  done.size = 7;
  return done;
}

TEST(Events, TellARunFromStartToDone) {
  Pipe pipe;
  {
    Events events(pipe.out());
    EXPECT_TRUE(events.enabled());
    events.Start("send");
    events.Waiting("bob");
    events.Connecting("broker", "mqtt://192.0.2.7");
    events.Connecting("peer");
    events.Path("direct udp4 192.0.2.1:5", 1444, 50ms);
    events.Handle(Started{1, 7});
    events.Handle(Done("file"));
    Completed completed;
    completed.file_count = 1;
    completed.total_bytes = 7;
    completed.report = TransferReport{.bottleneck = Bottleneck::kReceiverDisk,
                                      .packets_sent = 200,
                                      .packets_lost = 2,
                                      .smoothed_rtt = 60ms,
                                      .min_rtt = 50ms,
                                      .data_bytes_sent = 1000,
                                      .data_bytes_retransmitted = 30};
    ConnectionStats stats;
    stats.packets_sent = 201;
    events.Done(completed, stats, 2s, "direct");
  }
  const std::vector<Json> events = Parse(pipe.ReadAll());
  ASSERT_EQ(events.size(), 8u);
  EXPECT_EQ(events[0]["event"], "start");
  EXPECT_EQ(events[0]["schema"], Events::kSchema);
  EXPECT_EQ(events[0]["command"], "send");
  EXPECT_EQ(events[2]["broker"], "mqtt://192.0.2.7");
  EXPECT_FALSE(events[3].contains("broker"));
  EXPECT_EQ(events[4]["rtt_ms"], 50.0);
  EXPECT_EQ(events[6]["xxh128"], std::string(32, '0'));
  EXPECT_FALSE(events[6].contains("final_name"));
  const Json& done = events[7];
  EXPECT_EQ(done["event"], "done");
  EXPECT_EQ(done["bytes_per_second"], 3.5);
  EXPECT_EQ(done["limited_by"], "receiver_disk");
  EXPECT_EQ(done["loss"], 0.01);
  EXPECT_EQ(done["retransmitted"], 0.03);
  EXPECT_EQ(done["min_rtt_ms"], 50.0);
  EXPECT_EQ(done["packets"]["sent"], 201);
  EXPECT_EQ(
      done["digests"],
      Json::array({{{"name", "file"}, {"xxh128", std::string(32, '0')}}}));
}

TEST(Events, DoneSaysThatItDoesNotKnow) {
  Pipe pipe;
  {
    Events events(pipe.out());
    events.Done(Completed{}, ConnectionStats{}, 0s, "direct");
  }
  const Json done = Parse(pipe.ReadAll()).at(0);
  EXPECT_EQ(done["limited_by"], "unknown");
  EXPECT_FALSE(done.contains("loss"));
  EXPECT_FALSE(done.contains("delta"));
  EXPECT_TRUE(done["bytes_per_second"].is_null());
}

TEST(Events, DoneSaysWhatOlderVersionsHaveSaved) {
  Pipe pipe;
  {
    Events events(pipe.out());
    Completed completed;
    completed.savings = {.copied_bytes = 5000, .signature_bytes = 24};
    events.Done(completed, ConnectionStats{}, 1s, "direct");
  }
  const Json done = Parse(pipe.ReadAll()).at(0);
  EXPECT_EQ(done["delta"],
            (Json{{"copied_bytes", 5000}, {"signature_bytes", 24}}));
}

TEST(Events, NamesOfAnyBytesAreValidJsonInAscii) {
  const std::vector<std::string> names = {"Gr\u00fc\u00dfe \u65e5\u672c.txt",
                                          "a\"b\\c\n\x1b[2J",
                                          "caf\xe9.txt",
                                          "\xff\xfe",
                                          "\xed\xa0\x80 surrogate",
                                          "cut \xe6\x97",
                                          "\u202egnp.exe"};
  Pipe pipe;
  {
    Events events(pipe.out());
    for (const std::string& name : names) events.Handle(Done(name));
  }
  const std::string text = pipe.ReadAll();
  for (const char c : text) {
    EXPECT_TRUE((c >= ' ' && c <= '~') || c == '\n') << static_cast<int>(c);
  }
  const std::vector<Json> events = Parse(text);
  ASSERT_EQ(events.size(), names.size());
  for (std::size_t i : {0u, 1u, 6u}) {
    EXPECT_EQ(events[i]["name"], names[i]);
    EXPECT_FALSE(events[i].contains("name_hex"));
  }
  EXPECT_EQ(events[2]["name"], "caf\ufffd.txt");
  EXPECT_EQ(events[2]["name_hex"], "636166e92e747874");
  for (std::size_t i : {3u, 4u, 5u})
    EXPECT_TRUE(events[i].contains("name_hex"));
}

TEST(Events, AnErrorHasItsNameCodeAndWhetherToTryAgain) {
  Pipe pipe;
  {
    Events events(pipe.out());
    for (const ExitCodeText& each : kExitCodes) {
      events.Failed(each.code, "why",
                    each.code == ExitCode::kDeclined ? "ask" : "");
    }
  }
  const std::vector<Json> events = Parse(pipe.ReadAll());
  ASSERT_EQ(events.size(), kExitCodes.size());
  EXPECT_EQ(events[3]["error"], "peer_never_appeared");
  EXPECT_EQ(events[3]["exit_code"], 3);
  EXPECT_EQ(events[3]["retryable"], true);
  EXPECT_EQ(events[7]["error"], "declined");
  EXPECT_EQ(events[7]["retryable"], false);
  EXPECT_EQ(events[7]["message"], "why");
  EXPECT_EQ(events[7]["remedy"], "ask");
  EXPECT_FALSE(events[3].contains("remedy"));
}

TEST(Events, SeveralTransfersAreToldApart) {
  Pipe pipe;
  {
    Events events(pipe.out());
    events.Listening({"alice", "bob"}, 4);
    events.Began(7, "alice");
    events.Relay(7, R"({"event":"waiting","peer":"alice"})");
    events.Relay(7, "no event");
    events.Ended(7, "alice", ExitCode::kIntegrity);
  }
  const std::vector<Json> told = Parse(pipe.ReadAll());
  ASSERT_EQ(told.size(), 4u);
  EXPECT_EQ(told[0]["peers"], (std::vector<std::string>{"alice", "bob"}));
  EXPECT_EQ(told[0]["max_transfers"], 4);
  EXPECT_EQ(told[1]["event"], "began");
  EXPECT_EQ(told[2]["transfer"], 7);
  EXPECT_EQ(told[2]["event"], "waiting");
  EXPECT_EQ(told[3]["exit_code"], 9);
}

TEST(Events, WithoutJsonDoNothing) {
  Events events(std::nullopt);
  EXPECT_FALSE(events.enabled());
  events.Start("send");
  events.Failed(ExitCode::kOther, "why", "");
}

TEST(Events, DoneListsDigestsOfNotTooManyFiles) {
  for (const std::size_t files :
       {Events::kMaxDigests, Events::kMaxDigests + 1}) {
    // More than pipes hold where the kernel has given out many.
    const udp::FileDescriptor file(memfd_create("events", MFD_CLOEXEC));
    ASSERT_TRUE(file.valid());
    {
      Events events(file.get());
      for (std::size_t i = 0; i < files; ++i) events.Handle(Done("x"));
      events.Done(Completed{}, ConnectionStats{}, 1s, "");
    }
    std::string text(1 << 20, '\0');
    const ssize_t size = pread(file.get(), text.data(), text.size(), 0);
    ASSERT_GT(size, 0);
    text.resize(static_cast<std::size_t>(size));
    const Json done = Parse(text).back();
    EXPECT_EQ(done["event"], "done");
    EXPECT_EQ(done.contains("digests"), files <= Events::kMaxDigests);
  }
}

TEST(EventOutput, DoesNotWaitForAReaderThatIsSlow) {
  Pipe pipe;
  std::size_t lines = 0;
  {
    EventOutput output(pipe.out());
    const std::string line(99, 'x');
    // Ten times what a pipe holds (64 KiB): a write would block.
    for (; lines < 6'500; ++lines) output.Write(line);
    output.Write("only news", /*only_news=*/true);
    EXPECT_FALSE(output.gone());
    std::string text;
    while (text.size() < 100 * lines) {
      text += pipe.ReadSome(65536);
      output.Flush();
    }
    EXPECT_EQ(Lines(text).size(), lines);
    EXPECT_EQ(text.find("only news"), std::string::npos);
    output.Write("only news", /*only_news=*/true);
  }
  EXPECT_EQ(pipe.ReadAll(), "only news\n");
}

TEST(EventOutput, LetsAReaderGo) {
  signal(SIGPIPE, SIG_IGN);
  Pipe pipe;
  EventOutput output(pipe.out());
  output.Write("a");
  pipe.CloseReader();
  output.Write("b");
  EXPECT_TRUE(output.gone());
  output.Write("c");
}

TEST(EventOutput, KeepsNoMoreThanItsBound) {
  Pipe pipe;
  EventOutput output(pipe.out());
  const std::string line(1 << 20, 'x');
  for (int i = 0; i < 15; ++i) output.Write(line);
  EXPECT_FALSE(output.gone());
  output.Write(line);
  output.Write(line);
  EXPECT_TRUE(output.gone());
}

}  // namespace
}  // namespace p2pcp::cmd

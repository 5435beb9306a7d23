#include "transfer/session/bottleneck.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "net/base/bytes.h"
#include "net/base/time.h"
#include "transfer/file/test_folder.h"
#include "transfer/session/session.h"
#include "transfer/session/session_pair.h"

namespace p2pcp {
namespace {

using file::RandomText;

// --- The judgement ---

// Ten seconds, with a thread that was busy for three of them.
SenderFacts Facts() {
  SenderFacts facts;
  facts.machine = {.elapsed = 10s, .busy = 3s, .disk = 3s, .disk_cpu = 1s};
  facts.packets_sent = 100'000;
  return facts;
}
ReceiverReport Receiver() {
  return {.machine = {.elapsed = 10s, .busy = 3s, .disk = 3s, .disk_cpu = 1s},
          .socket_drops = 0};
}

TEST(Bottleneck, IsWhatTheSenderWaitedForLongest) {
  SenderFacts facts = Facts();
  facts.path = 3s;
  facts.source = 2s;
  facts.credit = 2s;
  EXPECT_EQ(Judge(facts, Receiver()), Bottleneck::kPath);
  EXPECT_EQ(Judge(facts, std::nullopt), Bottleneck::kPath);
  facts.source = 4s;
  EXPECT_EQ(Judge(facts, Receiver()), Bottleneck::kSenderDisk);
  facts.rate_limit = 5s;
  EXPECT_EQ(Judge(facts, Receiver()), Bottleneck::kSenderLimit);
}

TEST(Bottleneck, IsNothingWhereNobodyWaited) {
  EXPECT_EQ(Judge(Facts(), Receiver()), Bottleneck::kNone);
}

TEST(Bottleneck, ABusyThreadIsTheProcessor) {
  SenderFacts facts = Facts();
  facts.path = 9s;
  facts.machine.busy = 8s;
  EXPECT_EQ(Judge(facts, Receiver()), Bottleneck::kSenderCpu);
  facts.machine.busy = 7900ms;
  EXPECT_EQ(Judge(facts, Receiver()), Bottleneck::kPath);
  ReceiverReport receiver = Receiver();
  receiver.machine.busy = 8s;
  EXPECT_EQ(Judge(facts, receiver), Bottleneck::kReceiverCpu);
}

TEST(Bottleneck, NothingInTheWayIsTheProcessorUnlessItsThreadWaited) {
  SenderFacts facts = Facts();
  facts.sending = 9s;
  EXPECT_EQ(Judge(facts, Receiver()), Bottleneck::kPath);
  facts.machine.busy = 0s;  // Not measured.
  EXPECT_EQ(Judge(facts, Receiver()), Bottleneck::kSenderCpu);
}

TEST(Bottleneck, ADiskThatComputesIsTheProcessor) {
  SenderFacts facts = Facts();
  facts.source = 9s;
  facts.machine.disk = 9s;
  facts.machine.disk_cpu = 8s;
  EXPECT_EQ(Judge(facts, Receiver()), Bottleneck::kSenderCpu);
  facts.source = 0s;
  facts.credit = 9s;
  ReceiverReport receiver = Receiver();
  receiver.machine.disk = 9s;
  EXPECT_EQ(Judge(facts, receiver), Bottleneck::kReceiverDisk);
  receiver.machine.disk_cpu = 8s;
  EXPECT_EQ(Judge(facts, receiver), Bottleneck::kReceiverCpu);
}

TEST(Bottleneck, CreditThatAnIdleReceiverGivesIsItsMemory) {
  SenderFacts facts = Facts();
  facts.credit = 9s;
  EXPECT_EQ(Judge(facts, Receiver()), Bottleneck::kReceiverMemory);
  // Nobody says why: most often it is this.
  EXPECT_EQ(Judge(facts, std::nullopt), Bottleneck::kReceiverDisk);
}

TEST(Bottleneck, TheTimeUntilAllIsSyncedIsTheDisks) {
  SenderFacts facts = Facts();
  facts.path = 4s;
  facts.finishing = 6s;
  EXPECT_EQ(Judge(facts, Receiver()), Bottleneck::kReceiverDisk);
}

TEST(Bottleneck, DropsOfTheSocketCountIfTheyAreTheLosses) {
  SenderFacts facts = Facts();
  facts.path = 9s;
  facts.packets_lost = 1000;
  ReceiverReport receiver = Receiver();
  receiver.socket_drops = 500;
  EXPECT_EQ(Judge(facts, receiver), Bottleneck::kReceiverSocket);
  receiver.socket_drops = 499;
  EXPECT_EQ(Judge(facts, receiver), Bottleneck::kPath);
  facts.packets_lost = receiver.socket_drops = 100;
  EXPECT_EQ(Judge(facts, receiver), Bottleneck::kReceiverSocket);
  facts.packets_lost = receiver.socket_drops = 99;
  EXPECT_EQ(Judge(facts, receiver), Bottleneck::kPath);
}

TEST(TransferReport, HasPartsThatAreNoMoreThanAll) {
  TransferReport report;
  EXPECT_EQ(report.loss(), 0);
  EXPECT_EQ(report.retransmitted(), 0);
  report.packets_sent = 200;
  report.packets_lost = 2;
  report.data_bytes_sent = 1;
  report.data_bytes_retransmitted = 3;  // The peer's word.
  EXPECT_EQ(report.loss(), 0.01);
  EXPECT_EQ(report.retransmitted(), 1);
}

// --- Whole sessions: both sides say the same ---

class FakeMeter final : public LoadMeter {
 public:
  Load Read() const override {
    Load load;
    if (pair != nullptr) load.busy = pair->elapsed() * 9 / 10;
    return load;
  }
  const SessionPair* pair = nullptr;
};

// Sends a file of that size, and returns what both sides say of the run.
Bottleneck SendFile(SessionPair& pair, std::size_t size) {
  pair.Add("file", RandomText(size, 1));
  pair.Start();
  EXPECT_TRUE(pair.Run(600s));
  const auto* sent = pair.Find<Completed>(0);
  const auto* received = pair.Find<Completed>(1);
  if (sent == nullptr || received == nullptr || !sent->report ||
      !received->report) {
    ADD_FAILURE() << "a side has no report";
    return Bottleneck::kNone;
  }
  const TransferReport& mine = *sent->report;
  const TransferReport& theirs = *received->report;
  EXPECT_EQ(mine.bottleneck, theirs.bottleneck);
  EXPECT_EQ(mine.packets_sent, theirs.packets_sent);
  EXPECT_EQ(mine.packets_lost, theirs.packets_lost);
  EXPECT_EQ(mine.smoothed_rtt / 1us, theirs.smoothed_rtt / 1us);
  EXPECT_EQ(mine.min_rtt / 1us, theirs.min_rtt / 1us);
  EXPECT_EQ(mine.data_bytes_sent, theirs.data_bytes_sent);
  EXPECT_EQ(mine.data_bytes_retransmitted, theirs.data_bytes_retransmitted);
  return mine.bottleneck;
}

TEST(BottleneckOfASession, ALossyPath) {
  SessionPair pair;
  pair.link().delay = 50ms;
  pair.link().loss = 0.02;
  EXPECT_EQ(SendFile(pair, 3'000'000), Bottleneck::kPath);
  const TransferReport& report = *pair.Find<Completed>(1)->report;
  EXPECT_NEAR(report.loss(), 0.02, 0.01);
  EXPECT_NEAR(report.retransmitted(), 0.02, 0.01);
  EXPECT_GE(report.min_rtt, 100ms);
}

TEST(BottleneckOfASession, TheSendersDisk) {
  SessionPair pair({.slow_disks = true, .slow_side = 0, .disk_turn = 50ms});
  pair.link().delay = 1ms;
  EXPECT_EQ(SendFile(pair, 10'000'000), Bottleneck::kSenderDisk);
}

TEST(BottleneckOfASession, TheReceiversDisk) {
  SessionPair pair({.slow_disks = true, .slow_side = 1, .disk_turn = 200ms});
  pair.link().delay = 1ms;
  EXPECT_EQ(SendFile(pair, 30'000'000), Bottleneck::kReceiverDisk);
}

TEST(BottleneckOfASession, TheSendersProcessor) {
  FakeMeter meter;
  SessionPair pair({.load = {&meter, nullptr}});
  meter.pair = &pair;
  EXPECT_EQ(SendFile(pair, 3'000'000), Bottleneck::kSenderCpu);
}

TEST(BottleneckOfASession, TheReceiversProcessor) {
  FakeMeter meter;
  SessionPair pair({.load = {nullptr, &meter}});
  meter.pair = &pair;
  EXPECT_EQ(SendFile(pair, 3'000'000), Bottleneck::kReceiverCpu);
}

TEST(BottleneckOfASession, TheReceiversSocketBuffer) {
  SessionPair pair;
  std::uint64_t seen = 0;
  std::uint64_t dropped = 0;
  pair.link().filter = [&](int from, ByteSpan payload) {
    if (from != 0 || payload.size() < 1'000 || ++seen % 50 != 0) return true;
    pair.receiver().SetSocketDrops(++dropped);
    return false;
  };
  EXPECT_EQ(SendFile(pair, 3'000'000), Bottleneck::kReceiverSocket);
}

TEST(BottleneckOfASession, IsNothingWithoutBytes) {
  SessionPair pair;
  EXPECT_EQ(SendFile(pair, 0), Bottleneck::kNone);
}

}  // namespace
}  // namespace p2pcp

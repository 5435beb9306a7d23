#include "net/udp/resolver.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "net/base/result.h"
#include "net/base/socket_address.h"
#include "net/base/time.h"
#include "net/udp/event_loop.h"

namespace p2pcp::udp {
namespace {

using Addresses = std::vector<SocketAddress>;

// A name server that is dead until it is opened.
class Gate {
 public:
  void Open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    opened_.notify_all();
  }
  void Pass() {
    std::unique_lock lock(mutex_);
    ++waiting_;
    arrived_.notify_all();
    opened_.wait(lock, [this] { return open_; });
  }
  void AwaitArrivals(int count) {
    std::unique_lock lock(mutex_);
    arrived_.wait(lock, [this, count] { return waiting_ >= count; });
  }
  int arrivals() {
    const std::lock_guard lock(mutex_);
    return waiting_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable opened_;
  std::condition_variable arrived_;
  bool open_ = false;
  int waiting_ = 0;
};

class ResolverTest : public testing::Test {
 protected:
  ResolverTest()
      : loop_(EventLoop::Create().value()), gate_(std::make_shared<Gate>()) {}
  // Lets the threads go, so that none is left when the program ends.
  ~ResolverTest() override { gate_->Open(); }

  std::unique_ptr<Resolver> DeadResolver() {
    return Resolver::Create(
               loop_.get(),
               [gate = gate_](
                   const std::string&) -> Result<std::vector<IpAddress>> {
                 gate->Pass();
                 return std::vector<IpAddress>{*IpAddress::Parse("192.0.2.9")};
               })
        .value();
  }
  TimePoint In(Duration duration) { return loop_->Now() + duration; }
  // Runs the loop until `count` results are there.
  void Await(std::size_t count) {
    const TimePoint end = In(30s);
    while (results_.size() < count && loop_->Now() < end) loop_->RunOnce(end);
    ASSERT_EQ(results_.size(), count);
  }
  Resolver::Callback Store() {
    return [this](Result<Addresses> result) {
      results_.push_back(std::move(result));
    };
  }

  std::unique_ptr<EventLoop> loop_;
  std::shared_ptr<Gate> gate_;
  std::vector<Result<Addresses>> results_;
};

TEST_F(ResolverTest, LiteralAddressesNeedNoThread) {
  const std::unique_ptr<Resolver> resolver = DeadResolver();
  resolver->Resolve("192.0.2.1", 3478, In(10s), Store());
  resolver->Resolve("2001:db8::1", 1, In(10s), Store());
  EXPECT_TRUE(results_.empty());  // Never from within Resolve.
  Await(2);
  ASSERT_TRUE(results_[0].ok());
  EXPECT_EQ(*results_[0], Addresses{*SocketAddress::Parse("192.0.2.1:3478")});
  ASSERT_TRUE(results_[1].ok());
  EXPECT_EQ(*results_[1], Addresses{*SocketAddress::Parse("[2001:db8::1]:1")});
  EXPECT_EQ(gate_->arrivals(), 0);
}

TEST_F(ResolverTest, AnswersWithEachAddressOnceAndThePort) {
  const std::unique_ptr<Resolver> resolver =
      Resolver::Create(
          loop_.get(),
          [](const std::string& host) -> Result<std::vector<IpAddress>> {
            EXPECT_EQ(host, "broker.example");
            const IpAddress a = *IpAddress::Parse("192.0.2.1");
            const IpAddress b = *IpAddress::Parse("2001:db8::1");
            return std::vector<IpAddress>{b, a, b, a};
          })
          .value();
  resolver->Resolve("broker.example", 1883, In(10s), Store());
  Await(1);
  ASSERT_TRUE(results_[0].ok());
  EXPECT_EQ(*results_[0],
            (Addresses{*SocketAddress::Parse("[2001:db8::1]:1883"),
                       *SocketAddress::Parse("192.0.2.1:1883")}));
}

TEST_F(ResolverTest, ANameWithThousandsOfAddressesIsCutShort) {
  const std::unique_ptr<Resolver> resolver =
      Resolver::Create(
          loop_.get(),
          [](const std::string&) -> Result<std::vector<IpAddress>> {
            std::vector<IpAddress> many;
            for (int i = 0; i < 5000; ++i) {
              many.push_back(
                  IpAddress::V4({10, 0, static_cast<std::uint8_t>(i >> 8),
                                 static_cast<std::uint8_t>(i)}));
            }
            return many;
          })
          .value();
  resolver->Resolve("many.example", 1, In(10s), Store());
  Await(1);
  ASSERT_TRUE(results_[0].ok());
  EXPECT_EQ(results_[0]->size(), Resolver::kMaxAddresses);
}

TEST_F(ResolverTest, FindsLocalhostThroughTheSystem) {
  const std::unique_ptr<Resolver> resolver =
      Resolver::Create(loop_.get()).value();
  resolver->Resolve("localhost", 7, In(30s), Store());
  Await(1);
  ASSERT_TRUE(results_[0].ok()) << results_[0].error().message;
  for (const SocketAddress& address : *results_[0]) {
    EXPECT_TRUE(address.ip.IsLoopback()) << address.ToString();
    EXPECT_EQ(address.port, 7);
  }
}

TEST_F(ResolverTest, ADeadNameServerIsGivenUpAtTheDeadline) {
  const std::unique_ptr<Resolver> resolver = DeadResolver();
  const TimePoint deadline = In(20ms);
  resolver->Resolve("dead.example", 1, deadline, Store());
  gate_->AwaitArrivals(1);
  Await(1);
  EXPECT_GE(loop_->Now(), deadline);
  ASSERT_FALSE(results_[0].ok());
  EXPECT_EQ(results_[0].error().code, ErrorCode::kRendezvousUnreachable);
  EXPECT_NE(results_[0].error().message.find("dead.example"),
            std::string::npos);
  // The late answer finds nobody.
  gate_->Open();
  loop_->RunOnce(In(20ms));
  EXPECT_EQ(results_.size(), 1u);
}

TEST_F(ResolverTest, DestructionDoesNotWaitForADeadNameServer) {
  std::unique_ptr<Resolver> resolver = DeadResolver();
  resolver->Resolve("dead.example", 1, In(10ms), Store());
  gate_->AwaitArrivals(1);
  resolver.reset();  // Would hang here for ever.
  gate_->Open();
  loop_->RunOnce(In(20ms));
  EXPECT_TRUE(results_.empty());
}

TEST_F(ResolverTest, ThreadsAndWaitingNamesAreBounded) {
  const std::unique_ptr<Resolver> resolver = DeadResolver();
  const std::size_t asked =
      Resolver::kMaxThreads + Resolver::kMaxRequests + 100;
  for (std::size_t i = 0; i < asked; ++i) {
    resolver->Resolve("dead.example", 1, In(30s), Store());
  }
  gate_->AwaitArrivals(static_cast<int>(Resolver::kMaxThreads));
  while (results_.empty()) loop_->RunOnce(In(30s));
  const std::size_t refused = results_.size();
  // Those that found no room were told at once. How many wait depends on how
  // fast the threads took theirs.
  EXPECT_GE(refused, 100u);
  EXPECT_LE(refused, 100u + Resolver::kMaxThreads);
  for (const Result<Addresses>& result : results_) EXPECT_FALSE(result.ok());
  EXPECT_EQ(gate_->arrivals(), static_cast<int>(Resolver::kMaxThreads));
  // All others are served once the server lives.
  gate_->Open();
  Await(asked);
  for (std::size_t i = refused; i < asked; ++i) EXPECT_TRUE(results_[i].ok());
}

TEST_F(ResolverTest, ACancelledRequestIsNotCalledBack) {
  const std::unique_ptr<Resolver> resolver = DeadResolver();
  const Resolver::RequestId literal = resolver->Resolve(
      "192.0.2.1", 1, In(10s),
      [](Result<Addresses>) { ADD_FAILURE() << "cancelled"; });
  resolver->Cancel(literal);
  resolver->Cancel(literal);
  resolver->Resolve("192.0.2.2", 1, In(10s), Store());
  Await(1);
  EXPECT_TRUE(results_[0].ok());
}

TEST_F(ResolverTest, ACallbackMayDestroyTheResolver) {
  std::unique_ptr<Resolver> resolver = DeadResolver();
  int calls = 0;
  for (int i = 0; i < 3; ++i) {
    resolver->Resolve("192.0.2.1", 1, In(10s), [&](Result<Addresses>) {
      ++calls;
      resolver.reset();
    });
  }
  loop_->RunOnce(In(10s));
  loop_->RunOnce(In(1ms));
  EXPECT_EQ(calls, 1);
}

TEST_F(ResolverTest, ACallbackMayAskAgain) {
  const std::unique_ptr<Resolver> resolver = DeadResolver();
  resolver->Resolve("192.0.2.1", 1, In(10s), [&](Result<Addresses>) {
    resolver->Resolve("192.0.2.2", 1, In(10s), Store());
  });
  Await(1);
  EXPECT_EQ(*results_[0], Addresses{*SocketAddress::Parse("192.0.2.2:1")});
}

TEST_F(ResolverTest, WhatIsNoHostNameIsRefusedWithoutAskingAnyone) {
  const std::unique_ptr<Resolver> resolver = DeadResolver();
  for (const std::string& host :
       {std::string(), std::string(254, 'a'), std::string("a\0b", 3)}) {
    resolver->Resolve(host, 1, In(10s), Store());
  }
  Await(3);
  for (const Result<Addresses>& result : results_) EXPECT_FALSE(result.ok());
  EXPECT_EQ(gate_->arrivals(), 0);
}

TEST_F(ResolverTest, PassesOnWhyALookupFailed) {
  const std::unique_ptr<Resolver> resolver =
      Resolver::Create(
          loop_.get(),
          [](const std::string&) -> Result<std::vector<IpAddress>> {
            return Error{ErrorCode::kRendezvousUnreachable, "no such name", 0};
          })
          .value();
  resolver->Resolve("nowhere.example", 1, In(10s), Store());
  Await(1);
  ASSERT_FALSE(results_[0].ok());
  EXPECT_EQ(results_[0].error().message, "no such name");
}

}  // namespace
}  // namespace p2pcp::udp

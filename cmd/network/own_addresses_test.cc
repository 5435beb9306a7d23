#include "cmd/network/own_addresses.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "net/base/result.h"
#include "net/base/socket_address.h"
#include "net/crypto/identity.h"

namespace p2pcp::cmd {
namespace {

// IPv6 only, so that no router is asked for a mapping.
class OwnAddressesTest : public ::testing::Test {
 protected:
  OwnAddressesTest()
      : loop_(*udp::EventLoop::Create()),
        resolver_(*udp::Resolver::Create(
            loop_.get(),
            [](const std::string& host) -> Result<std::vector<IpAddress>> {
              if (host != "stun.example") {
                return Error{ErrorCode::kRendezvousUnreachable, "no such name"};
              }
              return std::vector<IpAddress>{*IpAddress::Parse("192.0.2.1"),
                                            *IpAddress::Parse("2001:db8::1"),
                                            *IpAddress::Parse("2001:db8::2")};
            })),
        network_(*LocalNetwork::Open({.ipv4 = false})),
        self_(crypto::Identity::Generate(random_)),
        peer_(crypto::Identity::Generate(random_)),
        connector_(loop_->Now(), udp::WallTime(),
                   {ice::Role::kControlling, &self_, peer_.public_key(),
                    std::nullopt, /*loopback=*/true},
                   random_) {}

  void Start(std::vector<StunServer> servers) {
    own_addresses_.emplace(
        loop_.get(), resolver_.get(), &random_, &network_, &connector_,
        OwnAddresses::Config{
            .stun_servers = std::move(servers),
            .loopback = true,
            .upnp = {"/bin/false", {}},
            .on_moved = [this] { ++moved_; },
            .on_step =
                [this](const std::string& text) { steps_.push_back(text); }});
  }

  // Whom the connector asks, as soon as it asks somebody or a step was told.
  std::vector<SocketAddress> Asked() {
    std::vector<SocketAddress> asked;
    std::array<std::byte, 2048> buffer;
    const TimePoint limit = loop_->Now() + 20s;
    while (asked.empty() && steps_.empty() && loop_->Now() < limit) {
      loop_->RunOnce(std::min(limit, loop_->Now() + 10ms));
      connector_.HandleTimeout(loop_->Now(), udp::WallTime());
      while (const auto request =
                 connector_.PollTransmit(loop_->Now(), buffer)) {
        asked.push_back(request->to);
      }
    }
    return asked;
  }

  SystemRandom random_;
  std::unique_ptr<udp::EventLoop> loop_;
  std::unique_ptr<udp::Resolver> resolver_;
  LocalNetwork network_;
  crypto::Identity self_;
  crypto::Identity peer_;
  connect::Connector connector_;
  std::optional<OwnAddresses> own_addresses_;
  std::vector<std::string> steps_;
  int moved_ = 0;
};

TEST_F(OwnAddressesTest, AsksOneAddressOfAServerInEachFamilyThatIsThere) {
  Start({{"stun.example", 3478}});
  EXPECT_EQ(Asked(), std::vector<SocketAddress>{
                         *SocketAddress::Parse("[2001:db8::1]:3478")});
  EXPECT_TRUE(steps_.empty());
}

TEST_F(OwnAddressesTest, TellsWhichServerHasNoAddress) {
  Start({{"gone.example", 3478}});
  EXPECT_TRUE(Asked().empty());
  EXPECT_EQ(steps_,
            std::vector<std::string>{"STUN server gone.example: no such name"});
}

TEST_F(OwnAddressesTest, DoesNotTakeAHostThatStandsStillForOneThatMoves) {
  Start({});
  own_addresses_->Rescan();
  EXPECT_EQ(moved_, 0);
  EXPECT_TRUE(steps_.empty());
}

}  // namespace
}  // namespace p2pcp::cmd

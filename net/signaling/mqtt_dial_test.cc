#include "net/signaling/mqtt_dial.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <mosquitto.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <vector>

#include "gtest/gtest.h"

namespace p2pcp::signaling {
namespace {

// Nothing here takes this long unless it hangs.
constexpr int kPatienceMs = 20'000;

class MqttDialTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { MqttDial::InitLibrary(/*with_tls=*/false); }

  MqttDialTest()
      : wake_(eventfd(0, EFD_CLOEXEC)),
        listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)),
        handle_(mosquitto_new("id", /*clean_session=*/true, nullptr)) {
    address_.sin_family = AF_INET;
    address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address_);
    EXPECT_EQ(bind(listener_, Address(), size), 0);
    EXPECT_EQ(getsockname(listener_, Address(), &size), 0);
  }
  ~MqttDialTest() override {
    mosquitto_destroy(handle_);
    close(listener_);
    close(wake_);
  }

  sockaddr* Address() { return reinterpret_cast<sockaddr*>(&address_); }
  std::unique_ptr<MqttDial> Start() {
    return MqttDial::Start({.handle = handle_,
                            .host = "127.0.0.1",
                            .port = ntohs(address_.sin_port),
                            .keepalive_seconds = 20,
                            .wake_fd = wake_});
  }
  // Whether the dial's thread has ended within `milliseconds`.
  bool Wakes(int milliseconds) {
    pollfd wake = {wake_, POLLIN, 0};
    return poll(&wake, 1, milliseconds) == 1;
  }

  const int wake_;
  const int listener_;
  sockaddr_in address_ = {};
  mosquitto* const handle_;
};

TEST_F(MqttDialTest, WakesItsOwnerWhenThereIsAConnection) {
  ASSERT_EQ(listen(listener_, 1), 0);
  const auto dial = Start();
  ASSERT_NE(dial, nullptr);
  ASSERT_TRUE(Wakes(kPatienceMs));
  EXPECT_TRUE(dial->done());
  EXPECT_EQ(dial->Join().result, MOSQ_ERR_SUCCESS);
  EXPECT_GE(mosquitto_socket(handle_), 0);
}

TEST_F(MqttDialTest, SaysWhyThereIsNone) {
  // Bound, but nobody listens.
  const auto dial = Start();
  ASSERT_NE(dial, nullptr);
  ASSERT_TRUE(Wakes(kPatienceMs));
  const MqttDial::Outcome outcome = dial->Join();
  EXPECT_EQ(outcome.result, MOSQ_ERR_ERRNO);
  EXPECT_EQ(outcome.os_errno, ECONNREFUSED);
}

// A host that says nothing would hold a dial for two minutes (tcp(7),
// tcp_syn_retries).
TEST_F(MqttDialTest, CanBeInterrupted) {
  ASSERT_EQ(listen(listener_, 0), 0);
  // A full queue makes the kernel drop each further SYN.
  std::vector<int> filling;
  for (int i = 0; i < 4; ++i) {
    filling.push_back(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
    connect(filling.back(), Address(), sizeof(address_));
  }
  const auto dial = Start();
  ASSERT_NE(dial, nullptr);
  EXPECT_FALSE(Wakes(200));
  EXPECT_FALSE(dial->done());
  // It may not have begun to wait at the first time.
  for (int i = 0; i < kPatienceMs / 100 && !dial->done(); ++i) {
    dial->Interrupt();
    Wakes(100);
  }
  ASSERT_TRUE(Wakes(kPatienceMs));
  const MqttDial::Outcome outcome = dial->Join();
  EXPECT_EQ(outcome.result, MOSQ_ERR_ERRNO);
  EXPECT_EQ(outcome.os_errno, EINTR);
  for (const int fd : filling) close(fd);
}

}  // namespace
}  // namespace p2pcp::signaling

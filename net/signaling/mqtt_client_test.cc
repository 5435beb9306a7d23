// MqttClient with its child against a real mosquitto, and against a broker that
// says whatever it likes. The test binary is its own child program.

#include "net/signaling/mqtt_client.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/result.h"
#include "net/base/sanitizer.h"
#include "net/base/time.h"
#include "net/signaling/broker_url.h"
#include "net/signaling/mqtt_child.h"

extern char** environ;

namespace p2pcp::signaling {
namespace {

constexpr char kChildVerb[] = "--mqtt-child";
constexpr char kOrphanVerb[] = "--orphan";
constexpr char kTopic[] = "tttttttttttttttttttttttttttttttt";
// Nothing here takes this long unless it hangs; reconnecting takes 1 to 5 s.
constexpr std::chrono::seconds kPatience(25);

TimePoint Now() {
  return TimePoint(std::chrono::steady_clock::now().time_since_epoch());
}

pid_t Spawn(const std::vector<std::string>& words, bool quiet = true) {
  std::vector<char*> arguments;
  for (const std::string& word : words) {
    arguments.push_back(const_cast<char*>(word.c_str()));
  }
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  if (quiet) {
    posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&files, 2, "/dev/null", O_WRONLY, 0);
  }
  pid_t pid = -1;
  EXPECT_EQ(posix_spawn(&pid, arguments[0], &files, nullptr, arguments.data(),
                        environ),
            0)
      << words[0];
  posix_spawn_file_actions_destroy(&files);
  return pid;
}

int Listen(std::uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int yes = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)),
            0);
  EXPECT_EQ(listen(fd, 8), 0);
  return fd;
}

std::uint16_t PortOf(int fd) {
  sockaddr_in address = {};
  socklen_t size = sizeof(address);
  getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  return ntohs(address.sin_port);
}

// A port that nobody listens on.
std::uint16_t FreePort() {
  const int fd = Listen(0);
  const std::uint16_t port = PortOf(fd);
  close(fd);
  return port;
}

std::string TempFile(const std::string& name) {
  return ::testing::TempDir() + "/mqtt_client_test_" +
         std::to_string(getpid()) + "_" + name;
}

Broker At(std::uint16_t port) {
  Broker broker;
  broker.host = "127.0.0.1";
  broker.port = port;
  return broker;
}

// A real mosquitto.
class RealBroker {
 public:
  explicit RealBroker(std::uint16_t port = FreePort(), std::string extra = "")
      : port_(port), config_(TempFile(std::to_string(port) + ".conf")) {
    std::ofstream(config_) << "listener " << port << " 127.0.0.1\n"
                           << extra << "allow_anonymous true\n"
                           << "persistence false\n"
                           << (geteuid() == 0 ? "user root\n" : "");
    Start();
  }
  ~RealBroker() {
    Kill();
    unlink(config_.c_str());
  }

  void Start() {
    pid_ = Spawn({"/usr/sbin/mosquitto", "-c", config_});
    const auto end = std::chrono::steady_clock::now() + kPatience;
    while (std::chrono::steady_clock::now() < end) {
      const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      sockaddr_in address = {};
      address.sin_family = AF_INET;
      address.sin_port = htons(port_);
      address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      const bool up = connect(fd, reinterpret_cast<sockaddr*>(&address),
                              sizeof(address)) == 0;
      close(fd);
      if (up) return;
      poll(nullptr, 0, 10);
    }
    FAIL() << "mosquitto does not start";
  }
  void Kill() {
    if (pid_ < 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }

  Broker broker() const { return At(port_); }

 private:
  const std::uint16_t port_;
  const std::string config_;
  pid_t pid_ = -1;
};

// Speaks just enough MQTT, for one connection after the other, on a thread.
class FakeBroker {
 public:
  // Called with a connection that has been made; the broker hangs up after.
  using Script = std::function<void(FakeBroker&, int fd)>;

  explicit FakeBroker(Script script)
      : listener_(Listen(0)), script_(std::move(script)) {
    thread_ = std::thread([this] { Serve(); });
  }
  ~FakeBroker() {
    stop_ = true;
    shutdown(listener_, SHUT_RDWR);
    thread_.join();
    close(listener_);
  }

  Broker broker() const { return At(PortOf(listener_)); }
  bool stopped() const { return stop_; }
  int connections() const { return connections_; }

  // One packet: its type byte and what follows the length. Empty at the end.
  static std::pair<std::uint8_t, std::string> ReadPacket(int fd) {
    std::uint8_t type = 0;
    if (!ReadAll(fd, &type, 1)) return {0, ""};
    std::size_t size = 0;
    for (int shift = 0; shift < 28; shift += 7) {
      std::uint8_t byte = 0;
      if (!ReadAll(fd, &byte, 1)) return {0, ""};
      size |= static_cast<std::size_t>(byte & 127) << shift;
      if ((byte & 128) == 0) break;
    }
    std::string body(size, '\0');
    if (!ReadAll(fd, body.data(), size)) return {0, ""};
    return {type, body};
  }
  static bool Write(int fd, const std::string& bytes) {
    std::size_t sent = 0;
    while (sent < bytes.size()) {
      const ssize_t n =
          send(fd, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
      if (n <= 0) return false;
      sent += static_cast<std::size_t>(n);
    }
    return true;
  }
  // The protocol level of the CONNECT (4: 3.1.1, 5), 0 if none came.
  static int ReadConnect(int fd) {
    const auto [type, body] = ReadPacket(fd);
    return type == 0x10 && body.size() > 6 ? body[6] : 0;
  }
  // CONNACK and SUBACKs until count subscriptions are acknowledged (MQTT 5).
  static bool Accept(int fd, int level) {
    if (level != 5) return false;
    if (!Write(fd, std::string("\x20\x03\x00\x00\x00", 5))) return false;
    const auto [type, body] = ReadPacket(fd);
    if (type != 0x82) return false;
    return Write(fd, std::string("\x90\x04", 2) + body.substr(0, 2) +
                         std::string("\x00\x01", 2));
  }
  // A PUBLISH of QoS 0, MQTT 5.
  static std::string PublishPacket(const std::string& payload, bool retain) {
    std::string body =
        std::string("\x00\x20", 2) + kTopic + std::string(1, '\0') + payload;
    std::string packet(1, retain ? '\x31' : '\x30');
    std::size_t size = body.size();
    do {
      const std::size_t low = size & 127;
      size >>= 7;
      packet += static_cast<char>(low | (size > 0 ? 128 : 0));
    } while (size > 0);
    return packet + body;
  }

 private:
  static bool ReadAll(int fd, void* out, std::size_t size) {
    auto* at = static_cast<char*>(out);
    while (size > 0) {
      const ssize_t n = recv(fd, at, size, 0);
      if (n <= 0) return false;
      at += n;
      size -= static_cast<std::size_t>(n);
    }
    return true;
  }

  void Serve() {
    while (!stop_) {
      const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) continue;
      ++connections_;
      const timeval patience = {5, 0};
      setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
      setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
      script_(*this, fd);
      close(fd);
    }
  }

  const int listener_;
  const Script script_;
  std::atomic<bool> stop_ = false;
  std::atomic<int> connections_ = 0;
  std::thread thread_;
};

std::string OwnPath() {
  char path[4096];
  const ssize_t size = readlink("/proc/self/exe", path, sizeof(path));
  return std::string(path, static_cast<std::size_t>(size));
}

// A client with what it has told.
class Client {
 public:
  explicit Client(std::vector<Broker> brokers,
                  std::vector<std::string> topics = {kTopic}) {
    auto started =
        MqttClient::Start(Now(), {OwnPath(), {kChildVerb}}, std::move(brokers));
    EXPECT_TRUE(started.ok());
    client_ = std::move(started).value();
    client_->SetTopics(std::move(topics));
  }

  // Pumps until done() or for kPatience; returns done().
  bool Until(const std::function<bool()>& done,
             std::chrono::milliseconds patience = kPatience) {
    const auto end = std::chrono::steady_clock::now() + patience;
    while (!done()) {
      if (std::chrono::steady_clock::now() >= end) return false;
      Pump();
    }
    return true;
  }
  void Pump() {
    pollfd ready = {client_->fd(), POLLIN, 0};
    poll(&ready, 1, 20);
    client_->HandleReadable(Now());
    client_->HandleTimeout(Now());
    while (auto event = client_->PollEvent()) {
      if (const auto* up = std::get_if<MqttClient::BrokerUp>(&*event)) {
        ups.push_back(up->broker);
      } else if (auto* down = std::get_if<MqttClient::BrokerDown>(&*event)) {
        downs.emplace_back(down->broker, down->error.message);
      } else if (auto* message = std::get_if<MqttClient::Message>(&*event)) {
        messages.push_back(std::move(*message));
      }
    }
  }
  bool UntilUp(std::size_t count) {
    return Until([&] { return client_->up_count() >= count; });
  }
  // Publishes again and again until it has come back from a broker.
  bool Echoes() {
    const std::size_t before = messages.size();
    const auto echoed = [&] { return messages.size() > before; };
    const auto end = std::chrono::steady_clock::now() + kPatience;
    while (std::chrono::steady_clock::now() < end) {
      client_->Publish(kTopic, Bytes(1024, std::byte{1}));
      if (Until(echoed, std::chrono::milliseconds(300))) return true;
    }
    return false;
  }
  // Peak resident size of the child, KiB.
  long ChildPeak() const {
    std::ifstream status("/proc/" + std::to_string(client_->child_pid()) +
                         "/status");
    for (std::string line; std::getline(status, line);) {
      if (line.starts_with("VmHWM:")) return std::atol(line.c_str() + 6);
    }
    return -1;
  }

  MqttClient* operator->() { return client_.get(); }
  void Destroy() { client_.reset(); }

  std::vector<std::size_t> ups;
  std::vector<std::pair<std::size_t, std::string>> downs;
  std::vector<MqttClient::Message> messages;

 private:
  std::unique_ptr<MqttClient> client_;
};

TEST(MqttClient, CarriesMessagesBetweenTwoClients) {
  RealBroker broker;
  Client alice({broker.broker()}, {"from-bob"});
  Client bob({broker.broker()}, {"from-alice", "from-alice-tomorrow"});
  ASSERT_TRUE(alice.UntilUp(1));
  ASSERT_TRUE(bob.UntilUp(1));
  const Bytes payload(1024, std::byte{7});
  alice->Publish("from-alice", payload);
  ASSERT_TRUE(bob.Until([&] { return bob.messages.size() == 1; }));
  EXPECT_EQ(bob.messages[0].topic, "from-alice");
  EXPECT_EQ(bob.messages[0].payload, payload);
  EXPECT_TRUE(alice.messages.empty());
}

TEST(MqttClient, StaysSmall) {
  RealBroker broker;
  Client client({broker.broker(), At(FreePort()), At(FreePort())});
  ASSERT_TRUE(client.UntilUp(1));
  ASSERT_TRUE(client.Echoes());
  if (!kSanitized) {
    EXPECT_LT(client.ChildPeak(), 12 * 1024);
  }
}

TEST(MqttClient, ComesUpWhenTheBrokerDoes) {
  const std::uint16_t port = FreePort();
  Client client({At(port)});
  ASSERT_TRUE(client.Until([&] { return !client.downs.empty(); }));
  EXPECT_NE(client.downs[0].second.find("Connection refused"),
            std::string::npos)
      << client.downs[0].second;
  RealBroker broker(port);
  ASSERT_TRUE(client.UntilUp(1));
  EXPECT_TRUE(client.Echoes());
}

// A host that moves, while a dial or a broker keeps the child waiting.
TEST(MqttClient, RedialsWithAnotherChildAndLeavesNoneBehind) {
  RealBroker broker;
  Client client({broker.broker()});
  ASSERT_TRUE(client.UntilUp(1));
  std::vector<pid_t> children = {client->child_pid()};
  for (int i = 0; i < 3; ++i) {
    client->Redial(Now());
    EXPECT_EQ(client->up_count(), 0U);
    ASSERT_TRUE(client.UntilUp(1));
    EXPECT_TRUE(client.Echoes());
    children.push_back(client->child_pid());
  }
  EXPECT_EQ(std::set<pid_t>(children.begin(), children.end()).size(), 4U);
  children.pop_back();
  EXPECT_TRUE(client.Until([&] {
    return std::all_of(children.begin(), children.end(),
                       [](pid_t child) { return kill(child, 0) != 0; });
  }));
}

TEST(MqttClient, SubscribesAgainWhenTheBrokerWasRestarted) {
  RealBroker broker;
  Client client({broker.broker()});
  ASSERT_TRUE(client.UntilUp(1));
  broker.Kill();
  ASSERT_TRUE(client.Until([&] { return client->up_count() == 0; }));
  broker.Start();
  ASSERT_TRUE(client.UntilUp(1));
  EXPECT_EQ(client.ups.size(), 2u);
  EXPECT_TRUE(client.Echoes());
}

TEST(MqttClient, IsNotHeldUpByBrokersThatAreDeadOrSilent) {
  RealBroker broker;
  FakeBroker silent([](FakeBroker&, int fd) { FakeBroker::ReadPacket(fd); });
  Broker nameless = At(1883);
  nameless.host = "no-such-host.invalid";
  // TEST-NET-1 (RFC 5737): packets to it are lost wherever they end up.
  Broker black_hole = At(1883);
  black_hole.host = "192.0.2.1";
  Client client(
      {black_hole, silent.broker(), nameless, At(FreePort()), broker.broker()});
  ASSERT_TRUE(client.Until([&] { return client->up_count() == 1; },
                           std::chrono::seconds(4)));
  EXPECT_EQ(client.ups, std::vector<std::size_t>{4});
  EXPECT_TRUE(client.Echoes());
}

TEST(MqttClient, SubscribesToNewTopicsAndLeavesOldOnes) {
  RealBroker broker;
  Client client({broker.broker()}, {"monday", "tuesday"});
  Client other({broker.broker()}, {kTopic});
  ASSERT_TRUE(client.UntilUp(1));
  ASSERT_TRUE(other.UntilUp(1));
  client->SetTopics({"tuesday", "wednesday"});
  EXPECT_EQ(client->up_count(), 0u);
  ASSERT_TRUE(client.UntilUp(1));
  for (const char* topic : {"monday", "tuesday", "wednesday"}) {
    other->Publish(topic, Bytes(8, std::byte{1}));
  }
  ASSERT_TRUE(client.Until([&] { return client.messages.size() == 2; }));
  EXPECT_EQ(client.messages[0].topic, "tuesday");
  EXPECT_EQ(client.messages[1].topic, "wednesday");
  // The same ones again are no news.
  client->SetTopics({"tuesday", "wednesday"});
  EXPECT_EQ(client->up_count(), 1u);
}

TEST(MqttClient, SurvivesAPublishOf256Megabytes) {
  RealBroker honest;
  // Declares the largest packet that MQTT knows and sends all it can of it.
  FakeBroker hostile([](FakeBroker& self, int fd) {
    if (!FakeBroker::Accept(fd, FakeBroker::ReadConnect(fd))) return;
    FakeBroker::Write(fd, std::string("\x30\xff\xff\xff\x7f", 5));
    const std::string flood(1 << 20, 'x');
    for (int i = 0; i < 256 && !self.stopped(); ++i) {
      if (!FakeBroker::Write(fd, flood)) return;
    }
  });
  Client client({hostile.broker(), honest.broker()});
  ASSERT_TRUE(client.UntilUp(1));
  const pid_t child = client->child_pid();
  if (!kSanitized) {
    ASSERT_TRUE(client.Until([&] {
      for (const auto& [index, reason] : client.downs) {
        if (index == 0) return true;
      }
      return false;
    }));
    EXPECT_LT(client.ChildPeak(), 24 * 1024);
  }
  EXPECT_TRUE(client.Echoes());
  EXPECT_EQ(client->child_pid(), child);
}

// Small enough for the limit of memory, too large for anything honest.
TEST(MqttClient, DropsABrokerThatSendsMegabytes) {
  RealBroker honest;
  FakeBroker hostile([](FakeBroker& self, int fd) {
    if (!FakeBroker::Accept(fd, FakeBroker::ReadConnect(fd))) return;
    const std::string packet =
        FakeBroker::PublishPacket(std::string(5 << 20, 'x'), false);
    while (!self.stopped() && FakeBroker::Write(fd, packet)) {
    }
  });
  Client client({hostile.broker(), honest.broker()});
  ASSERT_TRUE(client.UntilUp(1));
  if (!kSanitized) {
    ASSERT_TRUE(client.Until([&] { return hostile.connections() >= 2; }));
    EXPECT_LT(client.ChildPeak(), 24 * 1024);
  }
  EXPECT_TRUE(client.Echoes());
  for (const auto& message : client.messages) {
    EXPECT_EQ(message.payload.size(), 1024u);
  }
}

TEST(MqttClient, PassesOnNeitherRetainedNorLongMessages) {
  FakeBroker broker([](FakeBroker&, int fd) {
    if (!FakeBroker::Accept(fd, FakeBroker::ReadConnect(fd))) return;
    FakeBroker::Write(fd, FakeBroker::PublishPacket("kept", true));
    FakeBroker::Write(fd,
                      FakeBroker::PublishPacket(std::string(4097, 'x'), false));
    FakeBroker::Write(fd, FakeBroker::PublishPacket("fresh", false));
    FakeBroker::ReadPacket(fd);
  });
  Client client({broker.broker()});
  ASSERT_TRUE(client.Until([&] { return !client.messages.empty(); }));
  EXPECT_EQ(AsText(client.messages[0].payload), "fresh");
}

// A broker that sends as fast as it can gets 200 messages a second through,
// and our other brokers still work.
TEST(MqttClient, ThrottlesABrokerThatFloods) {
  RealBroker honest;
  FakeBroker hostile([](FakeBroker& self, int fd) {
    if (!FakeBroker::Accept(fd, FakeBroker::ReadConnect(fd))) return;
    std::string packets;
    for (int i = 0; i < 1000; ++i) {
      packets += FakeBroker::PublishPacket("flood", false);
    }
    while (!self.stopped() && FakeBroker::Write(fd, packets)) {
    }
  });
  const auto begin = std::chrono::steady_clock::now();
  const auto elapsed = [begin] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() -
                                         begin)
        .count();
  };
  Client client({hostile.broker(), honest.broker()});
  ASSERT_TRUE(client.UntilUp(2));
  ASSERT_TRUE(client.Until([&] { return elapsed() > 1.5; }));
  EXPECT_GT(client.messages.size(), 256u);
  EXPECT_LT(static_cast<double>(client.messages.size()),
            256 + 200 * elapsed() + 50);
  ASSERT_TRUE(client.Until([&] { return client->up_count() == 2; }));
  client->Publish(kTopic, Bytes(1024, std::byte{1}));
  // More of the flood may have come behind it.
  EXPECT_TRUE(client.Until([&] {
    return std::any_of(
        client.messages.begin(), client.messages.end(),
        [](const auto& message) { return message.payload.size() == 1024; });
  }));
}

// Brokers with Nagle's algorithm send nothing more before that.
TEST(MqttClient, AcknowledgesWhatComesAtOnce) {
  std::vector<std::chrono::milliseconds> waits;
  std::atomic<bool> over = false;
  FakeBroker broker([&](FakeBroker& self, int fd) {
    if (!FakeBroker::Accept(fd, FakeBroker::ReadConnect(fd))) return;
    for (int i = 0; i < 20; ++i) {
      // The client has sent something, so that its kernel expects it to do so
      // again, and would let the acknowledgement wait for that.
      FakeBroker::ReadPacket(fd);
      const auto begin = std::chrono::steady_clock::now();
      FakeBroker::Write(fd, FakeBroker::PublishPacket("first", false));
      FakeBroker::Write(fd, FakeBroker::PublishPacket("second", false));
      for (int unsent = 1; unsent > 0 && !self.stopped();) {
        ioctl(fd, SIOCOUTQNSD, &unsent);
        poll(nullptr, 0, 1);
      }
      waits.push_back(std::chrono::duration_cast<std::chrono::milliseconds>(
          std::chrono::steady_clock::now() - begin));
    }
    over = true;
    FakeBroker::ReadPacket(fd);
  });
  Client client({broker.broker()});
  ASSERT_TRUE(client.UntilUp(1));
  for (std::size_t i = 0; i < 20; ++i) {
    client->Publish(kTopic, Bytes(1024, std::byte{1}));
    ASSERT_TRUE(
        client.Until([&] { return client.messages.size() >= 2 * i + 2; }));
  }
  ASSERT_TRUE(client.Until([&] { return over.load(); }));
  std::ranges::sort(waits);
  // All of them take 40 ms else; these processes may have to wait for another.
  EXPECT_LT(waits[3].count(), 30);
}

TEST(MqttClient, SpeaksMqtt311ToABrokerThatKnowsNoOther) {
  FakeBroker broker([](FakeBroker&, int fd) {
    const int level = FakeBroker::ReadConnect(fd);
    if (level != 4) {
      FakeBroker::Write(fd, std::string("\x20\x02\x00\x01", 4));
      return;
    }
    FakeBroker::Write(fd, std::string("\x20\x02\x00\x00", 4));
    const auto [type, body] = FakeBroker::ReadPacket(fd);
    FakeBroker::Write(fd, std::string("\x90\x03", 2) + body.substr(0, 2) +
                              std::string("\x01", 1));
    FakeBroker::ReadPacket(fd);
  });
  Client client({broker.broker()});
  EXPECT_TRUE(client.UntilUp(1));
  EXPECT_TRUE(client.downs.empty());
}

TEST(MqttClient, SaysWhyABrokerRefuses) {
  FakeBroker broker([](FakeBroker&, int fd) {
    FakeBroker::ReadConnect(fd);
    // MQTT 5: not authorised.
    FakeBroker::Write(fd, std::string("\x20\x03\x00\x87\x00", 5));
  });
  Client client({broker.broker()});
  ASSERT_TRUE(client.Until([&] { return !client.downs.empty(); }));
  EXPECT_NE(client.downs[0].second.find("refused"), std::string::npos)
      << client.downs[0].second;
  EXPECT_NE(client.downs[0].second.find("USER@HOST"), std::string::npos);
}

// What a port that speaks TLS makes of CONNECT: an alert (RFC 8446 section 6),
// or nothing; either before our SUBSCRIBE is written or after.
TEST(MqttClient, SuggestsTlsWhereNobodyAnswersInMqtt) {
  for (const std::string& answer :
       {std::string(), std::string("\x15\x03\x03\x00\x02\x02\x46", 7)}) {
    for (const bool reads : {false, true}) {
      FakeBroker broker([&](FakeBroker&, int fd) {
        if (reads) {
          FakeBroker::ReadPacket(fd);
          FakeBroker::ReadPacket(fd);
        }
        FakeBroker::Write(fd, answer);
      });
      Client client({broker.broker()});
      ASSERT_TRUE(client.Until([&] { return !client.downs.empty(); }));
      EXPECT_NE(client.downs[0].second.find("with TLS it is mqtts://"),
                std::string::npos)
          << client.downs[0].second;
    }
  }
}

TEST(MqttClient, PublishesNothingBeforeItsTopicsAreAcknowledged) {
  std::atomic<int> early = 0;
  FakeBroker broker([&early](FakeBroker&, int fd) {
    FakeBroker::ReadConnect(fd);
    FakeBroker::Write(fd, std::string("\x20\x03\x00\x00\x00", 5));
    const auto [type, body] = FakeBroker::ReadPacket(fd);
    // Whatever comes now comes without a SUBACK.
    const timeval patience = {0, 300000};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    if (FakeBroker::ReadPacket(fd).first != 0) ++early;
    FakeBroker::Write(fd, std::string("\x90\x04", 2) + body.substr(0, 2) +
                              std::string("\x00\x01", 2));
    FakeBroker::ReadPacket(fd);
  });
  Client client({broker.broker()});
  for (int i = 0; i < 20; ++i) {
    client->Publish(kTopic, Bytes(1024, std::byte{1}));
    client.Pump();
  }
  ASSERT_TRUE(client.UntilUp(1));
  EXPECT_EQ(early, 0);
}

TEST(MqttClient, NeitherBlocksNorGrowsWhileItsChildIsStopped) {
  RealBroker broker;
  Client client({broker.broker()});
  ASSERT_TRUE(client.UntilUp(1));
  kill(client->child_pid(), SIGSTOP);
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 10000; ++i) {
    client->Publish(kTopic, Bytes(1024, std::byte{1}));
  }
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(2));
  EXPECT_GT(client->stats().publishes_dropped, 9000u);
  kill(client->child_pid(), SIGCONT);
  ASSERT_TRUE(client.Until([&] { return !client.messages.empty(); }));
}

TEST(MqttClient, StartsAnotherChildWhenOneDies) {
  RealBroker broker;
  Client client({broker.broker()});
  ASSERT_TRUE(client.UntilUp(1));
  const int fd = client->fd();
  kill(client->child_pid(), SIGKILL);
  ASSERT_TRUE(client.Until([&] { return client->up_count() == 0; }));
  EXPECT_TRUE(client->PollTimeout().has_value());
  ASSERT_TRUE(client.UntilUp(1));
  EXPECT_EQ(client->stats().child_restarts, 1u);
  EXPECT_EQ(client->fd(), fd);
  EXPECT_TRUE(client.Echoes());
}

TEST(MqttClient, ReportsAProgramThatCannotBeStarted) {
  const auto client =
      MqttClient::Start(Now(), {"/nonexistent", {}}, {At(FreePort())});
  ASSERT_FALSE(client.ok());
  EXPECT_EQ(client.error().os_errno, ENOENT);
}

TEST(MqttClient, SendsItsLastMessagesBeforeItGoes) {
  RealBroker broker;
  Client alice({broker.broker()}, {"from-bob"});
  Client bob({broker.broker()}, {"from-alice"});
  ASSERT_TRUE(alice.UntilUp(1));
  ASSERT_TRUE(bob.UntilUp(1));
  alice->Publish("from-alice", AsBytes("bye"));
  alice.Destroy();
  ASSERT_TRUE(bob.Until([&] { return !bob.messages.empty(); }));
  EXPECT_EQ(AsText(bob.messages[0].payload), "bye");
}

TEST(MqttClient, HandsNoOtherDescriptorToItsChild) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);  // Without close-on-exec.
  Client client({At(FreePort())});
  ASSERT_TRUE(client.Until([&] { return !client.downs.empty(); }));
  close(ends[1]);
  pollfd end = {ends[0], POLLIN, 0};
  ASSERT_EQ(poll(&end, 1, 5000), 1);
  EXPECT_NE(end.revents & POLLHUP, 0);
  close(ends[0]);
}

// Gone, or a zombie that whoever adopted it has not collected yet.
bool IsDead(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::stringstream text;
  text << file.rdbuf();
  const std::size_t name = text.str().rfind(')');
  return name == std::string::npos || text.str().substr(name + 2, 1) == "Z";
}

TEST(MqttClient, DiesWithItsParent) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const pid_t parent =
      Spawn({OwnPath(), kOrphanVerb, std::to_string(ends[1])}, false);
  pid_t child = -1;
  ASSERT_EQ(read(ends[0], &child, sizeof(child)),
            static_cast<ssize_t>(sizeof(child)));
  close(ends[0]);
  close(ends[1]);
  ASSERT_FALSE(IsDead(child));
  kill(parent, SIGKILL);
  waitpid(parent, nullptr, 0);
  for (int i = 0; i < 500 && !IsDead(child); ++i) poll(nullptr, 0, 10);
  EXPECT_TRUE(IsDead(child));
}

// A broker with a certificate for the given name, signed by itself.
class TlsBroker {
 public:
  explicit TlsBroker(const std::string& name)
      : key_(TempFile("key.pem")), certificate_(TempFile("cert.pem")) {
    const pid_t pid =
        Spawn({"/usr/bin/openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
               "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
               "/CN=test", "-addext", "subjectAltName=" + name, "-keyout", key_,
               "-out", certificate_});
    int status = 0;
    waitpid(pid, &status, 0);
    EXPECT_EQ(status, 0);
    chmod(key_.c_str(), 0644);
    real_.emplace(FreePort(),
                  "certfile " + certificate_ + "\nkeyfile " + key_ + "\n");
  }
  ~TlsBroker() {
    unlink(key_.c_str());
    unlink(certificate_.c_str());
  }

  Broker broker(bool trusted) const {
    Broker broker = real_->broker();
    broker.tls = true;
    if (trusted) broker.ca_file = certificate_;
    return broker;
  }

 private:
  const std::string key_;
  const std::string certificate_;
  std::optional<RealBroker> real_;
};

TEST(MqttClient, TalksTlsToABrokerItCanVerify) {
  TlsBroker broker("IP:127.0.0.1");
  Client client({broker.broker(true)});
  ASSERT_TRUE(client.UntilUp(1)) << client.downs[0].second;
  EXPECT_TRUE(client.Echoes());
  if (!kSanitized) {
    EXPECT_LT(client.ChildPeak(), 12 * 1024);
  }
}

TEST(MqttClient, RefusesACertificateOfNobodyItTrusts) {
  TlsBroker broker("IP:127.0.0.1");
  Client client({broker.broker(false)});
  ASSERT_TRUE(client.Until([&] { return !client.downs.empty(); }));
  EXPECT_NE(client.downs[0].second.find("certificate verify failed"),
            std::string::npos)
      << client.downs[0].second;
  EXPECT_TRUE(client.ups.empty());
}

TEST(MqttClient, RefusesACertificateForAnotherName) {
  TlsBroker broker("DNS:other.example");
  Client client({broker.broker(true)});
  ASSERT_TRUE(client.Until([&] { return client.downs.size() >= 2; }));
  EXPECT_NE(client.downs[0].second.find("is not for '127.0.0.1'"),
            std::string::npos)
      << client.downs[0].second;
  EXPECT_TRUE(client.ups.empty());
}

TEST(MqttClient, DialsSeveralTlsBrokersAtOnce) {
  TlsBroker broker("IP:127.0.0.1");
  Client client(std::vector<Broker>(8, broker.broker(true)));
  ASSERT_TRUE(client.UntilUp(8));
  EXPECT_TRUE(client.downs.empty()) << client.downs[0].second;
  if (!kSanitized) {
    EXPECT_LT(client.ChildPeak(), 16 * 1024);
  }
}

// Starts a client, tells its child's id and waits to be killed.
int Orphan(int fd) {
  auto client =
      MqttClient::Start(Now(), {OwnPath(), {kChildVerb}}, {At(FreePort())});
  if (!client.ok()) return 1;
  // Until the child runs its own code: it says that the broker is not there.
  for (bool told = false; !told;) {
    pollfd ready = {(*client)->fd(), POLLIN, 0};
    poll(&ready, 1, 100);
    (*client)->HandleReadable(Now());
    told = (*client)->PollEvent().has_value();
  }
  const pid_t child = (*client)->child_pid();
  if (write(fd, &child, sizeof(child)) != sizeof(child)) return 1;
  pause();
  return 0;
}

}  // namespace
}  // namespace p2pcp::signaling

int main(int argc, char** argv) {
  using p2pcp::signaling::kChildVerb;
  using p2pcp::signaling::kOrphanVerb;
  if (argc > 1 && std::string(argv[1]) == kChildVerb) {
    return p2pcp::signaling::MqttChildMain();
  }
  if (argc > 2 && std::string(argv[1]) == kOrphanVerb) {
    return p2pcp::signaling::Orphan(std::atoi(argv[2]));
  }
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}

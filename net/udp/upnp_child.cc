#include "net/udp/upnp_child.h"

#include <miniupnpc/miniupnpc.h>
#include <miniupnpc/upnpcommands.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <optional>
#include <string>

#include "net/base/sanitizer.h"
#include "net/base/socket_address.h"

namespace p2pcp::udp {
namespace {

// Bytes of memory: descriptions of routers have some 10 kB, and the library
// takes what their headers announce.
constexpr rlim_t kMaxData = 32 << 20;
// Seconds of the processor, in a life of hours with a call each five minutes.
constexpr rlim_t kMaxCpu = 60;
constexpr int kDiscoverMilliseconds = 1000;
constexpr int kRenewMilliseconds = 300'000;  // Half of the lease.
constexpr const char* kLeaseSeconds = "600";
constexpr const char* kDescription = "p2pcp";
// UPnP's error codes (WANIPConnection:1, section 2.4.16).
constexpr int kConflict = 718;
constexpr int kOnlyPermanent = 725;
constexpr int kTries = 4;

void Confine() {
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  signal(SIGPIPE, SIG_IGN);
  // A Ctrl-C is for the program, which then closes our socket.
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) {
    signal(number, SIG_IGN);
  }
  const rlimit none = {0, 0};
  setrlimit(RLIMIT_CORE, &none);
  const rlimit cpu = {kMaxCpu, kMaxCpu};
  setrlimit(RLIMIT_CPU, &cpu);
  if (!kSanitized) {
    prctl(PR_SET_DUMPABLE, 0);
    const rlimit data = {kMaxData, kMaxData};
    setrlimit(RLIMIT_DATA, &data);
  }
}

// A router that was found.
class Router {
 public:
  Router() = default;
  ~Router() {
    if (found_) FreeUPNPUrls(&urls_);
  }
  Router(const Router&) = delete;
  Router& operator=(const Router&) = delete;

  bool Find() {
    int error = 0;
    UPNPDev* const devices =
        upnpDiscover(kDiscoverMilliseconds, nullptr, nullptr, 0, 0, 2, &error);
    if (devices == nullptr) return false;
#if MINIUPNPC_API_VERSION >= 18
    // 2 is a router whose own address is private: behind another NAT, which the
    // peer may share. Before, that was not told apart.
    std::array<char, 64> outside = {};
    const int result =
        UPNP_GetValidIGD(devices, &urls_, &data_, inside_.data(),
                         static_cast<int>(inside_.size()), outside.data(),
                         static_cast<int>(outside.size()));
    const bool valid = result == 1 || result == 2;
#else
    const int result = UPNP_GetValidIGD(devices, &urls_, &data_, inside_.data(),
                                        static_cast<int>(inside_.size()));
    const bool valid = result == 1;
#endif
    freeUPNPDevlist(devices);
    found_ = result != 0;
    return valid;
  }

  // Where the port is mapped now; nullopt where the router does not want.
  std::optional<SocketAddress> Map(std::uint16_t port) {
    const std::string inside = std::to_string(port);
    int result = kConflict;
    for (int i = 0; i < kTries && result == kConflict; ++i) {
      if (outside_ == 0) outside_ = port;
      const std::string outside = std::to_string(outside_);
      for (const char* lease : {kLeaseSeconds, "0"}) {
        result = UPNP_AddPortMapping(Url(), Service(), outside.c_str(),
                                     inside.c_str(), inside_.data(),
                                     kDescription, "UDP", nullptr, lease);
        if (result != kOnlyPermanent) break;
      }
      // Somebody else's: the next one that no service has.
      if (result == kConflict) {
        outside_ = static_cast<std::uint16_t>(1024 + (outside_ * 7919) % 60000);
      }
    }
    if (result != UPNPCOMMAND_SUCCESS) return std::nullopt;
    mapped_ = true;
    std::array<char, 40> text = {};
    if (UPNP_GetExternalIPAddress(Url(), Service(), text.data()) !=
        UPNPCOMMAND_SUCCESS) {
      return std::nullopt;
    }
    text.back() = '\0';
    const auto ip = IpAddress::Parse(text.data());
    if (!ip) return std::nullopt;
    return SocketAddress{*ip, outside_, 0};
  }

  void Unmap() {
    if (!mapped_) return;
    mapped_ = false;
    UPNP_DeletePortMapping(Url(), Service(), std::to_string(outside_).c_str(),
                           "UDP", nullptr);
  }

 private:
  const char* Url() const { return urls_.controlURL; }
  const char* Service() const { return data_.first.servicetype; }

  UPNPUrls urls_ = {};
  IGDdatas data_ = {};
  std::array<char, 64> inside_ = {};
  bool found_ = false;
  bool mapped_ = false;
  std::uint16_t outside_ = 0;
};

// False once the other end is closed.
bool Wait(int milliseconds) {
  pollfd end = {kUpnpChildFd, POLLIN, 0};
  return poll(&end, 1, milliseconds) == 0;
}

}  // namespace

int UpnpChildMain(const std::vector<std::string>& arguments) {
  std::uint16_t port = 0;
  if (arguments.size() != 1) return 2;
  const std::string& text = arguments.front();
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size() || port == 0) {
    return 2;
  }
  Confine();
  Router router;
  std::optional<SocketAddress> told;
  while (!router.Find()) {
    // Hardly any router learns it later, but another network may have one: the
    // program starts us anew there.
    Wait(-1);
    return 0;
  }
  do {
    const auto mapped = router.Map(port);
    if (mapped && mapped != told) {
      told = mapped;
      const std::string message = mapped->ToString();
      send(kUpnpChildFd, message.data(), message.size(), MSG_NOSIGNAL);
    }
  } while (Wait(kRenewMilliseconds));
  router.Unmap();
  return 0;
}

}  // namespace p2pcp::udp

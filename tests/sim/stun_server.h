// A STUN server on a simulated host: the program's own responder behind a
// socket.

#ifndef P2PCP_TESTS_SIM_STUN_SERVER_H_
#define P2PCP_TESTS_SIM_STUN_SERVER_H_

#include <array>
#include <cstdint>

#include "net/base/bytes.h"
#include "net/base/socket_address.h"
#include "net/stun/binding_responder.h"
#include "tests/sim/host.h"

namespace p2pcp::sim {

class StunServer {
 public:
  static constexpr std::uint16_t kPort = 3478;  // RFC 8489 section 18.6.

  // The host must outlive the server.
  explicit StunServer(Host& host, std::uint16_t port = kPort) {
    host.Bind(port, [this, &host, port](const SocketAddress& from,
                                        const SocketAddress&,
                                        MutableByteSpan datagram) {
      if (silent_) return;
      std::array<std::byte, stun::BindingResponder::kMaxResponseSize> out;
      const std::size_t size = responder_.HandleDatagram(from, datagram, out);
      if (size > 0) host.Send(port, from, ByteSpan(out).first(size));
    });
  }
  StunServer(const StunServer&) = delete;
  StunServer& operator=(const StunServer&) = delete;

  void set_silent(bool silent) { silent_ = silent; }
  const stun::BindingResponder::Stats& stats() const {
    return responder_.stats();
  }

 private:
  stun::BindingResponder responder_;
  bool silent_ = false;
};

}  // namespace p2pcp::sim

#endif  // P2PCP_TESTS_SIM_STUN_SERVER_H_

// Where an MQTT broker is: mqtt[s]://[USER@]HOST[:PORT].

#ifndef P2PCP_NET_SIGNALING_BROKER_URL_H_
#define P2PCP_NET_SIGNALING_BROKER_URL_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "net/base/result.h"

namespace p2pcp::signaling {

struct Broker {
  bool tls = false;
  std::string host;  // A name or a numeric address, without brackets.
  std::uint16_t port = 0;
  std::string user;      // Empty: anonymous.
  std::string password;  // Never part of the URL; whoever has it sets it.
  // PEM file of the authorities to trust instead of the system's; empty: the
  // system's.
  std::string ca_file;

  // The URL again, without the user: fit for messages.
  std::string ToString() const;

  friend bool operator==(const Broker&, const Broker&) = default;
};

// Ports default to 1883 (mqtt) and 8883 (mqtts), the ones IANA has registered.
// kUsage if the text is no such URL, or holds a password: that would stand in
// the list of processes.
Result<Broker> ParseBroker(std::string_view url);

}  // namespace p2pcp::signaling

#endif  // P2PCP_NET_SIGNALING_BROKER_URL_H_

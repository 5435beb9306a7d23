// What the MQTT library says of a TLS connection that fails, in words that tell
// the user what to do.

#ifndef P2PCP_NET_SIGNALING_MQTT_TLS_ERROR_H_
#define P2PCP_NET_SIGNALING_MQTT_TLS_ERROR_H_

#include <string>
#include <string_view>

#include "net/signaling/broker_url.h"

namespace p2pcp::signaling {

// Whether log tells the cause, of which what is logged next is a consequence.
bool IsTlsCause(std::string_view log);

// log: the library's last words; may be empty.
std::string DescribeTlsError(const Broker& broker, std::string_view log);

}  // namespace p2pcp::signaling

#endif  // P2PCP_NET_SIGNALING_MQTT_TLS_ERROR_H_

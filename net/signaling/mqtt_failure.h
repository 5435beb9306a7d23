// Why a broker could not be reached, was lost or turned us away, in words that
// tell the user what to do.

#ifndef P2PCP_NET_SIGNALING_MQTT_FAILURE_H_
#define P2PCP_NET_SIGNALING_MQTT_FAILURE_H_

#include <string>
#include <string_view>

#include "net/signaling/broker_url.h"

namespace p2pcp::signaling {

// result: the library's (MOSQ_ERR_*); os_errno: errno right after the call that
// gave it; log: the library's last words, may be empty; greeted: the broker had
// answered CONNECT.
std::string DescribeFailure(const Broker& broker, int result, int os_errno,
                            std::string_view log, bool greeted);

// reason: what CONNACK said, not 0; a code of MQTT 5 or else of 3.1.1.
std::string DescribeRefusal(const Broker& broker, bool version5, int reason);

}  // namespace p2pcp::signaling

#endif  // P2PCP_NET_SIGNALING_MQTT_FAILURE_H_

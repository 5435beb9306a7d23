// The connection to the brokers: by a child of this process, or by that of the
// process which has started this one for one of several transfers.

#ifndef P2PCP_CMD_BROKERS_START_MQTT_H_
#define P2PCP_CMD_BROKERS_START_MQTT_H_

#include <memory>
#include <vector>

#include "cmd/options/option_values.h"
#include "net/base/result.h"
#include "net/base/time.h"
#include "net/signaling/broker_url.h"
#include "net/signaling/mqtt_client.h"

namespace p2pcp::cmd {

// How this program is started as the child that runs libmosquitto: a verb that
// no user types.
inline constexpr char kMqttChildVerb[] = "mqtt-child";

Result<std::unique_ptr<signaling::MqttClient>> StartMqtt(
    TimePoint now, const Options& options,
    std::vector<signaling::Broker> brokers);

}  // namespace p2pcp::cmd

#endif  // P2PCP_CMD_BROKERS_START_MQTT_H_

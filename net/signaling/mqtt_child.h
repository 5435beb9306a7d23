// The child process that talks MQTT for its parent (mqtt_client.h): one poll
// loop over all brokers, under a limit of memory.
//
// One process and not one a broker, since each costs 6 MiB; a thread for each
// dial, since libmosquitto waits for names and connections.

#ifndef P2PCP_NET_SIGNALING_MQTT_CHILD_H_
#define P2PCP_NET_SIGNALING_MQTT_CHILD_H_

namespace p2pcp::signaling {

// Called from main() for the verb that MqttClient::Command names, before
// anything else has started a thread or opened a file. Runs until the parent
// closes its end or is gone, and then ends the process. Returns, with an exit
// status, only where the process was not started by an MqttClient.
int MqttChildMain();

}  // namespace p2pcp::signaling

#endif  // P2PCP_NET_SIGNALING_MQTT_CHILD_H_

#include "cmd/brokers/start_mqtt.h"

#include <utility>

#include "cmd/crew/worker_task.h"

namespace p2pcp::cmd {

Result<std::unique_ptr<signaling::MqttClient>> StartMqtt(
    TimePoint now, const Options& options,
    std::vector<signaling::Broker> brokers) {
  if (options.worker) {
    return signaling::MqttClient::Attach(now, kWorkerBrokerFd,
                                         std::move(brokers));
  }
  return signaling::MqttClient::Start(now, {"/proc/self/exe", {kMqttChildVerb}},
                                      std::move(brokers));
}

}  // namespace p2pcp::cmd

#include "net/signaling/mqtt_subscriptions.h"

#include <algorithm>
#include <iterator>

namespace p2pcp::signaling {

void MqttSubscriptions::Want(const std::vector<std::string>& topics) {
  wanted_ = {topics.begin(), topics.end()};
}

MqttSubscriptions::Change MqttSubscriptions::TakeChange() {
  Change change;
  std::set_difference(sent_.begin(), sent_.end(), wanted_.begin(),
                      wanted_.end(), std::back_inserter(change.drop));
  for (const std::string& topic : wanted_) {
    if (sent_.contains(topic)) continue;
    if (change.batches.empty() || change.batches.back().size() == kMaxBatch) {
      change.batches.emplace_back();
    }
    change.batches.back().push_back(topic);
  }
  sent_ = wanted_;
  return change;
}

void MqttSubscriptions::HandleLost() {
  sent_.clear();
  pending_.clear();
}

}  // namespace p2pcp::signaling

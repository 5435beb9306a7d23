// The topics of one connection to a broker: which it has been told of, and
// which of its answers are still to come. Knows nothing of the library.

#ifndef P2PCP_NET_SIGNALING_MQTT_SUBSCRIPTIONS_H_
#define P2PCP_NET_SIGNALING_MQTT_SUBSCRIPTIONS_H_

#include <cstddef>
#include <set>
#include <string>
#include <vector>

namespace p2pcp::signaling {

class MqttSubscriptions {
 public:
  // Topics in one SUBSCRIBE; some brokers take no more (AWS IoT: 8).
  static constexpr std::size_t kMaxBatch = 8;

  struct Change {
    std::vector<std::string> drop;
    // A SUBSCRIBE each, of 1 to kMaxBatch topics.
    std::vector<std::vector<std::string>> batches;
  };

  void Want(const std::vector<std::string>& topics);
  // What to send so that the broker has the topics that are wanted. Counts as
  // sent: a connection on which it can't be is to be given up.
  Change TakeChange();
  // A SUBSCRIBE is on its way; id is its packet identifier.
  void AddPending(int id) { pending_.insert(id); }
  // Its SUBACK is there. False if nobody has waited for it.
  bool TakePending(int id) { return pending_.erase(id) > 0; }
  // Some SUBACK is still to come.
  bool pending() const { return !pending_.empty(); }
  // The connection is gone; what is wanted stays wanted.
  void HandleLost();

 private:
  std::set<std::string> wanted_;
  std::set<std::string> sent_;
  std::set<int> pending_;
};

}  // namespace p2pcp::signaling

#endif  // P2PCP_NET_SIGNALING_MQTT_SUBSCRIPTIONS_H_

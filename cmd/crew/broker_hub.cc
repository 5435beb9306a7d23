#include "cmd/crew/broker_hub.h"

#include <sys/epoll.h>

#include <algorithm>
#include <utility>
#include <variant>

namespace p2pcp::cmd {

using signaling::MqttClient;
using signaling::MqttRelay;

BrokerHub::BrokerHub(udp::EventLoop* loop, std::unique_ptr<MqttClient> mqtt,
                     std::size_t broker_count, Handler handler)
    : loop_(loop),
      mqtt_(std::move(mqtt)),
      handler_(std::move(handler)),
      up_(broker_count, false) {
  loop_->Watch(mqtt_->fd(), EPOLLIN, [this](std::uint32_t) {
    mqtt_->HandleReadable(loop_->Now());
    HandleMqtt();
  });
}

BrokerHub::~BrokerHub() {
  for (auto& [number, line] : lines_) loop_->Unwatch(line.relay->fd());
  loop_->Unwatch(mqtt_->fd());
}

void BrokerHub::HandleTimeout(TimePoint now) {
  mqtt_->HandleTimeout(now);
  HandleMqtt();
}

void BrokerHub::HandleMqtt() {
  while (auto event = mqtt_->PollEvent()) {
    if (const auto* up = std::get_if<MqttClient::BrokerUp>(&*event)) {
      up_[up->broker] = true;
      for (auto& [number, line] : lines_) {
        if (!line.relay->topics().empty()) TellUp(line);
      }
      handler_.on_up(up->broker);
    } else if (const auto* down =
                   std::get_if<MqttClient::BrokerDown>(&*event)) {
      up_[down->broker] = false;
      for (auto& [number, line] : lines_) {
        line.relay->SendDown(down->broker, down->error.message);
      }
      handler_.on_down(down->broker, down->error);
    } else if (const auto* message =
                   std::get_if<MqttClient::Message>(&*event)) {
      for (auto& [number, line] : lines_) {
        line.relay->SendMessage(message->topic, message->payload);
      }
      if (std::find(own_topics_.begin(), own_topics_.end(), message->topic) !=
          own_topics_.end()) {
        handler_.on_message(message->topic, message->payload);
      }
    }
  }
}

void BrokerHub::SetTopics(std::vector<std::string> topics) {
  if (topics == own_topics_) return;
  own_topics_ = std::move(topics);
  Subscribe();
}

void BrokerHub::Subscribe() {
  std::vector<std::string> all = own_topics_;
  for (const auto& [number, line] : lines_) {
    all.insert(all.end(), line.relay->topics().begin(),
               line.relay->topics().end());
  }
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  if (all.size() > MqttClient::kMaxTopics) all.resize(MqttClient::kMaxTopics);
  if (all == topics_) return;
  topics_ = std::move(all);
  // Each broker says anew that it has them.
  std::fill(up_.begin(), up_.end(), false);
  mqtt_->SetTopics(topics_);
}

bool BrokerHub::Subscribed(const std::vector<std::string>& topics) const {
  return std::all_of(topics.begin(), topics.end(), [this](const auto& topic) {
    return std::binary_search(topics_.begin(), topics_.end(), topic);
  });
}

void BrokerHub::TellUp(Line& line) {
  bool any = false;
  for (std::size_t i = 0; i < up_.size(); ++i) {
    if (!up_[i]) continue;
    line.relay->SendUp(i);
    any = true;
  }
  if (!any || !line.first) return;
  const Message first = *std::exchange(line.first, std::nullopt);
  line.relay->SendMessage(first.topic, first.payload);
}

Result<udp::FileDescriptor> BrokerHub::Attach(unsigned number,
                                              std::optional<Message> first) {
  auto ends = MqttRelay::Create();
  if (!ends.ok()) return std::move(ends).error();
  udp::FileDescriptor theirs(ends->second);
  Line& line = lines_[number];
  line = {std::move(ends->first), std::move(first)};
  loop_->Watch(line.relay->fd(), EPOLLIN,
               [this, number](std::uint32_t) { HandleLine(number); });
  return theirs;
}

void BrokerHub::Drain(Line& line) {
  while (const auto publish = line.relay->Poll()) {
    if (publish->topic.size() <= MqttClient::kMaxTopicSize &&
        publish->payload.size() <= MqttClient::kMaxPayload) {
      mqtt_->Publish(publish->topic, publish->payload);
    }
  }
}

void BrokerHub::HandleLine(unsigned number) {
  const auto found = lines_.find(number);
  if (found == lines_.end()) return;
  Line& line = found->second;
  const bool news = line.relay->HandleReadable();
  Drain(line);
  if (line.relay->closed()) {
    // It waits for our end before it ends (MqttClient's destructor). Its
    // topics stay until others are wanted: to change them takes a round trip.
    loop_->Unwatch(line.relay->fd());
    lines_.erase(found);
    return;
  }
  if (!news) return;
  if (!Subscribed(line.relay->topics())) return Subscribe();
  TellUp(line);
}

void BrokerHub::Detach(unsigned number) {
  const auto found = lines_.find(number);
  if (found == lines_.end()) return;
  loop_->Unwatch(found->second.relay->fd());
  found->second.relay->HandleReadable();
  Drain(found->second);
  lines_.erase(found);
}

}  // namespace p2pcp::cmd

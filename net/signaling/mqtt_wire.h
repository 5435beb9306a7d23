// What a client (mqtt_client.h) and its child (mqtt_child.h) say to each other:
// one frame a datagram on a socketpair(AF_UNIX, SOCK_SEQPACKET), which keeps
// boundaries and bounds what is under way. Numbers are big-endian, strings and
// counts are prefixed with a varint.
//
//   to the child    1 broker   tls u8, port u16, host, user, password, ca_file
//                   2 start    no more brokers follow
//                   3 topics   version u32, count, topic...
//                   4 publish  topic, payload to the end
//   to the client  10 up       broker u8, version of the topics u32
//                  11 down     broker u8, reason
//                  12 message  topic, payload to the end

#ifndef P2PCP_NET_SIGNALING_MQTT_WIRE_H_
#define P2PCP_NET_SIGNALING_MQTT_WIRE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "net/base/bytes.h"
#include "net/signaling/broker_url.h"

namespace p2pcp::signaling {

// The descriptor that the child finds its end of the socketpair at.
inline constexpr int kMqttChildFd = 3;
// Frames are shorter: 240 topics of 128 characters are the longest.
inline constexpr std::size_t kMaxMqttFrame = 64 * 1024;

struct MqttFrame {
  struct AddBroker {
    Broker broker;
  };
  struct Start {};
  struct Topics {
    std::uint32_t version;
    std::vector<std::string> topics;
  };
  struct Publish {
    std::string_view topic;
    ByteSpan payload;
  };
  struct Up {
    std::uint8_t broker;
    std::uint32_t version;
  };
  struct Down {
    std::uint8_t broker;
    std::string reason;
  };
  struct Message {
    std::string_view topic;
    ByteSpan payload;
  };
  using Any =
      std::variant<AddBroker, Start, Topics, Publish, Up, Down, Message>;

  static Bytes Encode(const Any& frame);
  // nullopt if the bytes are no frame. Views point into bytes.
  static std::optional<Any> Decode(ByteSpan bytes);
};

}  // namespace p2pcp::signaling

#endif  // P2PCP_NET_SIGNALING_MQTT_WIRE_H_

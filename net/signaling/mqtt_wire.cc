#include "net/signaling/mqtt_wire.h"

#include <type_traits>
#include <utility>

#include "net/base/check.h"

namespace p2pcp::signaling {
namespace {

enum Tag : std::uint8_t {
  kBroker = 1,
  kStart = 2,
  kTopics = 3,
  kPublish = 4,
  kUp = 10,
  kDown = 11,
  kMessage = 12,
};

void WriteText(ByteWriter& writer, std::string_view text) {
  writer.WriteLengthPrefixed(AsBytes(text));
}

std::string_view ReadText(ByteReader& reader) {
  return AsText(reader.ReadLengthPrefixed());
}

ByteSpan ReadRest(ByteReader& reader) {
  return reader.ReadBytes(reader.remaining());
}

struct Writer {
  ByteWriter& out;

  void operator()(const MqttFrame::AddBroker& frame) const {
    out.WriteU8(kBroker);
    out.WriteU8(frame.broker.tls ? 1 : 0);
    out.WriteU16(frame.broker.port);
    WriteText(out, frame.broker.host);
    WriteText(out, frame.broker.user);
    WriteText(out, frame.broker.password);
    WriteText(out, frame.broker.ca_file);
  }
  void operator()(const MqttFrame::Start&) const { out.WriteU8(kStart); }
  void operator()(const MqttFrame::Topics& frame) const {
    out.WriteU8(kTopics);
    out.WriteU32(frame.version);
    out.WriteVarint(frame.topics.size());
    for (const std::string& topic : frame.topics) WriteText(out, topic);
  }
  void operator()(const MqttFrame::Publish& frame) const {
    out.WriteU8(kPublish);
    WriteText(out, frame.topic);
    out.WriteBytes(frame.payload);
  }
  void operator()(const MqttFrame::Up& frame) const {
    out.WriteU8(kUp);
    out.WriteU8(frame.broker);
    out.WriteU32(frame.version);
  }
  void operator()(const MqttFrame::Down& frame) const {
    out.WriteU8(kDown);
    out.WriteU8(frame.broker);
    WriteText(out, frame.reason);
  }
  void operator()(const MqttFrame::Message& frame) const {
    out.WriteU8(kMessage);
    WriteText(out, frame.topic);
    out.WriteBytes(frame.payload);
  }
};

}  // namespace

Bytes MqttFrame::Encode(const Any& frame) {
  Bytes bytes(kMaxMqttFrame);
  ByteWriter writer(bytes);
  std::visit(Writer{writer}, frame);
  P2PCP_CHECK(writer.ok());
  bytes.resize(writer.size());
  bytes.shrink_to_fit();
  return bytes;
}

std::optional<MqttFrame::Any> MqttFrame::Decode(ByteSpan bytes) {
  ByteReader reader(bytes);
  std::optional<Any> frame;
  switch (reader.ReadU8()) {
    case kBroker: {
      Broker broker;
      broker.tls = reader.ReadU8() != 0;
      broker.port = reader.ReadU16();
      broker.host = ReadText(reader);
      broker.user = ReadText(reader);
      broker.password = ReadText(reader);
      broker.ca_file = ReadText(reader);
      frame = AddBroker{std::move(broker)};
      break;
    }
    case kStart:
      frame = Start{};
      break;
    case kTopics: {
      Topics topics;
      topics.version = reader.ReadU32();
      std::uint64_t count = reader.ReadVarint();
      for (; count > 0 && reader.ok(); --count) {
        topics.topics.emplace_back(ReadText(reader));
      }
      frame = std::move(topics);
      break;
    }
    case kPublish: {
      const std::string_view topic = ReadText(reader);
      frame = Publish{topic, ReadRest(reader)};
      break;
    }
    case kUp: {
      const std::uint8_t broker = reader.ReadU8();
      frame = Up{broker, reader.ReadU32()};
      break;
    }
    case kDown: {
      const std::uint8_t broker = reader.ReadU8();
      frame = Down{broker, std::string(ReadText(reader))};
      break;
    }
    case kMessage: {
      const std::string_view topic = ReadText(reader);
      frame = Message{topic, ReadRest(reader)};
      break;
    }
    default:
      return std::nullopt;
  }
  if (!reader.AtEnd()) return std::nullopt;
  return frame;
}

}  // namespace p2pcp::signaling

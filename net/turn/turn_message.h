// The messages of TURN (RFC 8656), as far as a client that relays UDP needs
// them: Allocate, Refresh, ChannelBind with long-term credentials, Send and
// Data indications, ChannelData. Over a stream they follow each other without
// more ado (RFC 8656 section 2.1), ChannelData padded to a multiple of four.
//
//   ChannelData
//    0                   1                   2                   3
//   +-------------------------------+-------------------------------+
//   |  channel 0x4000 .. 0x4fff     |            length             |
//   +-------------------------------+-------------------------------+
//   |                             data ...                          |

#ifndef P2PCP_NET_TURN_TURN_MESSAGE_H_
#define P2PCP_NET_TURN_TURN_MESSAGE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "net/base/bytes.h"
#include "net/base/socket_address.h"
#include "net/base/time.h"
#include "net/crypto/tls/turn_auth.h"

namespace p2pcp::turn {

using TransactionId = std::array<std::byte, 12>;

enum class Method : std::uint16_t {
  kAllocate = 0x003,
  kRefresh = 0x004,
  kSend = 0x006,
  kData = 0x007,
  kChannelBind = 0x009,
};
enum class Class : std::uint16_t {
  kRequest = 0x000,
  kIndication = 0x010,
  kSuccess = 0x100,
  kError = 0x110,
};

inline constexpr std::size_t kHeaderSize = 20;
inline constexpr std::size_t kChannelHeaderSize = 4;
inline constexpr std::uint16_t kMinChannel = 0x4000;
inline constexpr std::uint16_t kMaxChannel = 0x4fff;
// The longest request that is written: the server's realm and nonce are in it.
inline constexpr std::size_t kMaxRequest = 1400;
// Longer ones of a server are not believed (RFC 8489 section 14 allows 763).
inline constexpr std::size_t kMaxRealm = 256;
inline constexpr std::size_t kMaxNonce = 256;

// What a request has besides its method; empty fields are left out.
struct Request {
  Method method = Method::kAllocate;
  TransactionId id{};
  std::optional<std::uint32_t> lifetime;  // In seconds.
  std::optional<std::uint16_t> channel;
  std::optional<SocketAddress> peer;
  // Long-term credentials, once the server has asked for them.
  std::string_view user;
  std::string_view realm;
  std::string_view nonce;
  std::optional<crypto::TurnKey> key;
};
// Returns the size. REQUIRES: out.size() >= kMaxRequest; user, realm and nonce
// of at most kMaxRealm bytes each.
std::size_t WriteRequest(const Request& request, MutableByteSpan out);
// A Send indication; 0 if out is too small.
std::size_t WriteSendIndication(const TransactionId& id,
                                const SocketAddress& peer, ByteSpan data,
                                MutableByteSpan out);
// REQUIRES: the data fits 65,535 bytes; out has room. padded: for a stream.
std::size_t WriteChannelData(std::uint16_t channel, ByteSpan data, bool padded,
                             MutableByteSpan out);

// Views point into what was parsed.
struct Response {
  Class message_class = Class::kSuccess;
  Method method = Method::kAllocate;
  TransactionId id{};
  int error = 0;
  std::string_view reason;
  std::string_view realm;
  std::string_view nonce;
  std::optional<std::uint32_t> lifetime;
  std::optional<SocketAddress> relayed;
  std::optional<SocketAddress> mapped;
  std::optional<SocketAddress> peer;
  ByteSpan data;
};
// nullopt: no whole message, or none that a client gets.
std::optional<Response> ReadMessage(ByteSpan message);

struct ChannelData {
  std::uint16_t channel = 0;
  ByteSpan data;
};
std::optional<ChannelData> ReadChannelData(ByteSpan message);

// How many bytes the message at the start of a stream has, padding included;
// nullopt while its header is not there yet; 0 if it is none.
std::optional<std::size_t> StreamMessageSize(ByteSpan stream);

}  // namespace p2pcp::turn

#endif  // P2PCP_NET_TURN_TURN_MESSAGE_H_

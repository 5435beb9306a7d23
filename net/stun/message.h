// STUN messages (RFC 8489), as far as Binding needs them: codec and demux.
//
//    0                   1                   2                   3
//    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//   |0 0|     STUN Message Type     |         Message Length        |
//   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//   |                         Magic Cookie                          |
//   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//   |                     Transaction ID (96 bits)                  |
//   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//   |  attributes: type (16), length (16), value, padding to 32 bits
//
// Integrity is not verified here: p2pcp trusts no STUN server, and what it
// learns from one is proven by the peer's probes. MESSAGE-INTEGRITY and the
// attributes of authentication are recognised and passed over.

#ifndef P2PCP_NET_STUN_MESSAGE_H_
#define P2PCP_NET_STUN_MESSAGE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "net/base/bytes.h"
#include "net/base/socket_address.h"

namespace p2pcp::stun {

inline constexpr std::uint32_t kMagicCookie = 0x2112A442;
inline constexpr std::size_t kHeaderSize = 20;
// Longer messages are not of Binding's making; ours stay below 100 bytes.
inline constexpr std::size_t kMaxMessageSize = 1280;

using TransactionId = std::array<std::byte, 12>;

enum class MessageClass : std::uint8_t {
  kRequest = 0,
  kIndication = 1,
  kSuccessResponse = 2,
  kErrorResponse = 3,
};

// RFC 8489 section 18.2. Methods are 12-bit numbers; those from 0x100 would
// collide with other protocols on a shared socket (RFC 7983) and are refused.
inline constexpr std::uint16_t kBinding = 0x001;

// RFC 8489 section 14.8.
inline constexpr int kUnknownAttribute = 420;

// CHANGE-REQUEST (RFC 5780 section 7.2): the answer is to come from the
// server's other IP address, from its other port, or both.
inline constexpr std::uint16_t kChangeRequest = 0x0003;
struct ChangeRequest {
  bool ip = false;
  bool port = false;

  friend bool operator==(const ChangeRequest&, const ChangeRequest&) = default;
};

struct ErrorCode {
  int code = 0;  // 300 to 699.
  std::string_view reason;

  friend bool operator==(const ErrorCode&, const ErrorCode&) = default;
};

// A short list of attribute types; what does not fit is left out.
class AttributeTypes {
 public:
  static constexpr std::size_t kCapacity = 8;

  void Add(std::uint16_t type) {
    if (size_ < kCapacity) types_[size_++] = type;
  }
  bool empty() const { return size_ == 0; }
  std::size_t size() const { return size_; }
  const std::uint16_t* begin() const { return types_.data(); }
  const std::uint16_t* end() const { return types_.data() + size_; }

  friend bool operator==(const AttributeTypes&,
                         const AttributeTypes&) = default;

 private:
  std::size_t size_ = 0;
  std::array<std::uint16_t, kCapacity> types_{};
};

// The text fields are views of the datagram that was parsed.
struct Message {
  MessageClass message_class = MessageClass::kRequest;
  std::uint16_t method = kBinding;
  TransactionId transaction_id{};

  std::optional<SocketAddress> xor_mapped_address;
  std::optional<SocketAddress> mapped_address;
  std::optional<ErrorCode> error;
  AttributeTypes unknown_attributes;  // UNKNOWN-ATTRIBUTES of a 420 response.
  std::optional<ChangeRequest> change_request;
  // Where answers to a CHANGE-REQUEST come from (RFC 5780 section 7.4). One
  // that is malformed is as good as none.
  std::optional<SocketAddress> other_address;
  std::string_view software;
  // A valid FINGERPRINT stands, or is to stand, at the end.
  bool fingerprint = false;
  // Comprehension-required attributes that this codec does not know. Not
  // written by Encode.
  AttributeTypes not_understood;

  friend bool operator==(const Message&, const Message&) = default;
};

// Tells STUN from everything else on a shared socket (RFC 7983: first byte
// below 4; RFC 8489 section 6.3: the cookie). p2pcp's own datagrams begin with
// 0xC0 or above. A true answer does not promise that Parse succeeds.
bool IsStunMessage(ByteSpan datagram);
// The first byte of each is below this (RFC 9443).
inline constexpr std::uint8_t kFirstByteBelow = 4;

// nullopt unless the datagram is exactly one well-formed message. A FINGERPRINT
// that is there must be right and last. Of attributes that occur twice the
// first counts, and those behind MESSAGE-INTEGRITY do not (RFC 8489 section
// 14.5).
std::optional<Message> Parse(ByteSpan datagram);

// Writes `message` and returns its size; 0 if `out` is too small.
// REQUIRES: method < 0x100; error codes from 300 to 699; reason and software
// of at most 763 bytes.
std::size_t Encode(const Message& message, MutableByteSpan out);

}  // namespace p2pcp::stun

#endif  // P2PCP_NET_STUN_MESSAGE_H_

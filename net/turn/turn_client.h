// One allocation at a TURN server (RFC 8656): an address there whose packets
// are handed to us, and from which ours go out. Sans-IO and single-threaded:
// the owner has the connection to the server, UDP or a stream, and hands in
// whole messages.
//
//   Allocating ---- success ----> Ready ---- Refresh each half lifetime
//    | 401: again with key          |  438 (stale nonce): again with the new
//    one v refused, no answer           v refused, no answer
//   Failed <------------------------+
//
// Each peer gets a channel (section 12), which lets its packets in and costs 4
// bytes a packet. Before it is bound, and for peers beyond the bound, Send
// indications are used. The server is not trusted: what it hands over is sealed
// by the peer or dropped by the channel above.

#ifndef P2PCP_NET_TURN_TURN_CLIENT_H_
#define P2PCP_NET_TURN_TURN_CLIENT_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/random.h"
#include "net/base/socket_address.h"
#include "net/base/time.h"
#include "net/crypto/tls/turn_auth.h"
#include "net/turn/turn_message.h"

namespace p2pcp::turn {

class TurnClient {
 public:
  struct Config {
    std::string user;
    std::string password;
    // The messages go over a stream: nothing is sent twice, and ChannelData is
    // padded.
    bool stream = false;
  };
  // RFC 8489 section 6.2.1 with its RTO of 500 ms: at 0, 0.5, 1.5, 3.5 s.
  static constexpr Duration kRto = 500ms;
  static constexpr int kMaxSends = 4;
  // After the last one, or on a stream after the only one.
  static constexpr Duration kLastWait = 4s;
  // A channel lives for 10 minutes, and its permission for 5 (sections 9, 12).
  static constexpr Duration kBindAgain = 240s;
  static constexpr std::size_t kMaxPeers = 32;
  // What a datagram grows by on its way to the server, at most: a Send
  // indication with an IPv6 peer.
  static constexpr std::size_t kMaxOverhead = kHeaderSize + 24 + 4 + 3;

  // random must outlive it. The first request is due at once.
  TurnClient(TimePoint now, Config config, Random& random);

  // A datagram of a peer's.
  struct Received {
    SocketAddress from;
    ByteSpan bytes;  // Within the message.
  };
  // One whole message of the server's.
  std::optional<Received> HandleMessage(TimePoint now, ByteSpan message);
  void HandleTimeout(TimePoint now);
  std::optional<TimePoint> PollTimeout() const;
  // The next request, written to the start of out.
  // REQUIRES: out.size() >= kMaxRequest.
  std::optional<std::size_t> PollTransmit(TimePoint now, MutableByteSpan out);

  // What to send to the server so that data goes to the peer; its size, 0 where
  // it can't be sent. The peer's packets are let in from then on.
  // REQUIRES: out has room for kMaxOverhead more than the data.
  std::size_t Wrap(TimePoint now, const SocketAddress& peer, ByteSpan data,
                   MutableByteSpan out);
  // Lets a peer's packets in before anything was sent to it.
  void Permit(TimePoint now, const SocketAddress& peer);

  // Where peers reach us; nullopt before and after.
  const std::optional<SocketAddress>& relayed() const { return relayed_; }
  bool failed() const { return failed_; }
  // Why, for people; the server's own words among them.
  const std::string& reason() const { return reason_; }

  // Gives the allocation back: drain PollTransmit() once more.
  void Release(TimePoint now);

 private:
  struct Transaction {
    Method method;
    TransactionId id;
    std::optional<std::size_t> peer;  // Of a kChannelBind.
    int sends = 0;
    bool due = true;
    TimePoint deadline;
    bool asked_again = false;  // After a 401 or 438.
  };
  struct Peer {
    SocketAddress address;
    bool bound = false;
    bool refused = false;
    TimePoint again;
  };

  void Begin(TimePoint now, Method method,
             std::optional<std::size_t> peer = std::nullopt);
  void HandleResponse(TimePoint now, const Response& response);
  void Fail(std::string reason);
  std::optional<std::size_t> FindPeer(const SocketAddress& address) const;

  const Config config_;
  Random& random_;
  std::vector<Transaction> transactions_;
  std::vector<Peer> peers_;  // Peer i has channel kMinChannel + i.
  std::string realm_;
  std::string nonce_;
  std::optional<crypto::TurnKey> key_;
  std::optional<SocketAddress> relayed_;
  TimePoint refresh_at_;
  bool failed_ = false;
  bool released_ = false;
  std::string reason_;
};

}  // namespace p2pcp::turn

#endif  // P2PCP_NET_TURN_TURN_CLIENT_H_

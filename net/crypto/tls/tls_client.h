// The client's side of a TLS connection (RFC 8446) without a socket: bytes of
// the connection in and out, and what they protect. The server must show a
// certificate for its name that the system's authorities have signed.
//
// Not on any path that keeps a secret of ours: what it carries is sealed
// already. It is for networks that let nothing else out.

#ifndef P2PCP_NET_CRYPTO_TLS_TLS_CLIENT_H_
#define P2PCP_NET_CRYPTO_TLS_TLS_CLIENT_H_

#include <cstddef>
#include <memory>
#include <string>

#include "net/base/bytes.h"
#include "net/base/result.h"

namespace p2pcp::crypto {

class TlsClient {
 public:
  // host: the name, or the address, that the certificate must be for.
  // ca_file: authorities instead of the system's; empty: the system's.
  static Result<std::unique_ptr<TlsClient>> Create(const std::string& host,
                                                   const std::string& ca_file);
  ~TlsClient();
  TlsClient(const TlsClient&) = delete;
  TlsClient& operator=(const TlsClient&) = delete;

  // What came from the server. Fails for good where that is no TLS, or its
  // certificate does not hold.
  Status HandleBytes(ByteSpan bytes);
  // The handshake is done: data may be written.
  bool ready() const;
  // Protects data; REQUIRES: ready().
  void Write(ByteSpan data);
  // What is to be sent to the server, and what it has said; taken once.
  Bytes TakeOutgoing();
  Bytes TakeReceived();

 private:
  struct Session;
  explicit TlsClient(std::unique_ptr<Session> session);
  Status Advance();

  std::unique_ptr<Session> session_;
};

}  // namespace p2pcp::crypto

#endif  // P2PCP_NET_CRYPTO_TLS_TLS_CLIENT_H_

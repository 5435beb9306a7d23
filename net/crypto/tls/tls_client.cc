#include "net/crypto/tls/tls_client.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <array>
#include <utility>

#include "net/base/check.h"
#include "net/base/socket_address.h"

namespace p2pcp::crypto {
namespace {

// A record of TLS.
constexpr std::size_t kChunk = 16 * 1024;

Error TlsError(const char* what) {
  std::array<char, 160> text = {};
  ERR_error_string_n(ERR_get_error(), text.data(), text.size());
  ERR_clear_error();
  return Error{ErrorCode::kOther, std::string(what) + ": " + text.data()};
}

}  // namespace

struct TlsClient::Session {
  SSL_CTX* context = nullptr;
  SSL* ssl = nullptr;
  // Owned by ssl.
  BIO* incoming = nullptr;
  BIO* outgoing = nullptr;
  Bytes received;

  ~Session() {
    SSL_free(ssl);
    SSL_CTX_free(context);
  }
};

TlsClient::TlsClient(std::unique_ptr<Session> session)
    : session_(std::move(session)) {}
TlsClient::~TlsClient() = default;

Result<std::unique_ptr<TlsClient>> TlsClient::Create(
    const std::string& host, const std::string& ca_file) {
  auto session = std::make_unique<Session>();
  session->context = SSL_CTX_new(TLS_client_method());
  if (session->context == nullptr) return TlsError("TLS");
  SSL_CTX* const context = session->context;
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  const int authorities =
      ca_file.empty() ? SSL_CTX_set_default_verify_paths(context)
                      : SSL_CTX_load_verify_file(context, ca_file.c_str());
  if (authorities != 1) return TlsError("the authorities for TLS");
  session->ssl = SSL_new(context);
  session->incoming = BIO_new(BIO_s_mem());
  session->outgoing = BIO_new(BIO_s_mem());
  if (session->ssl == nullptr || session->incoming == nullptr ||
      session->outgoing == nullptr) {
    return TlsError("TLS");
  }
  SSL_set_bio(session->ssl, session->incoming, session->outgoing);
  SSL_set_connect_state(session->ssl);
  const bool numeric = IpAddress::Parse(host).has_value();
  const int named = numeric ? X509_VERIFY_PARAM_set1_ip_asc(
                                  SSL_get0_param(session->ssl), host.c_str())
                            : SSL_set1_host(session->ssl, host.c_str());
  if (named != 1) return TlsError("TLS");
  if (!numeric) SSL_set_tlsext_host_name(session->ssl, host.c_str());
  std::unique_ptr<TlsClient> client(new TlsClient(std::move(session)));
  if (Status status = client->Advance(); !status.ok()) {
    return std::move(status).error();
  }
  return client;
}

Status TlsClient::Advance() {
  if (!SSL_is_init_finished(session_->ssl)) {
    const int result = SSL_do_handshake(session_->ssl);
    if (result != 1) {
      const int error = SSL_get_error(session_->ssl, result);
      if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
        return {};
      }
      return TlsError("TLS");
    }
  }
  std::array<std::byte, kChunk> chunk;
  for (;;) {
    const int size =
        SSL_read(session_->ssl, chunk.data(), static_cast<int>(chunk.size()));
    if (size <= 0) {
      const int error = SSL_get_error(session_->ssl, size);
      if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
        return {};
      }
      return TlsError("TLS");
    }
    session_->received.insert(session_->received.end(), chunk.begin(),
                              chunk.begin() + size);
  }
}

Status TlsClient::HandleBytes(ByteSpan bytes) {
  if (!bytes.empty()) {
    P2PCP_CHECK(BIO_write(session_->incoming, bytes.data(),
                          static_cast<int>(bytes.size())) ==
                static_cast<int>(bytes.size()));
  }
  return Advance();
}

bool TlsClient::ready() const { return SSL_is_init_finished(session_->ssl); }

void TlsClient::Write(ByteSpan data) {
  P2PCP_CHECK(ready());
  if (data.empty()) return;
  // Into memory: always all of it.
  SSL_write(session_->ssl, data.data(), static_cast<int>(data.size()));
}

Bytes TlsClient::TakeOutgoing() {
  Bytes bytes(BIO_ctrl_pending(session_->outgoing));
  if (!bytes.empty()) {
    BIO_read(session_->outgoing, bytes.data(), static_cast<int>(bytes.size()));
  }
  return bytes;
}

Bytes TlsClient::TakeReceived() {
  return std::exchange(session_->received, {});
}

}  // namespace p2pcp::crypto

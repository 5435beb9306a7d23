#include "net/signaling/mqtt_failure.h"

#include <mosquitto.h>
#include <mqtt_protocol.h>
#include <netdb.h>

#include <cerrno>
#include <cstring>

#include "net/signaling/mqtt_tls_error.h"

namespace p2pcp::signaling {

std::string DescribeFailure(const Broker& broker, int result, int os_errno,
                            std::string_view log, bool greeted) {
  // Who speaks TLS answers what is none with an alert, or hangs up. Others hang
  // up too.
  const bool may_want_tls = !greeted && !broker.tls;
  switch (result) {
    case MOSQ_ERR_SUCCESS:
    case MOSQ_ERR_CONN_LOST:
    case MOSQ_ERR_NO_CONN:
      return may_want_tls ? "the broker closed the connection before it "
                            "answered; with TLS it is mqtts://"
                          : "the broker closed the connection";
    case MOSQ_ERR_PROTOCOL:
      return may_want_tls
                 ? "it does not answer in MQTT; with TLS it is mqtts://"
                 : mosquitto_strerror(result);
    case MOSQ_ERR_EAI:
      // The library leaves the resolver's code in errno.
      return "cannot resolve '" + broker.host + "': " + gai_strerror(os_errno);
    case MOSQ_ERR_ERRNO:
      if (os_errno == EINTR) return "no answer to the call";
      if (os_errno == EPROTO && !log.empty()) {
        return DescribeTlsError(broker, log);
      }
      return std::strerror(os_errno);
    case MOSQ_ERR_TLS:
      return DescribeTlsError(broker, log);
    case MOSQ_ERR_NOMEM:
      return "the broker sends more than any honest one would";
    case MOSQ_ERR_KEEPALIVE:
      return "the broker fell silent";
    default:
      return mosquitto_strerror(result);
  }
}

std::string DescribeRefusal(const Broker& broker, bool version5, int reason) {
  std::string text =
      std::string("refused: ") + (version5 ? mosquitto_reason_string(reason)
                                           : mosquitto_connack_string(reason));
  const bool account =
      version5 ? reason == MQTT_RC_BAD_USERNAME_OR_PASSWORD ||
                     reason == MQTT_RC_NOT_AUTHORIZED
               : reason == CONNACK_REFUSED_NOT_AUTHORIZED ||
                     reason == CONNACK_REFUSED_BAD_USERNAME_PASSWORD;
  if (account && broker.user.empty()) {
    text += "; it may want a user (USER@HOST) and a password";
  } else if (account) {
    text += "; user or password is wrong";
  }
  return text;
}

}  // namespace p2pcp::signaling

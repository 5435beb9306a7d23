#include "net/signaling/mqtt_tls_error.h"

namespace p2pcp::signaling {

// The library has no codes for these, only words.
bool IsTlsCause(std::string_view log) {
  return log.find("host name verification") != log.npos;
}

std::string DescribeTlsError(const Broker& broker, std::string_view log) {
  if (IsTlsCause(log)) {
    return "TLS: its certificate is not for '" + broker.host + "'";
  }
  if (log.find("certificate verify failed") != log.npos) {
    const std::string authorities = broker.ca_file.empty()
                                        ? " (--broker-ca FILE names others)"
                                        : " (by '" + broker.ca_file + "')";
    return "TLS: certificate verify failed: it has expired, or is from nobody "
           "that is trusted here" +
           authorities;
  }
  // A broker without TLS closes, or answers in clear.
  if (log.find("unexpected eof") != log.npos ||
      log.find("wrong version number") != log.npos) {
    return "TLS: it does not answer in it; without TLS it is mqtt://";
  }
  return log.empty() ? "TLS failed" : "TLS: " + std::string(log);
}

}  // namespace p2pcp::signaling

// What has become of the brokers, for the user's eyes: which of them failed,
// and what to say where none can be reached.

#ifndef P2PCP_CMD_BROKERS_BROKER_REPORT_H_
#define P2PCP_CMD_BROKERS_BROKER_REPORT_H_

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "net/base/result.h"
#include "net/signaling/broker_url.h"

namespace p2pcp::cmd {

class BrokerReport {
 public:
  BrokerReport() = default;
  // brokers: their URLs are all that is kept of them.
  explicit BrokerReport(const std::vector<signaling::Broker>& brokers);

  void HandleUp() { was_up_ = true; }
  void HandleDown(std::size_t broker, Error error);

  // Whether some broker has ever been reached.
  bool was_up() const { return was_up_; }
  const std::string& url(std::size_t broker) const { return urls_[broker]; }
  // Once, as soon as each broker has failed before any was up: the reasons, so
  // that nobody waits for a wrong password to be forgiven.
  std::optional<std::string> TakeWarning();
  // kRendezvousUnreachable, with a line for each broker and what to do.
  Error Unreachable() const;

 private:
  std::string Reasons() const;

  std::vector<std::string> urls_;
  std::vector<std::optional<Error>> errors_;
  bool was_up_ = false;
  bool warned_ = false;
};

}  // namespace p2pcp::cmd

#endif  // P2PCP_CMD_BROKERS_BROKER_REPORT_H_

#include "cmd/brokers/broker_report.h"

#include <algorithm>
#include <utility>

#include "cmd/text.h"

namespace p2pcp::cmd {

BrokerReport::BrokerReport(const std::vector<signaling::Broker>& brokers)
    : errors_(brokers.size()) {
  for (const auto& broker : brokers) urls_.push_back(broker.ToString());
}

void BrokerReport::HandleDown(std::size_t broker, Error error) {
  errors_[broker] = std::move(error);
}

std::string BrokerReport::Reasons() const {
  std::string text;
  for (std::size_t i = 0; i < urls_.size(); ++i) {
    text += "\n  ";
    text += errors_[i] ? Escape(errors_[i]->message)
                       : Escape(urls_[i]) +
                             ": no answer (a dead name server or a firewall?)";
  }
  return text;
}

std::optional<std::string> BrokerReport::TakeWarning() {
  const bool all =
      std::all_of(errors_.begin(), errors_.end(),
                  [](const auto& error) { return error.has_value(); });
  if (was_up_ || warned_ || !all) return std::nullopt;
  warned_ = true;
  return "no broker can be reached yet, still trying:" + Reasons();
}

Error BrokerReport::Unreachable() const {
  return Error{ErrorCode::kRendezvousUnreachable,
               "no broker could be reached" + Reasons() +
                   "\nCheck the network, or name another broker with --broker "
                   "URL ('p2pcp serve' runs one)."};
}

}  // namespace p2pcp::cmd

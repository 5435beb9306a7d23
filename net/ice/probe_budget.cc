#include "net/ice/probe_budget.h"

#include <algorithm>

namespace p2pcp::ice {

double ProbeBudget::Refilled(const Entry& entry, TimePoint now) {
  const double seconds = std::chrono::duration<double>(now - entry.at).count();
  return std::min(kBurst, entry.tokens + seconds * kPerSecond);
}

bool ProbeBudget::Take(TimePoint now, const IpAddress& ip) {
  auto entry = std::ranges::find(entries_, ip, &Entry::ip);
  if (entry == entries_.end()) {
    if (entries_.size() == kMaxAddresses) {
      // One that is full again says nothing any more.
      std::erase_if(entries_, [now](const Entry& old) {
        return Refilled(old, now) >= kBurst;
      });
    }
    if (entries_.size() == kMaxAddresses) return false;
    entry = entries_.insert(entries_.end(),
                            {.ip = ip, .tokens = kBurst, .at = now});
  }
  entry->tokens = Refilled(*entry, now);
  entry->at = now;
  if (entry->tokens < 1) return false;
  entry->tokens -= 1;
  return true;
}

void ProbeBudget::Prove(TimePoint now, const IpAddress& ip) {
  const auto entry = std::ranges::find(entries_, ip, &Entry::ip);
  if (entry == entries_.end()) return;
  if (entry->proven_at && now < *entry->proven_at + kProofInterval) return;
  entry->proven_at = now;
  entry->tokens = kBurst;
  entry->at = now;
}

}  // namespace p2pcp::ice

#include "transfer/session/bottleneck.h"

#include <algorithm>
#include <array>

namespace p2pcp {
namespace {

// A thread that is busy for so much of the time has no reserve: what it waits
// for in the rest is on its way already.
constexpr double kBusy = 0.8;
// A disk that works for half of the time while the sender waits for its
// receiver is what it waits for: the rest is the way of the credit.
constexpr double kDiskBusy = 0.5;
// Datagrams that the socket dropped count as the cause of losses if they are
// half of them,
constexpr double kDropsOfLosses = 0.5;
// and so many of all that a loss-based controller feels it: at 0.1 % and 50 ms
// CUBIC keeps 9 % of a line of 100 Mbit/s.
constexpr double kDropsThatCount = 0.001;

bool AtLeast(Duration part, double of, Duration whole) {
  return whole > Duration::zero() &&
         static_cast<double>(part.count()) >=
             of * static_cast<double>(whole.count());
}
bool IsBusy(const MachineReport& machine) {
  return AtLeast(machine.busy, kBusy, machine.elapsed);
}
// The disk's work was the processor's: copying, hashing, no waiting.
bool DiskComputes(const MachineReport& machine) {
  return AtLeast(machine.disk_cpu, kBusy, machine.disk);
}

bool SocketOverflowed(const SenderFacts& sender, std::uint64_t drops) {
  const auto count = static_cast<double>(drops);
  return drops > 0 &&
         count >= kDropsThatCount * static_cast<double>(sender.packets_sent) &&
         count >= kDropsOfLosses * static_cast<double>(sender.packets_lost);
}

Bottleneck OfPath(const SenderFacts& sender,
                  const std::optional<ReceiverReport>& receiver) {
  if (!receiver) return Bottleneck::kPath;
  if (IsBusy(receiver->machine)) return Bottleneck::kReceiverCpu;
  return SocketOverflowed(sender, receiver->socket_drops)
             ? Bottleneck::kReceiverSocket
             : Bottleneck::kPath;
}

Bottleneck OfReceiver(const SenderFacts& sender,
                      const std::optional<ReceiverReport>& receiver) {
  if (!receiver) return Bottleneck::kReceiverDisk;
  const MachineReport& machine = receiver->machine;
  if (sender.finishing > sender.credit ||
      AtLeast(machine.disk, kDiskBusy, machine.elapsed)) {
    return DiskComputes(machine) ? Bottleneck::kReceiverCpu
                                 : Bottleneck::kReceiverDisk;
  }
  return IsBusy(machine) ? Bottleneck::kReceiverCpu
                         : Bottleneck::kReceiverMemory;
}

}  // namespace

Bottleneck Judge(const SenderFacts& sender,
                 const std::optional<ReceiverReport>& receiver) {
  if (IsBusy(sender.machine)) return Bottleneck::kSenderCpu;
  // Where the thread is known to have waited while it might have sent, its
  // socket did not take more: the line begins there.
  const bool metered = sender.machine.busy > Duration::zero();
  const Duration cpu = metered ? Duration::zero() : sender.sending;
  const Duration path = sender.path + (metered ? sender.sending : Duration(0));
  const Duration waits = sender.credit + sender.finishing;
  const Duration longest =
      std::max({path, waits, sender.source, sender.rate_limit, cpu});
  if (longest <= Duration::zero()) return Bottleneck::kNone;
  if (longest == sender.rate_limit) return Bottleneck::kSenderLimit;
  if (longest == path) return OfPath(sender, receiver);
  if (longest == waits) return OfReceiver(sender, receiver);
  if (longest == cpu || DiskComputes(sender.machine)) {
    return Bottleneck::kSenderCpu;
  }
  return Bottleneck::kSenderDisk;
}

}  // namespace p2pcp

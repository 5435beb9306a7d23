// Two agents behind NATs, whose probes the input loses, delays and repeats, and
// whose candidates come when it says, with addresses that lead nowhere among
// them. What an agent selects it has proven; what it sends stays within the
// bounds of net/channel/PROTOCOL.md; and both come to an end in time.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/check.h"
#include "net/base/random.h"
#include "net/base/socket_address.h"
#include "net/base/time.h"
#include "net/ice/agent.h"
#include "net/ice/candidate.h"
#include "net/ice/probe.h"
#include "net/ice/probe_budget.h"
#include "net/ice/virtual_network.h"
#include "tests/fuzz/fuzz_input.h"

namespace p2pcp::ice {
namespace {

constexpr std::size_t kMaxOperations = 200;
constexpr std::size_t kProbeSize = 46;
constexpr Duration kOneWay = 20ms;
constexpr TimePoint kStart{1s};
// To an address that has proven nothing (net/channel/PROTOCOL.md 5.5).
constexpr int kMaxToOne = 160;

struct End {
  End(Role role, const char* at, Random& random)
      : local(*SocketAddress::Parse(at)),
        agent({.role = role, .probe_size = kProbeSize, .budget = &budget},
              random) {}

  SocketAddress local;
  ProbeBudget budget;
  Agent agent;
  std::unique_ptr<VirtualNat> nat;
  std::map<IpAddress, int> to_nobody;
  bool failed = false;
};

class Arena {
 public:
  explicit Arena(fuzz::FuzzInput input) : input_(input) {
    const std::uint8_t kinds = input_.TakeU8();
    Add(0, "203.0.113.10", kinds & 7);
    Add(1, "192.0.2.10", kinds >> 3 & 7);
    network_.tap = [this](TimePoint now, VirtualDatagram& datagram) {
      if (inside_ || input_.empty()) return false;
      const std::uint8_t choice = input_.TakeU8();
      if (choice < 200) return choice < 60;
      inside_ = true;
      network_.Inject(now + (choice - 200) * 20ms, datagram);
      inside_ = false;
      return (choice & 1) != 0;
    };
  }

  void Run() {
    for (std::size_t i = 0; i < kMaxOperations && !input_.empty(); ++i) {
      const std::uint8_t operation = input_.TakeU8();
      End& end = ends_[operation & 1];
      switch (operation >> 1 & 7) {
        case 0:
          TellCandidates(operation & 1);
          break;
        case 1: {  // Where nobody is, or nobody may be probed.
          Candidate candidate;
          candidate.address = {
              IpAddress::V4({input_.TakeU8(), 0, 113, input_.TakeU8()}),
              input_.TakeU16(), 0};
          candidate.priority = ComputePriority(candidate.type, 1);
          end.agent.AddRemoteCandidates(now_, {&candidate, 1});
          break;
        }
        case 2:
          end.agent.CheckAll(now_);
          break;
        case 3:
          if (end.agent.selected() != nullptr) {
            end.agent.Ping(end.agent.selected()->id());
          }
          break;
        case 4:
          if (end.nat) end.nat->Reboot();
          break;
        default:
          RunFor(input_.TakeU8() * 4ms);
          break;
      }
      Flush();
    }
    input_ = fuzz::FuzzInput({});
    TellCandidates(0);
    TellCandidates(1);
    RunFor(20s);
    for (End& end : ends_) {
      P2PCP_CHECK(!(end.failed && end.agent.PollTimeout().has_value()));
      P2PCP_CHECK(end.failed || end.agent.selected() != nullptr);
      for (const auto& [ip, count] : end.to_nobody) {
        P2PCP_CHECK(count <= kMaxToOne);
      }
      P2PCP_CHECK(end.agent.checklist().pairs().size() <= Checklist::kMaxPairs);
    }
  }

 private:
  void Add(int i, const char* outside, std::uint8_t kind) {
    constexpr std::array kKinds = {
        NatKind::kFullCone, NatKind::kAddressRestricted,
        NatKind::kPortRestricted, NatKind::kSymmetric};
    End& end = ends_[i];
    if (kind < kKinds.size()) {
      end.nat = std::make_unique<VirtualNat>(kKinds[kind],
                                             *IpAddress::Parse(outside));
    }
    network_.AddHost(end.local.ip, end.nat.get(),
                     [this, &end](TimePoint now, const VirtualDatagram& d) {
                       Receive(now, end, d);
                     });
    end.agent.AddLocalCandidates(now_, Candidates(i));
  }

  std::vector<Candidate> Candidates(int i) {
    End& end = ends_[i];
    std::vector<Candidate> candidates(1);
    candidates[0].address = candidates[0].base = end.local;
    candidates[0].priority = ComputePriority(CandidateType::kHost, 10);
    if (end.nat) {
      Candidate mapped = candidates[0];
      mapped.type = CandidateType::kServerReflexive;
      mapped.address = end.nat->Outbound(
          end.local, *SocketAddress::Parse("198.51.100.1:3478"));
      mapped.priority = ComputePriority(mapped.type, 10);
      candidates.push_back(mapped);
    }
    return candidates;
  }

  void TellCandidates(int to) {
    ends_[to].agent.AddRemoteCandidates(now_, Candidates(1 - to));
  }

  void Receive(TimePoint now, End& end, const VirtualDatagram& datagram) {
    const auto probe = ReadProbe(datagram.bytes);
    if (!probe) return;
    end.agent.HandleProbe(now, 0, datagram.from, kProbeSize, *probe);
    Flush();
  }

  void Flush() {
    for (End& end : ends_) {
      for (int packets = 0;; ++packets) {
        P2PCP_CHECK(packets < 200);
        const auto transmit = end.agent.PollTransmit(now_);
        if (!transmit) break;
        P2PCP_CHECK(IsProbeable(transmit->to, false));
        const Pair* pair = end.agent.FindById(transmit->pair);
        P2PCP_CHECK(pair != nullptr);
        if (!pair->proven() && !pair->peer_reflexive()) {
          ++end.to_nobody[transmit->to.ip];
        }
        Bytes bytes(Probe::kSize);
        WriteProbe(transmit->probe, bytes);
        network_.Send(now_, {end.local, transmit->to, std::move(bytes)});
      }
      while (const auto event = end.agent.PollEvent()) {
        P2PCP_CHECK(!end.failed);
        end.failed = *event == Agent::Event::kFailed;
        if (!end.failed) {
          P2PCP_CHECK(end.agent.selected() != nullptr);
          P2PCP_CHECK(end.agent.selected()->proven());
        }
      }
    }
  }

  void RunFor(Duration duration) {
    const TimePoint end = now_ + duration;
    for (int step = 0;; ++step) {
      P2PCP_CHECK(step < 50'000);
      TimePoint next = end;
      for (const End& e : ends_) {
        next = std::min(next, e.agent.PollTimeout().value_or(end));
      }
      next = std::min(next, network_.NextArrival().value_or(end));
      now_ = std::max(now_, next);
      network_.Deliver(now_);
      for (End& e : ends_) e.agent.HandleTimeout(now_);
      Flush();
      if (now_ >= end) return;
    }
  }

  fuzz::FuzzInput input_;
  TimePoint now_ = kStart;
  SeededRandom random_{1};
  VirtualNetwork network_{kOneWay};
  bool inside_ = false;
  End ends_[2] = {{Role::kControlling, "10.1.0.2:5000", random_},
                  {Role::kControlled, "10.2.0.2:6000", random_}};
};

}  // namespace
}  // namespace p2pcp::ice

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  return p2pcp::fuzz::RunArena<p2pcp::ice::Arena>(data, size);
}

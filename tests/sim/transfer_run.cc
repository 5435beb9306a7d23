#include "tests/sim/transfer_run.h"

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "net/base/check.h"
#include "net/base/random.h"
#include "net/base/result.h"
#include "net/base/socket_address.h"
#include "net/channel/channel.h"
#include "net/crypto/handshake.h"
#include "net/crypto/key.h"
#include "net/ice/candidate.h"
#include "tests/sim/disk_options.h"
#include "tests/sim/host.h"
#include "tests/sim/nat.h"
#include "tests/sim/simulator.h"
#include "tests/sim/temp_folder.h"
#include "tests/sim/topology.h"
#include "tests/sim/transfer_peer.h"
#include "transfer/file/output_folder.h"
#include "transfer/file/source_tree.h"
#include "transfer/session/receiver.h"
#include "transfer/session/sender.h"

namespace p2pcp::sim {
namespace {

constexpr std::uint16_t kPort = 4000;
// That of IPv6 (RFC 8200 section 5).
constexpr std::size_t kSmallMtu = 1280;
// In a storm every packet that the attacker replays comes so often.
constexpr int kStormCopies = 20;
// The network of a scenario, and how to do to it what happens.
class Network {
 public:
  Network(Simulator& simulator, const Scenario& scenario)
      : simulator_(simulator), internet_(simulator) {
    if (!scenario.homes) {
      wire_.emplace(simulator, scenario.to_receiver, scenario.to_sender);
      wire_->attacker().options() = scenario.attacker;
      return;
    }
    NatOptions nat;
    // Only a NAT that lets anybody in lets a peer in that has moved.
    for (const Happening& happening : scenario.happenings) {
      if (happening.kind == Happening::Kind::kRebindSender ||
          happening.kind == Happening::Kind::kRebindReceiver ||
          happening.kind == Happening::Kind::kRenumberSender) {
        nat.filtering = Dependence::kEndpointIndependent;
      }
    }
    // Of each way the faults are on the sender's line, and half of the delay.
    LinkOptions up = scenario.to_receiver;
    LinkOptions down = scenario.to_sender;
    LinkOptions far_up;
    LinkOptions far_down;
    far_down.delay = up.delay / 2;
    far_up.delay = down.delay / 2;
    up.delay -= far_down.delay;
    down.delay -= far_up.delay;
    sender_home_ = &internet_.AddHome(
        {.nat = nat, .external = {Ip("203.0.113.10")}, .up = up, .down = down});
    receiver_home_ = &internet_.AddHome({.nat = nat,
                                         .external = {Ip("192.0.2.10")},
                                         .up = far_up,
                                         .down = far_down});
    sender_home_->attacker->options() = scenario.attacker;
    internet_.AddHost(*sender_home_, {Ip("10.1.0.2")});
    internet_.AddHost(*receiver_home_, {Ip("10.2.0.2")});
  }

  Host& sender() { return wire_ ? wire_->a() : *sender_home_->hosts[0]; }
  Host& receiver() { return wire_ ? wire_->b() : *receiver_home_->hosts[0]; }

  // What the two would have learnt from a STUN server and told each other.
  std::vector<ice::Candidate> SenderCandidates() {
    return Candidates(sender(), sender_home_);
  }
  std::vector<ice::Candidate> ReceiverCandidates() {
    return Candidates(receiver(), receiver_home_);
  }

  void Do(const Happening& happening) {
    using Kind = Happening::Kind;
    switch (happening.kind) {
      case Kind::kOutage:
        SetUp(false, false);
        simulator_.ScheduleIn(happening.duration,
                              [this] { SetUp(true, true); });
        break;
      case Kind::kOneWayOutage:
        SetUp(false, true);
        simulator_.ScheduleIn(happening.duration,
                              [this] { SetUp(true, true); });
        break;
      case Kind::kRebindSender:
        sender_home_->nat->Rebind();
        break;
      case Kind::kRebindReceiver:
        receiver_home_->nat->Rebind();
        break;
      case Kind::kRenumberSender:
        internet_.Renumber(*sender_home_,
                           {IpAddress::V4({203, 0, 113, next_address_++})});
        break;
      case Kind::kSmallerMtu:
        for (Link* link : Links()) link->options().mtu = kSmallMtu;
        break;
      case Kind::kKillSender:
      case Kind::kKillReceiver:
      case Kind::kCancelSender:
      case Kind::kCancelReceiver:
        break;  // No matter of the network's.
      case Kind::kStorm: {
        Attacker& attacker =
            wire_ ? wire_->attacker() : *sender_home_->attacker;
        const AttackerOptions before = attacker.options();
        attacker.options().replay = 1;
        attacker.options().copies = kStormCopies;
        simulator_.ScheduleIn(happening.duration, [&attacker, before] {
          attacker.options() = before;
        });
        break;
      }
    }
  }

 private:
  void SetUp(bool to_receiver, bool to_sender) {
    Links()[0]->set_up(to_receiver);
    Links()[1]->set_up(to_sender);
  }
  // To the receiver, and to the sender.
  std::array<Link*, 2> Links() {
    if (wire_) return {&wire_->a_to_b(), &wire_->b_to_a()};
    return {sender_home_->up.get(), sender_home_->down.get()};
  }

  static ice::Candidate Make(ice::CandidateType type,
                             const SocketAddress& address,
                             const SocketAddress& base) {
    return {.type = type,
            .address = address,
            .base = base,
            .priority = ice::ComputePriority(type, 65535),
            .socket = 0};
  }

  std::vector<ice::Candidate> Candidates(Host& host, Home* home) {
    const SocketAddress base{.ip = host.v4(), .port = kPort};
    std::vector<ice::Candidate> candidates = {
        Make(ice::CandidateType::kHost, base, base)};
    if (home != nullptr) {
      // Opens a mapping, as a request to a STUN server does.
      const SocketAddress server = Address("198.51.100.1:3478");
      host.Send(kPort, server, {});
      candidates.push_back(Make(ice::CandidateType::kServerReflexive,
                                home->nat->Find(base, server).value(), base));
    }
    return candidates;
  }

  Simulator& simulator_;
  Internet internet_;
  std::optional<Wire> wire_;
  Home* sender_home_ = nullptr;
  Home* receiver_home_ = nullptr;
  std::uint8_t next_address_ = 20;
};

channel::Channel::Config ChannelConfig(const Scenario& scenario, bool sender) {
  SeededRandom random(scenario.seed);
  const crypto::Key one(random.Array<crypto::Key::kSize>());
  const crypto::Key other(random.Array<crypto::Key::kSize>());
  channel::Channel::Config config;
  config.role = sender ? ice::Role::kControlling : ice::Role::kControlled;
  config.keys.send = sender ? one : other;
  config.keys.receive = sender ? other : one;
  random.Fill(config.keys.handshake_hash);
  config.suite = scenario.suite;
  return config;
}

std::string NameOf(std::size_t file) {
  return "file-" + std::to_string(file) + ".bin";
}

// Whether each of these files in out is the one in `in`.
bool IsSound(const TempFolder& in, const TempFolder& out,
             const std::vector<std::string>& names) {
  return std::all_of(names.begin(), names.end(), [&](const std::string& name) {
    return SameContent(in.path() / name, out.path() / name);
  });
}

}  // namespace

RunResult RunTransfer(const Scenario& scenario) {
  Simulator simulator(scenario.seed);
  Network network(simulator, scenario);

  TempFolder in;
  TempFolder out;
  SeededRandom content(scenario.seed);
  std::vector<std::string> paths;
  for (std::size_t i = 0; i < scenario.file_sizes.size(); ++i) {
    paths.push_back(in.AddFile(NameOf(i), scenario.file_sizes[i], content));
  }
  Result<file::SourceTree> sources = file::SourceTree::Open(paths, {});
  P2PCP_CHECK(sources.ok());
  const Result<file::OutputTarget> target = file::OpenOutput(out.path());
  P2PCP_CHECK(target.ok());

  TransferPeer sender(
      simulator, network.sender(),
      {.port = kPort,
       .channel = ChannelConfig(scenario, true),
       .disk = scenario.slow_side == Side::kReceiver ? DiskOptions{}
                                                     : scenario.disk,
       .random_seed = scenario.seed * 2,
       .link_mtu = scenario.link_mtu,
       .make_session = [&](TimePoint now, std::size_t max_payload, Duration rtt,
                           file::Disk* disk) {
         Sender::Config config;
         config.max_payload = max_payload;
         if (rtt > Duration::zero()) config.initial_rtt = rtt;
         config.early = scenario.early;
         return std::make_unique<Sender>(now, config, &*sources, disk);
       }});
  SeededRandom names(scenario.seed);
  TransferPeer receiver(
      simulator, network.receiver(),
      {.port = kPort,
       .channel = ChannelConfig(scenario, false),
       .disk =
           scenario.slow_side == Side::kSender ? DiskOptions{} : scenario.disk,
       .random_seed = scenario.seed * 2 + 1,
       .link_mtu = scenario.link_mtu,
       .make_session = [&](TimePoint now, std::size_t max_payload, Duration rtt,
                           file::Disk* disk) {
         Receiver::Config config;
         config.max_payload = max_payload;
         if (rtt > Duration::zero()) config.initial_rtt = rtt;
         return std::make_unique<Receiver>(now, config, &*target, disk, &names);
       }});
  const auto sender_candidates = network.SenderCandidates();
  const auto receiver_candidates = network.ReceiverCandidates();
  sender.AddCandidates(sender_candidates, receiver_candidates);
  receiver.AddCandidates(receiver_candidates, sender_candidates);

  RunResult result;
  std::optional<TimePoint> shrunk_at;
  std::vector<Happening> due = scenario.happenings;
  const double total = static_cast<double>(scenario.TotalBytes());
  const auto let_happen = [&] {
    if (due.empty() || receiver.session() == nullptr || receiver.gone()) return;
    const double done =
        static_cast<double>(receiver.session()->stats().data_bytes_received) /
        total;
    std::erase_if(due, [&](const Happening& happening) {
      if (done <= happening.when) return false;
      switch (happening.kind) {
        case Happening::Kind::kKillSender:
          sender.Kill();
          break;
        case Happening::Kind::kKillReceiver:
          receiver.Kill();
          break;
        case Happening::Kind::kCancelSender:
          sender.Cancel({ErrorCode::kOther, "interrupted"});
          break;
        case Happening::Kind::kCancelReceiver:
          receiver.Cancel({ErrorCode::kOther, "interrupted"});
          break;
        default:
          network.Do(happening);
      }
      if (happening.kind == Happening::Kind::kSmallerMtu) {
        shrunk_at = simulator.now();
      }
      return true;
    });
  };
  const auto watch_mtu = [&] {
    if (sender.session() == nullptr || receiver.session() == nullptr) return;
    const std::size_t size =
        sender.channel().max_payload() + channel::Channel::kOverhead;
    if (size != result.datagram_size) {
      result.datagram_size = size;
      result.bytes_before_it = receiver.session()->stats().data_bytes_received;
    }
    result.black_holes = sender.channel().stats().black_holes +
                         receiver.channel().stats().black_holes;
    if (shrunk_at && !result.black_hole_took && result.black_holes > 0) {
      result.black_hole_took = simulator.now() - *shrunk_at;
    }
  };

  const Stop stop = simulator.RunUntil(
      [&] {
        let_happen();
        watch_mtu();
        return sender.gone() && receiver.gone();
      },
      Simulator::kStart + scenario.TimeLimit());

  result.elapsed = simulator.elapsed();
  result.steps = simulator.steps();
  if (sender.session() != nullptr) {
    result.bytes_sent = sender.session()->stats().bytes_sent;
  }
  const std::string ends = std::string(ToString(stop)) + "; sender " +
                           sender.Describe() + "; receiver " +
                           receiver.Describe();
  // Whatever still runs leaves no temporary file behind.
  sender.Kill();
  receiver.Kill();
  result.sender = {sender.completed(), sender.error(), sender.report()};
  result.receiver = {receiver.completed(), receiver.error(), receiver.report()};
  result.names = out.List();
  result.sound = IsSound(in, out, result.names);
  if (sender.broken() || receiver.broken()) {
    result.failure = sender.broken() ? "sender: " + *sender.broken()
                                     : "receiver: " + *receiver.broken();
  } else if (!sender.completed() || !receiver.completed()) {
    result.failure = ends;
  } else if (!result.sound) {
    result.failure = "a file at the receiver is wrong";
  } else if (result.names.size() != paths.size()) {
    result.failure = std::to_string(result.names.size()) +
                     " files at the receiver instead of " +
                     std::to_string(paths.size());
  } else if (receiver.files().size() != paths.size() ||
             sender.files().size() != paths.size()) {
    result.failure = "a side did not report every file";
  } else if (static_cast<double>(result.bytes_sent) >
             scenario.MostBytesSent()) {
    result.failure = "sent " + std::to_string(result.bytes_sent) +
                     " bytes for " + std::to_string(scenario.TotalBytes());
  }
  return result;
}

}  // namespace p2pcp::sim

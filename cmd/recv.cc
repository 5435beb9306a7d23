// p2pcp recv: what one peer sends, into a folder.

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "cmd/ask.h"
#include "cmd/commands.h"
#include "cmd/crew/listen.h"
#include "cmd/partial.h"
#include "cmd/receipt/receipt_signer.h"
#include "cmd/self_and_peer.h"
#include "cmd/text.h"
#include "cmd/transfer_command.h"
#include "net/base/random.h"
#include "net/channel/channel.h"
#include "net/crypto/contact_rules.h"
#include "net/udp/event_loop.h"
#include "transfer/file/output_folder.h"
#include "transfer/session/receiver.h"
#include "transfer/session/session.h"
#include "transfer/session/stream_receiver.h"

namespace p2pcp::cmd {
namespace {

file::ConflictPolicy PolicyOf(ConflictOption option) {
  switch (option) {
    case ConflictOption::kRename:
      return file::ConflictPolicy::kRename;
    case ConflictOption::kSkip:
      return file::ConflictPolicy::kSkip;
    case ConflictOption::kOverwrite:
      return file::ConflictPolicy::kOverwrite;
  }
  return file::ConflictPolicy::kRename;
}

ReceiptSigner SignerOf(TransferCommand& command) {
  return ReceiptSigner(&command.self(), [&command] {
    const channel::Path path = command.link().path();
    return ReceiptSigner::Circumstances{command.peer_key(), udp::WallTime(),
                                        path.relayed, !path.remote.ip.is_v4()};
  });
}

void SayIfSigned(const ReceiptSigner& receipt, const TransferCommand& command,
                 Console& console) {
  if (!receipt.signed_one()) return;
  console.Line(fmt::format("{} wanted a receipt: you have signed one",
                           command.peer_name()));
}

// One file or stream, to the standard output.
Result<ExitCode> ReceiveStream(const Options& options,
                               const crypto::ContactRules& rules,
                               const Home& home, Console& console,
                               Events& events) {
  if (rules.ask) {
    return Error{ErrorCode::kUsage,
                 "you want to be asked about what it sends (p2pcp peers set), "
                 "which --out - can't"};
  }
  auto begun = TransferCommand::Begin(TransferCommand::Side::kReceiver, options,
                                      home, console, events);
  if (!begun.ok()) return std::move(begun).error();
  if (const auto* signal = std::get_if<ExitCode>(&*begun)) return *signal;
  TransferCommand& command = *std::get<0>(*begun);
  ReceiptSigner receipt = SignerOf(command);
  const Result<ExitCode> outcome = command.RunStream([&] {
    Receiver::Config config;
    command.Configure(config);
    config.receipt = &receipt;
    config.max_bytes = rules.max_size;
    return NewStreamReceiver(command.Now(), config, STDOUT_FILENO,
                             command.disk());
  });
  SayIfSigned(receipt, command, console);
  return outcome;
}

// Small files are held open, without a name, until many of them are synced
// together (transfer/file/target_worker.h). Nothing here uses select(2), for
// which systems keep the number of open files low.
void AllowOpenFiles() {
  constexpr rlim_t kOpenFiles = 10'000;
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  const rlim_t wanted = std::min(limit.rlim_max, kOpenFiles);
  if (limit.rlim_cur >= wanted) return;
  limit.rlim_cur = wanted;
  setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

Result<ExitCode> RunRecv(const Options& options, const Home& home,
                         Console& console, Events& events) {
  if (options.list_partial || options.clean_partial) {
    return RunPartial(options, home, console);
  }
  events.Start("recv");
  if (!options.worker &&
      (options.listen || options.peers.size() > 1 || options.peer == "any")) {
    return RunListen(options, home, console, events);
  }
  const Result<crypto::ContactRules> rules = RulesFor(home, options.peer);
  if (!rules.ok()) return rules.error();
  if (options.out == "-") {
    return ReceiveStream(options, *rules, home, console, events);
  }
  AllowOpenFiles();
  const bool by_rule = !options.out_is_asked_for && !rules->folder.empty();
  // A folder that can't be written to is said before anybody is asked to come.
  Result<file::OutputTarget> target =
      file::OpenOutput(by_rule ? rules->folder : options.out.string());
  if (!target.ok()) {
    Error error = std::move(target).error();
    error.message = Escape(error.message);
    if (!by_rule) return error;
    return Annotate(std::move(error),
                    fmt::format("the folder for {} (p2pcp peers set {} out=)",
                                options.peer, options.peer));
  }
  auto begun = TransferCommand::Begin(TransferCommand::Side::kReceiver, options,
                                      home, console, events);
  if (!begun.ok()) {
    if (options.worker && begun.error().code == ErrorCode::kPeerNeverAppeared) {
      return Error{ErrorCode::kPeerNeverAppeared,
                   "it was gone before there was a path to it"};
    }
    return std::move(begun).error();
  }
  if (const auto* signal = std::get_if<ExitCode>(&*begun)) return *signal;
  TransferCommand& command = *std::get<0>(*begun);

  command.KeepState(home, target->folder.RealPath());
  SystemRandom random;
  const bool asks = options.ask || rules->ask;
  ReceiptSigner receipt = SignerOf(command);
  Receiver* receiver = nullptr;  // The one at hand.
  std::optional<Ask> ask;
  std::optional<Receiver::Listing> accepted;
  const auto make = [&] {
    Receiver::Config config;
    command.Configure(config);
    config.conflict = PolicyOf(options.conflict);
    config.delta = !options.whole_file;
    config.ask = asks;
    config.max_bytes = rules->max_size;
    config.allow_dotfiles = options.allow_dotfiles;
    config.receipt = &receipt;
    auto made = std::make_unique<Receiver>(command.Now(), config, &*target,
                                           command.disk(), &random);
    receiver = made.get();
    ask.emplace(&command.link().loop(), &console);
    return made;
  };
  Result<ExitCode> outcome = command.Run(make, [&](const SessionEvent& event) {
    if (std::holds_alternative<Failed>(event)) {
      // It uses the link, which may be another in a moment.
      ask.reset();
      if (rules->max_size && receiver->listing().bytes > *rules->max_size) {
        console.Error(fmt::format(
            "{0} offers more than the {1} that you have laid down for {0}; "
            "declined. To change that: p2pcp peers set {0} max-size=SIZE",
            command.peer_name(), FormatSize(*rules->max_size)));
      }
    }
    if (!asks || !std::holds_alternative<Offered>(event)) return;
    if (options.worker) {
      console.Error(
          "you want to be asked about what it sends (p2pcp peers set), which "
          "can't be where several may come; declined");
      return receiver->Decide(command.Now(), false);
    }
    // What was accepted is not asked for again when it goes on.
    if (accepted == receiver->listing()) {
      return receiver->Decide(command.Now(), true);
    }
    ask->Show(command.peer_name(), receiver->listing(), [&](bool accept) {
      if (accept) accepted = receiver->listing();
      receiver->Decide(command.Now(), accept);
    });
  });
  SayIfSigned(receipt, command, console);
  return outcome;
}

}  // namespace p2pcp::cmd

// p2pcp recv: what one peer sends, into a folder.

#include <fmt/format.h>

#include <cstdint>

#include "cmd/ask.h"
#include "cmd/commands.h"
#include "cmd/crew/listen.h"
#include "cmd/self_and_peer.h"
#include "cmd/text.h"
#include "cmd/transfer_command.h"
#include "net/base/random.h"
#include "net/crypto/contact_rules.h"
#include "transfer/file/output_folder.h"
#include "transfer/session/receiver.h"

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

}  // namespace

Result<ExitCode> RunRecv(const Options& options, const Home& home,
                         Console& console, Events& events) {
  events.Start("recv");
  if (!options.worker &&
      (options.listen || options.peers.size() > 1 || options.peer == "any")) {
    return RunListen(options, home, console, events);
  }
  const Result<crypto::ContactRules> rules = RulesFor(home, options.peer);
  if (!rules.ok()) return rules.error();
  const bool by_rule = !options.out_is_asked_for && !rules->folder.empty();
  // A folder that can't be written to is said before anybody is asked to come.
  Result<file::OutputTarget> target =
      file::OpenOutput(by_rule ? rules->folder : options.out.string());
  if (!target.ok()) {
    if (!by_rule) return std::move(target).error();
    return Annotate(std::move(target).error(),
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

  Receiver::Config config;
  command.Configure(config);
  config.conflict = PolicyOf(options.conflict);
  config.ask = options.ask || rules->ask;
  config.allow_dotfiles = options.allow_dotfiles;
  config.max_bytes = rules->max_size;
  SystemRandom random;
  Receiver receiver(command.Now(), config, &*target, command.disk(), &random);
  Ask question(&command.link().loop(), &console);
  return command.Run(&receiver, [&](const SessionEvent& event) {
    if (std::holds_alternative<Failed>(event) && rules->max_size &&
        receiver.listing().bytes > *rules->max_size) {
      console.Error(fmt::format(
          "{0} offers more than the {1} that you have laid down for {0}; "
          "declined. To change that: p2pcp peers set {0} max-size=SIZE",
          command.peer_name(), FormatSize(*rules->max_size)));
    }
    if (!config.ask || !std::holds_alternative<Offered>(event)) return;
    if (options.worker) {
      console.Error(
          "you want to be asked about what it sends (p2pcp peers set), which "
          "can't be where several may come; declined");
      return receiver.Decide(command.Now(), false);
    }
    question.Show(command.peer_name(), receiver.listing(),
                  [&](bool accept) { receiver.Decide(command.Now(), accept); });
  });
}

}  // namespace p2pcp::cmd

// p2pcp recv: what one peer sends, into a folder.

#include "cmd/ask.h"
#include "cmd/commands.h"
#include "cmd/transfer_command.h"
#include "net/base/random.h"
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
  // A folder that can't be written to is said before anybody is asked to come.
  Result<file::OutputTarget> target = file::OpenOutput(options.out);
  if (!target.ok()) return std::move(target).error();
  auto begun = TransferCommand::Begin(TransferCommand::Side::kReceiver, options,
                                      home, console, events);
  if (!begun.ok()) return std::move(begun).error();
  if (const auto* signal = std::get_if<ExitCode>(&*begun)) return *signal;
  TransferCommand& command = *std::get<0>(*begun);

  Receiver::Config config;
  command.Configure(config);
  config.conflict = PolicyOf(options.conflict);
  config.ask = options.ask;
  SystemRandom random;
  Receiver receiver(command.Now(), config, &*target, command.disk(), &random);
  Ask ask(&command.link().loop(), &console);
  return command.Run(&receiver, [&](const SessionEvent& event) {
    if (!options.ask || !std::holds_alternative<Offered>(event)) return;
    ask.Show(command.peer_name(), receiver.manifest(),
             [&](bool accept) { receiver.Decide(command.Now(), accept); });
  });
}

}  // namespace p2pcp::cmd

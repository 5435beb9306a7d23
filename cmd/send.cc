// p2pcp send: files to one peer.

#include "cmd/commands.h"
#include "cmd/transfer_command.h"
#include "transfer/file/source_list.h"
#include "transfer/session/sender.h"

namespace p2pcp::cmd {
namespace {

Congestion CongestionOf(CongestionOption option) {
  switch (option) {
    case CongestionOption::kCubic:
      return Congestion::kCubic;
    case CongestionOption::kBbr:
      return Congestion::kBbr;
    case CongestionOption::kScavenger:
      return Congestion::kScavenger;
  }
  return Congestion::kCubic;
}

}  // namespace

Result<ExitCode> RunSend(const Options& options, const Home& home,
                         Console& console, Events& events) {
  events.Start("send");
  // What can't be read is said before anybody is asked to come.
  Result<file::SourceList> sources = file::ScanSources(options.paths);
  if (!sources.ok()) return std::move(sources).error();
  auto begun = TransferCommand::Begin(TransferCommand::Side::kSender, options,
                                      home, console, events);
  if (!begun.ok()) return std::move(begun).error();
  if (const auto* signal = std::get_if<ExitCode>(&*begun)) return *signal;
  TransferCommand& command = *std::get<0>(*begun);

  Sender::Config config;
  command.Configure(config);
  config.congestion = CongestionOf(options.congestion);
  config.rate_limit = options.bwlimit;
  config.packet_overhead = command.link().packet_overhead();
  Sender sender(command.Now(), config, &*sources, command.disk());
  return command.Run(&sender);
}

}  // namespace p2pcp::cmd

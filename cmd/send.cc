// p2pcp send: files and folders to one peer.

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "cmd/commands.h"
#include "cmd/crew/send_several.h"
#include "cmd/receipt/receipt_file.h"
#include "cmd/text.h"
#include "cmd/transfer_command.h"
#include "net/base/random.h"
#include "net/udp/event_loop.h"
#include "transfer/file/ignore_rules.h"
#include "transfer/file/source_tree.h"
#include "transfer/session/receipt.h"
#include "transfer/session/sender.h"
#include "transfer/session/stream_sender.h"

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

Result<file::TreeOptions> TreeOptionsOf(const Options& options) {
  file::TreeOptions tree;
  tree.follow = options.follow;
  tree.gitignore = options.gitignore;
  for (const std::string& name : options.exclude_from) {
    std::ifstream in(name, std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    if (!in) {
      return ErrnoError(ErrorCode::kUsage,
                        "--exclude-from: cannot read " + Escape(name), errno);
    }
    tree.exclude.AddLines(text);
  }
  for (const std::string& pattern : options.exclude) {
    tree.exclude.Add(pattern);
  }
  return tree;
}

// Shows what would be sent.
Result<ExitCode> DryRun(file::SourceTree& tree, Console& console) {
  constexpr std::size_t kBatch = 512;
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;
  bool unreadable = false;
  bool left_out = false;
  file::ScanBatch batch;
  while (!batch.end) {
    batch.Clear();
    tree.Next(batch, kBatch);
    for (const file::ScanNote& note : batch.notes) {
      console.Error(Escape(note.error.message));
      if (note.kind == file::ScanNote::Kind::kUnreadable) {
        unreadable = true;
      } else if (note.counts()) {
        left_out = true;
      }
    }
    for (const file::ScanItem& item : batch.items) {
      const std::string name = Escape(item.source.name());
      if (item.entry.is_folder()) {
        console.Line(fmt::format("{:>12}  {}/", "", name));
        continue;
      }
      ++files;
      bytes += item.entry.size;
      console.Line(
          fmt::format("{:>12}  {}", FormatSize(item.entry.size), name));
    }
  }
  console.Line(fmt::format("{}, {} would be sent", FormatCount(files, "file"),
                           FormatSize(bytes)));
  return unreadable ? ExitCode::kSourceUnreadable
         : left_out ? ExitCode::kKeptBack
                    : ExitCode::kVerified;
}

Sender::Config ConfigOf(const Options& options, TransferCommand& command,
                        ReceiptTaker* receipt) {
  Sender::Config config;
  config.receipt = receipt;
  command.Configure(config);
  config.congestion = CongestionOf(options.congestion);
  config.rate_limit = options.bwlimit;
  config.packet_overhead = command.link().packet_overhead();
  return config;
}

// What comes from the standard input, as it comes.
std::unique_ptr<Session> StreamSession(const Options& options,
                                       TransferCommand& command,
                                       ReceiptTaker* receipt) {
  const auto now = udp::WallTime().time_since_epoch();
  const auto seconds = std::chrono::floor<std::chrono::seconds>(now);
  const StreamOffer offer{
      STDIN_FILENO,
      options.name,
      {seconds.count(),
       static_cast<std::uint32_t>(
           std::chrono::duration_cast<std::chrono::nanoseconds>(now - seconds)
               .count())}};
  return NewStreamSender(command.Now(), ConfigOf(options, command, receipt),
                         offer, command.disk());
}

// The receipt, if there is one, gets its name. Without it a transfer that has
// succeeded is none.
Result<ExitCode> Conclude(Result<ExitCode> outcome, ReceiptFile* receipt,
                          const TransferCommand& command,
                          const Options& options, Console& console) {
  if (receipt == nullptr || !receipt->ended()) return outcome;
  Status concluded = receipt->Conclude(command.peer_key(), command.own_keys());
  if (concluded.ok()) {
    console.Line(fmt::format("{} has signed for it: {}", command.peer_name(),
                             Escape(options.receipt)));
    return outcome;
  }
  if (outcome.ok() && *outcome == ExitCode::kVerified) {
    return std::move(concluded).error();
  }
  console.Error(Escape(concluded.error().message));
  return outcome;
}

}  // namespace

Result<ExitCode> RunSend(const Options& options, const Home& home,
                         Console& console, Events& events) {
  events.Start("send");
  const bool stream = options.paths.front() == "-";
  // What can't be read is said before anybody is asked to come.
  std::optional<file::SourceTree> tree;
  if (!stream) {
    Result<file::TreeOptions> tree_options = TreeOptionsOf(options);
    if (!tree_options.ok()) return std::move(tree_options).error();
    Result<file::SourceTree> opened =
        file::SourceTree::Open(options.paths, *std::move(tree_options));
    if (!opened.ok()) {
      Error error = std::move(opened).error();
      error.message = Escape(error.message);
      return error;
    }
    tree.emplace(*std::move(opened));
    if (options.dry_run) return DryRun(*tree, console);
  }
  if (options.peers.size() > 1) {
    return RunSendSeveral(options, home, console, events);
  }
  SystemRandom random;
  std::unique_ptr<ReceiptFile> receipt;
  if (!options.receipt.empty()) {
    auto created = ReceiptFile::Create(options.receipt, &random);
    if (!created.ok()) return std::move(created).error();
    receipt = *std::move(created);
  }
  auto begun = TransferCommand::Begin(TransferCommand::Side::kSender, options,
                                      home, console, events);
  if (!begun.ok()) return std::move(begun).error();
  if (const auto* signal = std::get_if<ExitCode>(&*begun)) return *signal;
  TransferCommand& command = *std::get<0>(*begun);
  if (stream) {
    return Conclude(command.RunStream([&] {
      return StreamSession(options, command, receipt.get());
    }),
                    receipt.get(), command, options, console);
  }
  command.KeepState(home, "");
  bool again = false;
  return Conclude(command.Run([&] {
    Sender::Config config = ConfigOf(options, command, receipt.get());
    config.early = !std::exchange(again, true);
    return std::make_unique<Sender>(command.Now(), config, &*tree,
                                    command.disk());
  }),
                  receipt.get(), command, options, console);
}

}  // namespace p2pcp::cmd

#include "cmd/transfer_command.h"

#include <utility>

#include "cmd/pair_up.h"
#include "cmd/transfer_view.h"
#include "cmd/trust/key_rotation.h"

namespace p2pcp::cmd {

Result<TransferCommand::Begun> TransferCommand::Begin(Side side,
                                                      const Options& options,
                                                      const Home& home,
                                                      Console& console,
                                                      Events& events) {
  const bool sender = side == Side::kSender;
  Result<std::variant<SelfAndPeer, ExitCode>> met =
      MeetPeer(options, home, {.shows = sender, .takes = !sender}, console);
  if (!met.ok()) return std::move(met).error();
  if (const auto* signal = std::get_if<ExitCode>(&*met)) return Begun(*signal);
  std::unique_ptr<TransferCommand> command(new TransferCommand(
      side, std::get<SelfAndPeer>(*std::move(met)), console, events));

  const SelfAndPeer& who = command->who_;
  Result<std::unique_ptr<Link>> link = Link::Open(
      options,
      {sender ? ice::Role::kControlling : ice::Role::kControlled, &who.self,
       who.peer, &events, who.former ? &*who.former : nullptr,
       [&who, &home, &console](const connect::HandshakeDone& done) {
         NoteKeys(home, who.peer, done, console);
       }},
      &console);
  if (!link.ok()) return std::move(link).error();
  command->link_ = *std::move(link);
  Result<std::unique_ptr<Trace>> trace =
      Trace::Open(options, sender, command->Now(), &console);
  if (!trace.ok()) return std::move(trace).error();
  command->trace_ = *std::move(trace);

  const Result<std::optional<ExitCode>> connected = command->link_->Connect();
  if (!connected.ok()) return connected.error();
  if (*connected) return Begun(**connected);
  NotePeerSeen(home, who.peer.key);
  Result<std::unique_ptr<file::ThreadedDisk>> disk =
      file::ThreadedDisk::Start();
  if (!disk.ok()) return std::move(disk).error();
  command->disk_ = *std::move(disk);
  command->load_.emplace(&command->link_->loop());
  return Begun(std::move(command));
}

Result<ExitCode> TransferCommand::Run(
    Session* session, const std::function<void(const SessionEvent&)>& also) {
  TransferView view(
      side_ == Side::kSender ? "sent" : "received",
      [this] { return link_->PathText(); }, session, &console_, &events_,
      [this](const std::string& text) { link_->Step(text); });
  const std::optional<ExitCode> signal =
      link_->Run(session, disk_->fd(),
                 {[&](const SessionEvent& event) {
                    view.HandleEvent(Now(), event);
                    also(event);
                  },
                  [&](TimePoint now) {
                    view.HandleTick(now);
                    if (trace_ != nullptr) trace_->Tick();
                  }});
  return Link::Conclude(view.outcome(), signal);
}

}  // namespace p2pcp::cmd

#include "cmd/transfer_command.h"

#include <fmt/format.h>

#include <utility>

#include "cmd/boot_id.h"
#include "cmd/pair_up.h"
#include "cmd/resume.h"
#include "cmd/text.h"
#include "cmd/transfer_view.h"
#include "cmd/trust/key_rotation.h"
#include "net/base/bytes.h"

namespace p2pcp::cmd {
namespace {

// Whether the same command goes on after this failure, perhaps after the user
// has done something about it.
bool CanGoOn(ErrorCode code) {
  return code == ErrorCode::kConnectionLost ||
         code == ErrorCode::kCannotWrite ||
         code == ErrorCode::kSourceUnreadable || code == ErrorCode::kDeclined ||
         code == ErrorCode::kOther;
}

}  // namespace

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
      side, options, home, std::get<SelfAndPeer>(*std::move(met)), console,
      events));
  const Result<std::optional<ExitCode>> connected =
      command->Connect(options, /*again=*/false);
  if (!connected.ok()) return connected.error();
  if (*connected) return Begun(**connected);
  NotePeerSeen(home, command->who_.peer.key);
  return Begun(std::move(command));
}

Result<std::optional<ExitCode>> TransferCommand::Connect(const Options& options,
                                                         bool again) {
  // The old one's ports may be wanted by the new one.
  link_.reset();
  Result<std::unique_ptr<Link>> link = Link::Open(
      options,
      {side_ == Side::kSender ? ice::Role::kControlling
                              : ice::Role::kControlled,
       &who_.self, who_.peer, &events_, who_.former ? &*who_.former : nullptr,
       [this](const connect::HandshakeDone& done) {
         if (done.hand_over) peer_key_ = done.hand_over->to;
         NoteKeys(home_, who_.peer, done, console_);
       },
       again},
      &console_);
  if (!link.ok()) return std::move(link).error();
  link_ = *std::move(link);
  if (trace_ == nullptr) {
    Result<std::unique_ptr<Trace>> trace =
        Trace::Open(options, side_ == Side::kSender, Now(), &console_);
    if (!trace.ok()) return std::move(trace).error();
    trace_ = *std::move(trace);
  }
  return link_->Connect();
}

std::vector<crypto::PublicKey> TransferCommand::own_keys() const {
  std::vector<crypto::PublicKey> keys = {who_.self.public_key()};
  if (who_.former) keys.push_back(who_.former->public_key());
  return keys;
}

void TransferCommand::KeepState(const Home& home, const std::string& folder) {
  Result<std::unique_ptr<file::Journal>> journal =
      file::Journal::Open(home.partial,
                          {ToBytes(who_.self.public_key().bytes()),
                           ToBytes(who_.peer.key.bytes()), folder},
                          CurrentBoot());
  if (journal.ok()) {
    journal_ = *std::move(journal);
  } else {
    console_.Error(Escape(journal.error().message) +
                   "; if this is interrupted, it begins anew");
  }
}

void TransferCommand::FinishJournal(bool verified) {
  // Its thread is done with it.
  disk_.reset();
  if (journal_ == nullptr) return;
  if (const std::optional<Error> error = journal_->TakeError()) {
    console_.Error(Escape(error->message));
  }
  if (!verified) return;
  const std::size_t left = journal_->state().parts().size();
  if (left > 0 && side_ == Side::kReceiver) {
    console_.Line(fmt::format(
        "{} of an earlier transfer {} still there unfinished: 'p2pcp recv "
        "--list-partial' lists what is, --clean-partial deletes it",
        FormatCount(left, "file"), left == 1 ? "is" : "are"));
  }
  if (side_ == Side::kSender) journal_->Clear();
  journal_->Finish();
}

Status TransferCommand::Prepare() {
  load_.reset();
  disk_.reset();
  Result<std::unique_ptr<file::ThreadedDisk>> disk =
      side_ == Side::kSender
          ? file::ThreadedDisk::Start(nullptr, journal_.get())
          : file::ThreadedDisk::Start(journal_.get(), nullptr,
                                      options_.no_sync
                                          ? &file::Syscalls::WithoutSync()
                                          : &file::Syscalls::Real());
  if (!disk.ok()) return std::move(disk).error();
  disk_ = *std::move(disk);
  load_.emplace(&link_->loop());
  return {};
}

Result<ExitCode> TransferCommand::RunOnce(
    const MakeSession& make,
    const std::function<void(const SessionEvent&)>& also) {
  if (Status prepared = Prepare(); !prepared.ok()) {
    return std::move(prepared).error();
  }
  const std::unique_ptr<Session> session = make();
  const bool sends = side_ == Side::kSender;
  TransferView view(Now(),
                    {sends ? "sent" : "received",
                     (sends ? "sending to " : "receiving from ") + peer_name()},
                    !sends,
                    {[this] { return link_->PathText(); },
                     [this](TimePoint now) { return link_->StalledFor(now); },
                     [this](const std::string& text) { link_->Step(text); }},
                    session.get(), &console_, &events_);
  const std::optional<ExitCode> signal =
      link_->Run(session.get(), disk_->fd(),
                 {[&](const SessionEvent& event) {
                    if (const auto* started = std::get_if<Started>(&event)) {
                      begun_ = true;
                      into_pipe_ = started->into_pipe;
                      events_.SetResume(ShellCommand(options_.words));
                    }
                    view.HandleEvent(Now(), event);
                    also(event);
                  },
                  [&](TimePoint now) {
                    view.HandleTick(now);
                    if (trace_ != nullptr) trace_->Tick();
                  },
                  [&](TimePoint now) { view.HandleStateWanted(now); }});
  return Link::Conclude(view.outcome(), signal);
}

std::string TransferCommand::HowToGoOn() const {
  return fmt::format(
      "{}, run on both sides what was run before, here:\n  {}",
      into_pipe_ ? "nothing is kept of what went into a pipe there; to begin "
                   "anew"
                 : "what has arrived is kept; to go on from there",
      ShellCommand(options_.words));
}

Result<ExitCode> TransferCommand::Run(
    const MakeSession& make,
    const std::function<void(const SessionEvent&)>& also) {
  for (;;) {
    Result<ExitCode> outcome = RunOnce(make, also);
    FinishJournal(outcome.ok() && *outcome == ExitCode::kVerified);
    if (outcome.ok()) {
      if (begun_ && *outcome != ExitCode::kVerified) {
        console_.Line(HowToGoOn());
      }
      return outcome;
    }
    if (outcome.error().code != ErrorCode::kConnectionLost) {
      if (!begun_ || !CanGoOn(outcome.error().code)) return outcome;
      return Error{outcome.error().code,
                   outcome.error().message + "\n" + HowToGoOn(),
                   outcome.error().os_errno};
    }
    const Result<std::optional<ExitCode>> again = Reconnect();
    if (!again.ok()) return again.error();
    if (*again) {
      if (begun_) console_.Line(HowToGoOn());
      return **again;
    }
  }
}

Result<std::optional<ExitCode>> TransferCommand::Reconnect() {
  TimePoint now = Now();
  const TimePoint deadline = now + options_.patience;
  const auto lost = [&](const std::string& why) {
    return Error{ErrorCode::kConnectionLost,
                 begun_ ? why + "\n" + HowToGoOn() : why};
  };
  if (options_.patience == Duration::zero()) {
    return lost("the connection was lost");
  }
  console_.Line(
      fmt::format("connection lost, waiting for {}; Ctrl-C to stop, the same "
                  "command goes on later",
                  peer_name()));
  events_.Lost(peer_name(), options_.patience);
  Options again = options_;
  while (now < deadline) {
    again.timeout = deadline - now;
    Result<std::optional<ExitCode>> connected = Connect(again, /*again=*/true);
    if (connected.ok()) {
      if (!*connected) {
        console_.Line(fmt::format("{} is there again", peer_name()));
      }
      return connected;
    }
    const ErrorCode code = connected.error().code;
    const bool may_change = code == ErrorCode::kPeerNeverAppeared ||
                            code == ErrorCode::kRendezvousUnreachable ||
                            code == ErrorCode::kNoPath ||
                            code == ErrorCode::kConnectionLost;
    if (!may_change || link_ == nullptr) return connected;
    // Each of these takes seconds to come.
    now = Now();
  }
  return lost(
      fmt::format("the connection was lost, and {} did not come back "
                  "within {}",
                  peer_name(), FormatDuration(options_.patience)));
}

}  // namespace p2pcp::cmd

// p2pcp recv: what one peer sends, into a folder.

#include "cmd/ask.h"
#include "cmd/commands.h"
#include "cmd/link.h"
#include "cmd/load_meter.h"
#include "cmd/pair_up.h"
#include "cmd/self_and_peer.h"
#include "cmd/trace/trace.h"
#include "cmd/transfer_view.h"
#include "net/base/random.h"
#include "transfer/file/output_folder.h"
#include "transfer/file/threaded_disk.h"
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
  Result<std::variant<SelfAndPeer, ExitCode>> met =
      MeetPeer(options, home, {.takes = true}, console);
  if (!met.ok()) return std::move(met).error();
  SelfAndPeer* const who = std::get_if<SelfAndPeer>(&*met);
  if (who == nullptr) return std::get<ExitCode>(*met);

  Result<std::unique_ptr<Link>> link = Link::Open(
      options, {ice::Role::kControlled, &who->self, who->peer, &events},
      &console);
  if (!link.ok()) return std::move(link).error();
  Result<std::unique_ptr<Trace>> opened =
      Trace::Open(options, false, (*link)->Now(), &console);
  if (!opened.ok()) return std::move(opened).error();
  Trace* const trace = opened->get();
  Result<std::optional<ExitCode>> connected = (*link)->Connect();
  if (!connected.ok()) return std::move(connected).error();
  if (*connected) return **connected;
  NotePeerSeen(home, who->peer.key);

  Result<std::unique_ptr<file::ThreadedDisk>> disk =
      file::ThreadedDisk::Start();
  if (!disk.ok()) return std::move(disk).error();
  Receiver::Config config;
  config.max_payload = (*link)->max_payload();
  config.initial_rtt = (*link)->rtt();
  config.conflict = PolicyOf(options.conflict);
  config.ask = options.ask;
  const ProcessLoad load(&(*link)->loop());
  config.load = &load;
  config.tracer = trace != nullptr ? trace->tracer() : nullptr;
  SystemRandom random;
  Receiver receiver((*link)->Now(), config, &*target, disk->get(), &random);
  TransferView view("received", (*link)->PathText(), &receiver, &console,
                    &events,
                    [&](const std::string& text) { (*link)->Step(text); });
  Ask ask(&(*link)->loop(), &console);
  const std::optional<ExitCode> signal = (*link)->Run(
      &receiver, (*disk)->fd(),
      {[&](const SessionEvent& event) {
         view.HandleEvent((*link)->Now(), event);
         if (options.ask && std::holds_alternative<Offered>(event)) {
           ask.Show(who->peer.name, receiver.manifest(), [&](bool accept) {
             receiver.Decide((*link)->Now(), accept);
           });
         }
       },
       [&](TimePoint now) {
         view.HandleTick(now);
         if (trace != nullptr) trace->Tick();
       }});
  return Link::Conclude(view.outcome(), signal);
}

}  // namespace p2pcp::cmd

// p2pcp send: files to one peer.

#include "cmd/commands.h"
#include "cmd/link.h"
#include "cmd/load_meter.h"
#include "cmd/pair_up.h"
#include "cmd/self_and_peer.h"
#include "cmd/trace/trace.h"
#include "cmd/transfer_view.h"
#include "transfer/file/source_list.h"
#include "transfer/file/threaded_disk.h"
#include "transfer/session/sender.h"

namespace p2pcp::cmd {

Result<ExitCode> RunSend(const Options& options, const Home& home,
                         Console& console, Events& events) {
  events.Start("send");
  // What can't be read is said before anybody is asked to come.
  Result<file::SourceList> sources = file::ScanSources(options.paths);
  if (!sources.ok()) return std::move(sources).error();
  Result<std::variant<SelfAndPeer, ExitCode>> met =
      MeetPeer(options, home, {.shows = true}, console);
  if (!met.ok()) return std::move(met).error();
  SelfAndPeer* const who = std::get_if<SelfAndPeer>(&*met);
  if (who == nullptr) return std::get<ExitCode>(*met);

  Result<std::unique_ptr<Link>> link = Link::Open(
      options, {ice::Role::kControlling, &who->self, who->peer, &events},
      &console);
  if (!link.ok()) return std::move(link).error();
  Result<std::unique_ptr<Trace>> opened =
      Trace::Open(options, true, (*link)->Now(), &console);
  if (!opened.ok()) return std::move(opened).error();
  Trace* const trace = opened->get();
  Result<std::optional<ExitCode>> connected = (*link)->Connect();
  if (!connected.ok()) return std::move(connected).error();
  if (*connected) return **connected;
  NotePeerSeen(home, who->peer.key);

  Result<std::unique_ptr<file::ThreadedDisk>> disk =
      file::ThreadedDisk::Start();
  if (!disk.ok()) return std::move(disk).error();
  Sender::Config config;
  config.max_payload = (*link)->max_payload();
  config.initial_rtt = (*link)->rtt();
  switch (options.congestion) {
    case CongestionOption::kCubic:
      config.congestion = Congestion::kCubic;
      break;
    case CongestionOption::kBbr:
      config.congestion = Congestion::kBbr;
      break;
    case CongestionOption::kScavenger:
      config.congestion = Congestion::kScavenger;
      break;
  }
  config.rate_limit = options.bwlimit;
  config.packet_overhead = (*link)->packet_overhead();
  const ProcessLoad load(&(*link)->loop());
  config.load = &load;
  config.tracer = trace != nullptr ? trace->tracer() : nullptr;
  Sender sender((*link)->Now(), config, &*sources, disk->get());
  TransferView view("sent", (*link)->PathText(), &sender, &console, &events,
                    [&](const std::string& text) { (*link)->Step(text); });
  const std::optional<ExitCode> signal =
      (*link)->Run(&sender, (*disk)->fd(),
                   {[&](const SessionEvent& event) {
                      view.HandleEvent((*link)->Now(), event);
                    },
                    [&](TimePoint now) {
                      view.HandleTick(now);
                      if (trace != nullptr) trace->Tick();
                    }});
  return Link::Conclude(view.outcome(), signal);
}

}  // namespace p2pcp::cmd

#include "cmd/crew/send_several.h"

#include <fmt/format.h>

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "cmd/crew/crew.h"
#include "cmd/pair_up.h"
#include "cmd/self_and_peer.h"
#include "net/base/bytes.h"
#include "net/base/time.h"

namespace p2pcp::cmd {
namespace {

// Nothing is due; signals and workers wake it.
constexpr Duration kTick = 60s;

}  // namespace

Result<ExitCode> RunSendSeveral(const Options& options, const Home& home,
                                Console& console, Events& events) {
  for (const std::string& name : options.peers) {
    Options one = options;
    one.peer = name;
    auto met = MeetPeer(one, home, {.shows = true, .takes = false}, console);
    if (!met.ok()) return std::move(met).error();
    if (const auto* signal = std::get_if<ExitCode>(&*met)) return *signal;
  }
  std::map<std::string, ExitCode> codes;
  Result<std::unique_ptr<Crew>> crew = Crew::Open(
      options, &console, &events,
      fmt::format("waiting for {}", fmt::join(options.peers, ", ")),
      {[] {}, [](std::string_view, ByteSpan) {},
       [&](const std::string& peer, ExitCode code) { codes[peer] = code; }});
  if (!crew.ok()) return std::move(crew).error();
  for (const std::string& name : options.peers) {
    if (Status started = (*crew)->Start({name, 0, {}}); !started.ok()) {
      return std::move(started).error();
    }
  }
  while ((*crew)->running() > 0) (*crew)->Turn((*crew)->Now() + kTick);

  std::vector<ExitCode> in_order;
  for (const std::string& name : options.peers) {
    in_order.push_back(codes[name]);
    const std::string text =
        codes[name] == ExitCode::kVerified
            ? fmt::format("{}: {}", name, TextOf(codes[name]))
            : fmt::format("{}: failed ({}): {}", name,
                          static_cast<int>(codes[name]), TextOf(codes[name]));
    console.Line(text);
  }
  if ((*crew)->signal()) return *(*crew)->signal();
  return Worst(in_order);
}

}  // namespace p2pcp::cmd

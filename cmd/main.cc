// p2pcp: reads the command line, runs one command, prints its error once.

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cmd/brokers/start_mqtt.h"
#include "cmd/commands.h"
#include "cmd/console.h"
#include "cmd/crew/worker_task.h"
#include "cmd/events.h"
#include "cmd/exit_code.h"
#include "cmd/home.h"
#include "cmd/network/own_addresses.h"
#include "cmd/options/options.h"
#include "cmd/product.h"
#include "cmd/remedy.h"
#include "cmd/signals.h"
#include "cmd/styled_line.h"
#include "cmd/version.h"
#include "net/base/check.h"
#include "net/base/sanitizer.h"
#include "net/signaling/mqtt_child.h"
#include "net/udp/upnp_child.h"

namespace p2pcp::cmd {
namespace {

// The command that was asked for. Needs: options.help is false.
Result<ExitCode> Run(const Options& options, const Environment& environment,
                     Console& console, Events& events) {
  if (options.verb == Verb::kServe) return RunServe(options, console);
  if (options.verb == Verb::kCompletion) return RunCompletion(options);
  Result<Home> home = FindHome(environment);
  if (!home.ok()) return std::move(home).error();
  switch (options.verb) {
    case Verb::kSend:
      return RunSend(options, *home, console, events);
    case Verb::kRecv:
      return RunRecv(options, *home, console, events);
    case Verb::kPair:
      return RunPair(options, *home, console);
    case Verb::kId:
      return RunId(options, *home, console);
    case Verb::kConfig:
      return RunConfig(options, *home, environment);
    case Verb::kPeers:
      return RunPeers(options, *home, console);
    case Verb::kVerify:
      return RunVerify(options, *home, console);
    case Verb::kDoctor:
      return RunDoctor(options, *home, console);
    case Verb::kServe:
    case Verb::kCompletion:
    case Verb::kHelp:
    case Verb::kVersion:
      break;
  }
  P2PCP_CHECK(false);
  return ExitCode::kOther;
}

// What there is to say besides about a failure of a command that connects;
// others name the file or the option themselves.
std::string RemedyOf(const Options& options, const Error& error,
                     const Events& events) {
  const bool connects =
      options.verb == Verb::kSend || options.verb == Verb::kRecv ||
      options.verb == Verb::kPair || options.verb == Verb::kDoctor;
  if (!connects) return "";
  return std::string(RemedyFor(error, {.sends = options.verb == Verb::kSend,
                                       .receives = options.verb == Verb::kRecv,
                                       .looked = events.looked_for_peer(),
                                       .can_go_on = events.can_go_on()}));
}

int Finish(const Error& error, const std::string& remedy = "") {
  const ExitCode code = ExitCodeFor(error.code);
  const StyledLine line = {{"p2pcp:", Style::kBad}, {" " + error.message}};
  std::fprintf(
      stderr, "%s\n%s%s",
      (StderrHasColour() ? ColouredText(line) : PlainText(line)).c_str(),
      remedy.c_str(), remedy.empty() ? "" : "\n");
  return static_cast<int>(code);
}

// This process holds the long-term key: nothing of it goes into a core file,
// and no other process of the same user may look inside.
void KeepSecrets() {
  const rlimit none = {0, 0};
  setrlimit(RLIMIT_CORE, &none);
  // Should one be written all the same, by a debugger, then without memory of
  // any kind (core(5)): pairing secrets stand on the heap. First of all, since
  // what follows takes this file away from us.
  const int filter = open("/proc/self/coredump_filter", O_WRONLY | O_CLOEXEC);
  if (filter >= 0) {
    [[maybe_unused]] const ssize_t written = write(filter, "0", 1);
    close(filter);
  }
  if (!kSanitized) prctl(PR_SET_DUMPABLE, 0);
}

// One of several transfers: ends with the process that has started it.
void FollowParent() {
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  // Whoever was gone before that has closed its end of the line to the brokers.
  pollfd line = {kWorkerBrokerFd, 0, 0};
  if (poll(&line, 1, 0) > 0) raise(SIGTERM);
}

int Main(std::vector<std::string> args) {
  KeepSecrets();
  Signals::IgnoreStateRequests();
  if (args.empty()) {
    std::fputs(FirstWords().c_str(), stderr);
    return static_cast<int>(ExitCode::kUsage);
  }
  std::optional<WorkerTask> task;
  if (args.front() == kWorkerVerb) {
    auto parsed = ParseWorkerArguments(args);
    if (!parsed) return static_cast<int>(ExitCode::kUsage);
    task = std::move(parsed->first);
    args = std::move(parsed->second);
    FollowParent();
  }
  const Environment environment = ProcessEnvironment();
  const Result<Home> home = FindHome(environment);
  Result<Options> options = ParseOptions(
      args, environment,
      home.ok() ? home->config : std::filesystem::path("/nonexistent"));
  if (!options.ok()) return Finish(options.error());
  if (task) BecomeWorker(*task, &*options);
  if (options->help || options->verb == Verb::kVersion ||
      options->verb == Verb::kHelp) {
    const std::string text = options->verb == Verb::kVersion
                                 ? fmt::format("p2pcp {}\n", kVersion)
                                 : HelpText(options->verb);
    if (Status written = WriteProduct(text); !written.ok()) {
      return Finish(written.error());
    }
    return 0;
  }
  Console console(options->console);
  const bool tells = options->json || (task && task->tells);
  Events events(tells ? std::optional<int>(STDOUT_FILENO) : std::nullopt);
  const Result<ExitCode> code = Run(*options, environment, console, events);
  console.ClearLive();
  if (!code.ok()) {
    const std::string remedy = RemedyOf(*options, code.error(), events);
    events.Failed(ExitCodeFor(code.error().code), code.error().message, remedy);
    return Finish(code.error(), remedy);
  }
  if (*code != ExitCode::kVerified) {
    events.Failed(*code, TextOf(*code), "");
  }
  return static_cast<int>(*code);
}

}  // namespace
}  // namespace p2pcp::cmd

int main(int argc, char** argv) {
  const std::vector<std::string> args(argv + 1, argv + argc);
  // The child process that runs libmosquitto is this program again.
  if (!args.empty() && args.front() == p2pcp::cmd::kMqttChildVerb) {
    return p2pcp::signaling::MqttChildMain();
  }
  // And that which runs libminiupnpc.
  if (!args.empty() && args.front() == p2pcp::cmd::kUpnpChildVerb) {
    return p2pcp::udp::UpnpChildMain({args.begin() + 1, args.end()});
  }
  return p2pcp::cmd::Main(args);
}

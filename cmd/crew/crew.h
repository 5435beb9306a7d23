// Several transfers at once, each carried by a process of its own, over one
// connection to the brokers.
//
// A process and not a turn of one loop for each: a peer that finds a flaw has
// the keys of its own transfer in reach and no other's, what a transfer has
// used is given back when it ends, the transfers share the machine's
// processors, and each is exactly what `send` and `recv` do for one.

#ifndef P2PCP_CMD_CREW_CREW_H_
#define P2PCP_CMD_CREW_CREW_H_

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cmd/brokers/broker_report.h"
#include "cmd/console.h"
#include "cmd/crew/broker_hub.h"
#include "cmd/crew/crew_line.h"
#include "cmd/crew/worker_process.h"
#include "cmd/crew/worker_task.h"
#include "cmd/events.h"
#include "cmd/exit_code.h"
#include "cmd/options/options.h"
#include "cmd/signals.h"
#include "net/base/bytes.h"
#include "net/base/result.h"
#include "net/base/time.h"
#include "net/udp/address_watch.h"
#include "net/udp/event_loop.h"

namespace p2pcp::cmd {

class Crew {
 public:
  struct Handler {
    // As BrokerHub's.
    std::function<void()> on_up;
    std::function<void(std::string_view topic, ByteSpan payload)> on_message;
    // A worker has ended, all that it said has been passed on.
    std::function<void(const std::string& peer, ExitCode code)> on_ended;
  };
  // options: of the user's command, which every worker gets again. console and
  // events must outlive the crew. idle: what is waited for while no worker
  // runs, for the live line. Blocks SIGINT and SIGTERM for the process.
  static Result<std::unique_ptr<Crew>> Open(const Options& options,
                                            Console* console, Events* events,
                                            std::string idle, Handler handler);
  ~Crew();

  TimePoint Now() const { return loop_->Now(); }
  BrokerHub& hub() { return *hub_; }

  // A process for task, whose place is set here. first: what it hears first
  // from the brokers.
  Status Start(WorkerTask task, std::optional<BrokerHub::Message> first = {});
  std::size_t running() const { return workers_.size(); }

  // Waits for the first event or `until`, and acts on it. A signal is passed on
  // to the workers, each time one comes; so is the wish to know how it stands.
  void Turn(TimePoint until);
  // The exit code of the first signal that came.
  std::optional<ExitCode> signal() const { return signal_; }

  // Whether there was one, and why not.
  const BrokerReport& brokers() const { return brokers_; }

 private:
  struct Worker {
    std::string peer;
    unsigned place = 0;
    std::unique_ptr<WorkerProcess> process;
    std::optional<ExitCode> code;  // Once it has ended.
  };

  Crew(const Options& options, Console* console, Events* events,
       std::string idle, Handler handler);
  Status Open();
  void Draw(TimePoint now);
  void TellState();
  void HandleEnd(unsigned number, int status);
  unsigned FreePlace() const;

  const Options& options_;
  Console* const console_;
  Events* const events_;
  const Handler handler_;
  Signals signals_;
  std::unique_ptr<udp::EventLoop> loop_;
  BrokerReport brokers_;
  std::unique_ptr<BrokerHub> hub_;
  std::unique_ptr<udp::AddressWatch> address_watch_;
  std::map<unsigned, Worker> workers_;
  unsigned next_number_ = 1;
  CrewLine line_;
  TimePoint next_draw_;
  std::optional<ExitCode> signal_;
};

// Several codes as one: 9, then 12, 11, 8, else the first that is not 0.
ExitCode Worst(const std::vector<ExitCode>& codes);

}  // namespace p2pcp::cmd

#endif  // P2PCP_CMD_CREW_CREW_H_

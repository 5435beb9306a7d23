// What a process that carries one of several transfers is to do: it is this
// program again, with the words of the command that the user typed behind a
// verb of its own that no user types.

#ifndef P2PCP_CMD_CREW_WORKER_TASK_H_
#define P2PCP_CMD_CREW_WORKER_TASK_H_

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "net/signaling/message.h"

namespace p2pcp::cmd {

inline constexpr char kWorkerVerb[] = "transfer-worker";
// Where the worker finds its line to the brokers (MqttClient::Attach).
inline constexpr int kWorkerBrokerFd = 3;

struct WorkerTask {
  std::string peer;  // Of those that the user named; a name of the book.
  // Among the transfers at once, from 0: each has a port of its own.
  unsigned place = 0;
  // RendezvousConfig::ready. Known to the peer alone, but no secret: who sees
  // it can make nothing of it without the peer's key.
  std::optional<signaling::Nonce> ready;
  // It writes its events to stdout even where the user does not ask for them:
  // the process that has started it draws a line of them.
  bool tells = false;
};

// The words to start it with; command: those of the user's command.
std::vector<std::string> WorkerArguments(
    const WorkerTask& task, const std::vector<std::string>& command);
// The task and the command; nullopt if the words are none of the above.
std::optional<std::pair<WorkerTask, std::vector<std::string>>>
ParseWorkerArguments(const std::vector<std::string>& arguments);

}  // namespace p2pcp::cmd

#endif  // P2PCP_CMD_CREW_WORKER_TASK_H_

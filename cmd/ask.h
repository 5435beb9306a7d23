// --ask: shows what is offered and takes the user's answer from the terminal,
// as an event of the loop, so that the connection stays alive meanwhile.

#ifndef P2PCP_CMD_ASK_H_
#define P2PCP_CMD_ASK_H_

#include <functional>
#include <string>

#include "cmd/console.h"
#include "net/udp/event_loop.h"
#include "net/udp/file_descriptor.h"
#include "transfer/session/receiver.h"

namespace p2pcp::cmd {

class Ask {
 public:
  // loop and console must outlive it.
  Ask(udp::EventLoop* loop, Console* console)
      : loop_(loop), console_(console) {}
  ~Ask();
  Ask(const Ask&) = delete;
  Ask& operator=(const Ask&) = delete;

  // Lists the files, then asks. answer is called once, from the loop or, where
  // there is no terminal to ask on (that is a no), at once.
  void Show(const std::string& peer, const Receiver::Listing& listing,
            std::function<void(bool)> answer);

 private:
  void HandleReadable();

  udp::EventLoop* const loop_;
  Console* const console_;
  udp::FileDescriptor terminal_;
  std::string line_;
  std::function<void(bool)> answer_;
};

}  // namespace p2pcp::cmd

#endif  // P2PCP_CMD_ASK_H_

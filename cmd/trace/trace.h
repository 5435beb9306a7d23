// --trace FILE: a qlog of the connection, from when the command begins.

#ifndef P2PCP_CMD_TRACE_TRACE_H_
#define P2PCP_CMD_TRACE_TRACE_H_

#include <memory>
#include <optional>
#include <utility>

#include "cmd/console.h"
#include "cmd/options/options.h"
#include "cmd/trace/qlog_tracer.h"
#include "cmd/trace/trace_file.h"
#include "net/base/result.h"
#include "net/base/time.h"
#include "transfer/connection/tracer.h"

namespace p2pcp::cmd {

class Trace {
 public:
  // Null without --trace. Times count from now.
  // console must outlive it.
  static Result<std::unique_ptr<Trace>> Open(const Options& options,
                                             bool sender, TimePoint now,
                                             Console* console);
  // Writes what is left. After the connection has gone.
  ~Trace();

  ConnectionTracer* tracer() { return &*tracer_; }
  // Now and then: what has been noted is written.
  void Tick();

 private:
  Trace(std::unique_ptr<TraceFile> file, TimePoint now, Console* console)
      : console_(*console), file_(std::move(file)) {
    tracer_.emplace(now, file_.get());
  }
  // If writing has failed, that is said, once.
  void Report();

  Console& console_;
  const std::unique_ptr<TraceFile> file_;
  std::optional<QlogTracer> tracer_;
};

}  // namespace p2pcp::cmd

#endif  // P2PCP_CMD_TRACE_TRACE_H_

#include "cmd/trace/trace.h"

#include <utility>

#include "cmd/trace/qlog.h"
#include "net/udp/event_loop.h"

namespace p2pcp::cmd {

Result<std::unique_ptr<Trace>> Trace::Open(const Options& options, bool sender,
                                           TimePoint now, Console* console) {
  if (options.trace.empty()) return std::unique_ptr<Trace>();
  Result<std::unique_ptr<TraceFile>> file =
      TraceFile::Create(options.trace, QlogHeader(sender, udp::WallTime()));
  if (!file.ok()) return std::move(file).error();
  return std::unique_ptr<Trace>(new Trace(*std::move(file), now, console));
}

Trace::~Trace() {
  tracer_.reset();
  file_->Finish();
  Report();
}

void Trace::Tick() {
  tracer_->Flush();
  Report();
}

void Trace::Report() {
  if (const auto error = file_->TakeError()) {
    console_.Error(error->message + "; the trace ends here");
  }
}

}  // namespace p2pcp::cmd

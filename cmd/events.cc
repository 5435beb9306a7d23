#include "cmd/events.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "cmd/bottleneck_text.h"
#include "cmd/text.h"
#include "cmd/version.h"
#include "net/base/bytes.h"

namespace p2pcp::cmd {
namespace {

// Fields stand in the order in which they are set, for people who look.
using Json = nlohmann::ordered_json;

Json Event(std::string_view name) { return Json{{"event", name}}; }

// A name is bytes. One that is not UTF-8 is shown with U+FFFD where it is not,
// and its bytes are told besides.
void SetName(Json& event, const std::string& key, const std::string& name) {
  event[key] = name;
  if (!IsUtf8(name)) event[key + "_hex"] = Hex(AsBytes(name));
}

double Seconds(Duration duration) {
  return std::chrono::duration<double>(duration).count();
}
double Milliseconds(Duration duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}
void SetRtt(Json& event, const std::string& key, Duration rtt) {
  // Zero: none was measured.
  event[key] = rtt > Duration::zero() ? Json(Milliseconds(rtt)) : Json();
}

// ASCII, whatever the strings hold: safe on a terminal too.
std::string Line(const Json& event) {
  return event.dump(-1, ' ', true, Json::error_handler_t::replace);
}

std::string_view PhaseName(Progress::Phase phase) {
  switch (phase) {
    case Progress::Phase::kGreeting:
      return "greeting";
    case Progress::Phase::kOffering:
      return "offering";
    case Progress::Phase::kDeciding:
      return "deciding";
    case Progress::Phase::kChecking:
      return "checking";
    case Progress::Phase::kTransferring:
      return "transferring";
    case Progress::Phase::kFinishing:
      return "finishing";
    case Progress::Phase::kOver:
      return "over";
  }
  return "over";
}

}  // namespace

Events::Events(std::optional<int> fd) {
  if (fd) output_.emplace(*fd);
}

void Events::Start(std::string_view command) {
  if (!output_) return;
  Json event = Event("start");
  event["schema"] = kSchema;
  event["program"] = "p2pcp";
  event["version"] = kVersion;
  event["command"] = command;
  output_->Write(Line(event));
}

void Events::Waiting(std::string_view peer) {
  looked_for_peer_ = true;
  if (!output_) return;
  Json event = Event("waiting");
  event["peer"] = peer;
  output_->Write(Line(event));
}

void Events::Connecting(std::string_view step, std::string_view detail) {
  if (!output_) return;
  Json event = Event("connecting");
  event["step"] = step;
  if (!detail.empty()) event["broker"] = detail;
  output_->Write(Line(event));
}

void Events::Lost(std::string_view peer, Duration patience) {
  if (!output_) return;
  Json event = Event("lost");
  event["peer"] = peer;
  event["patience_seconds"] =
      std::chrono::duration_cast<std::chrono::seconds>(patience).count();
  output_->Write(Line(event));
}

void Events::Path(std::string_view text, std::size_t max_payload,
                  Duration rtt) {
  if (!output_) return;
  Json event = Event("path");
  event["path"] = text;
  event["max_payload"] = max_payload;
  SetRtt(event, "rtt_ms", rtt);
  output_->Write(Line(event));
}

void Events::Stalled(Duration quiet) {
  if (!output_) return;
  Json event = Event("stalled");
  event["quiet_ms"] = Milliseconds(quiet);
  output_->Write(Line(event));
}

void Events::Resumed(Duration took) {
  if (!output_) return;
  Json event = Event("resumed");
  event["stalled_ms"] = Milliseconds(took);
  output_->Write(Line(event));
}

void Events::Handle(const Offered& offered) {
  if (!output_) return;
  Json event = Event("offered");
  event["files"] = offered.file_count;
  event["bytes"] = offered.total_bytes;
  event["complete"] = offered.complete;
  output_->Write(Line(event));
}

void Events::Handle(const Started& started) {
  if (!output_) return;
  Json event = Event("transferring");
  event["files"] = started.file_count;
  event["bytes"] = started.total_bytes;
  event["complete"] = started.complete;
  output_->Write(Line(event));
}

void Events::Handle(const p2pcp::Resumed& resumed) {
  if (!output_) return;
  Json event = Event("goes_on");
  SetName(event, "name", resumed.name);
  event["bytes_there"] = resumed.bytes;
  event["bytes"] = resumed.size;
  output_->Write(Line(event));
}

void Events::Handle(const Outdated& outdated) {
  if (!output_) return;
  Json event = Event("outdated");
  SetName(event, "name", outdated.name);
  output_->Write(Line(event));
}

void Events::Handle(const LeftOut& left_out) {
  if (!output_) return;
  Json event = Event("left_out");
  SetName(event, "name", left_out.name);
  event["error"] =
      left_out.counts ? Json(NameOf(ExitCodeFor(left_out.error.code))) : Json();
  event["message"] = left_out.error.message;
  output_->Write(Line(event));
}

void Events::Handle(const FileDone& done) {
  if (!output_) return;
  // What an earlier run has verified is not read again, and has none.
  const bool unread = done.was_there && done.digest == file::Digest{};
  const std::string digest = unread ? "" : done.digest.ToString();
  Json event = Event("file");
  SetName(event, "name", done.name);
  if (!done.final_name.empty()) SetName(event, "final_name", done.final_name);
  event["bytes"] = done.size;
  if (!unread) event["xxh128"] = digest;
  if (done.was_there) event["was_there"] = true;
  output_->Write(Line(event));
  if (++files_done_ <= kMaxDigests && !unread) {
    digests_.push_back({done.name, digest});
  }
}

void Events::Handle(const FileFailed& failed) {
  if (!output_) return;
  Json event = Event("file_failed");
  SetName(event, "name", failed.name);
  event["error"] = NameOf(ExitCodeFor(failed.error.code));
  event["message"] = failed.error.message;
  output_->Write(Line(event));
}

void Events::Handle(const Progress& progress, const ConnectionStats& stats,
                    double bytes_per_second, std::optional<Duration> eta) {
  if (!output_) return;
  Json event = Event("progress");
  event["phase"] = PhaseName(progress.phase);
  event["bytes"] = progress.bytes_done;
  event["bytes_total"] = progress.bytes_total;
  event["files"] = progress.files_done;
  event["files_total"] = progress.files_total;
  event["complete"] = progress.complete;
  if (!progress.current_file.empty()) {
    SetName(event, "name", progress.current_file);
    event["file_bytes"] = progress.current_bytes_done;
    event["file_bytes_total"] = progress.current_bytes_total;
  }
  event["bytes_per_second"] = bytes_per_second;
  event["eta_seconds"] = eta ? Json(Seconds(*eta)) : Json();
  SetRtt(event, "rtt_ms", stats.smoothed_rtt);
  output_->Write(Line(event), /*only_news=*/true);
}

void Events::Done(const Completed& completed, const ConnectionStats& stats,
                  Duration took, std::string_view path) {
  if (!output_) return;
  Json event = Event("done");
  event["files"] = completed.file_count;
  event["bytes"] = completed.total_bytes;
  event["seconds"] = Seconds(took);
  event["bytes_per_second"] =
      took > Duration::zero()
          ? Json(static_cast<double>(completed.total_bytes) / Seconds(took))
          : Json();
  event["path"] = path;
  if (completed.savings != Savings{}) {
    event["delta"] = {{"copied_bytes", completed.savings.copied_bytes},
                      {"signature_bytes", completed.savings.signature_bytes}};
  }
  const TransferReport report = completed.report.value_or(TransferReport{});
  event["limited_by"] = BottleneckName(report.bottleneck);
  if (completed.report) {
    event["loss"] = report.loss();
    event["retransmitted"] = report.retransmitted();
    SetRtt(event, "rtt_ms", report.smoothed_rtt);
    SetRtt(event, "min_rtt_ms", report.min_rtt);
  }
  event["packets"] = {{"sent", stats.packets_sent},
                      {"received", stats.packets_received},
                      {"lost", stats.packets_lost},
                      {"lost_spuriously", stats.packets_spuriously_lost},
                      {"bytes_sent", stats.bytes_sent},
                      {"bytes_received", stats.bytes_received},
                      {"probe_timeouts", stats.probe_timeouts}};
  if (files_done_ <= kMaxDigests) {
    Json digests = Json::array();
    for (const Digest& digest : digests_) {
      Json file = Json::object();
      SetName(file, "name", digest.name);
      file["xxh128"] = digest.xxh128;
      digests.push_back(std::move(file));
    }
    event["digests"] = std::move(digests);
  }
  output_->Write(Line(event));
}

void Events::Listening(const std::vector<std::string>& peers,
                       std::size_t max_transfers) {
  if (!output_) return;
  Json event = Event("listening");
  event["peers"] = peers;
  event["max_transfers"] = max_transfers;
  output_->Write(Line(event));
}

void Events::Began(unsigned transfer, std::string_view peer) {
  if (!output_) return;
  Json event = Event("began");
  event["transfer"] = transfer;
  event["peer"] = peer;
  output_->Write(Line(event));
}

void Events::Relay(unsigned transfer, std::string_view line) {
  if (!output_ || !line.starts_with('{')) return;
  std::string marked = "{\"transfer\":" + std::to_string(transfer) + ",";
  marked += line.substr(1);
  output_->Write(marked, line.starts_with("{\"event\":\"progress\""));
}

void Events::Ended(unsigned transfer, std::string_view peer, ExitCode code) {
  if (!output_) return;
  Json event = Event("ended");
  event["transfer"] = transfer;
  event["peer"] = peer;
  event["exit_code"] = static_cast<int>(code);
  output_->Write(Line(event));
}

void Events::Failed(ExitCode code, std::string_view message,
                    std::string_view remedy) {
  if (!output_) return;
  Json event = Event("error");
  event["error"] = NameOf(code);
  event["exit_code"] = static_cast<int>(code);
  event["retryable"] = IsRetryable(code);
  event["message"] = message;
  if (!remedy.empty()) event["remedy"] = remedy;
  if (!resume_.empty()) event["resume"] = resume_;
  output_->Write(Line(event));
}

}  // namespace p2pcp::cmd

#include "cmd/transfer_view.h"

#include <fmt/format.h>

#include "cmd/bottleneck_text.h"
#include "cmd/styled_line.h"
#include "cmd/text.h"

namespace p2pcp::cmd {
namespace {

// Of less than this, sent in less time, nothing is said of what limited it.
constexpr std::uint64_t kBytesWorthAVerdict = 1 << 20;
constexpr double kSecondsWorthAVerdict = 1;

}  // namespace

void TransferView::HandleEvent(TimePoint now, const SessionEvent& event) {
  if (const auto* offered = std::get_if<Offered>(&event)) {
    events_->Handle(*offered);
    sources_.step(fmt::format("offered: {}{}, {}",
                              offered->complete ? "" : "at least ",
                              FormatCount(offered->file_count, "file"),
                              FormatSize(offered->total_bytes)));
  } else if (const auto* started = std::get_if<Started>(&event)) {
    events_->Handle(*started);
    started_ = now;
    last_plain_ = now;
    sources_.step(fmt::format("transferring {}{}, {}",
                              started->complete ? "" : "at least ",
                              FormatCount(started->file_count, "file"),
                              FormatSize(started->total_bytes)));
  } else if (const auto* left_out = std::get_if<LeftOut>(&event)) {
    events_->Handle(*left_out);
    console_->Error(Escape(left_out->error.message));
  } else if (const auto* resumed = std::get_if<Resumed>(&event)) {
    events_->Handle(*resumed);
    console_->Line(
        fmt::format("{}  goes on: {} of {} are there", Escape(resumed->name),
                    FormatSize(resumed->bytes), FormatSize(resumed->size)));
  } else if (const auto* outdated = std::get_if<Outdated>(&event)) {
    events_->Handle(*outdated);
    console_->Line(
        fmt::format("{}  changed since it was interrupted; it begins anew",
                    Escape(outdated->name)));
  } else if (const auto* done = std::get_if<FileDone>(&event)) {
    events_->Handle(*done);
    ++files_shown_;
    if (files_shown_ == kMaxFilesShown + 1) {
      console_->Line("... (-v says all)");
    }
    // A folder may have a million, which are not even put into words.
    if (files_shown_ > kMaxFilesShown && !console_->verbose()) return;
    const std::string& name =
        done->final_name.empty() ? done->name : done->final_name;
    // What an earlier run has verified is not read again.
    const bool unread = done->was_there && done->digest == file::Digest{};
    const std::string line = fmt::format(
        "{}  {}  {}{}", Escape(name), FormatSize(done->size),
        unread ? "" : fmt::format("xxh128 {}  ", done->digest.ToString()),
        done->was_there ? "was there" : "verified");
    if (files_shown_ <= kMaxFilesShown) {
      console_->Line(line);
    } else {
      sources_.step(line);
    }
  } else if (const auto* failed = std::get_if<FileFailed>(&event)) {
    events_->Handle(*failed);
    console_->Error(Escape(failed->error.message));
  } else if (const auto* completed = std::get_if<Completed>(&event)) {
    Summarize(now, *completed);
    outcome_ = ExitCode::kVerified;
  } else if (const auto* over = std::get_if<Failed>(&event)) {
    Error error = over->error;
    error.message = Escape(error.message);
    outcome_ = std::move(error);
  }
}

void TransferView::Summarize(TimePoint now, const Completed& completed) {
  const Duration took = started_ ? now - *started_ : Duration(0);
  const double seconds = std::chrono::duration<double>(took).count();
  const ConnectionStats& stats = session_->stats();
  events_->Done(completed, stats, took, sources_.path());
  std::string line = fmt::format("{} {}, {} in {:.2f} s", words_.done,
                                 FormatCount(completed.file_count, "file"),
                                 FormatSize(completed.total_bytes), seconds);
  if (seconds > 0 && completed.total_bytes > 0) {
    line += fmt::format(
        " ({})",
        FormatRate(static_cast<double>(completed.total_bytes) / seconds));
  }
  line += fmt::format(", {}", sources_.path());
  if (stats.smoothed_rtt > Duration(0)) {
    line += ", rtt " + FormatLatency(stats.smoothed_rtt);
  }
  console_->Line(line + ", verified");
  const Savings& savings = completed.savings;
  if (savings != Savings{}) {
    console_->Line(fmt::format(
        "{} of that are copied from older versions, for {} of signatures",
        FormatSize(savings.copied_bytes), FormatSize(savings.signature_bytes)));
  }
  if (completed.report && seconds > 0 &&
      (seconds >= kSecondsWorthAVerdict ||
       completed.total_bytes >= kBytesWorthAVerdict)) {
    const std::string sentence = BottleneckSentence(
        *completed.report,
        static_cast<double>(completed.total_bytes) / seconds);
    if (!sentence.empty()) console_->Line(sentence);
  }
  sources_.step(fmt::format(
      "packets: {} sent, {} received, {} lost ({} of them arrived late); "
      "{}; {} sent again, {} copied at the end lest it be lost",
      stats.packets_sent, stats.packets_received, stats.packets_lost,
      stats.packets_spuriously_lost,
      FormatCount(stats.probe_timeouts, "probe timeout"),
      FormatSize(stats.data_bytes_retransmitted),
      FormatSize(stats.data_bytes_redundant)));
  sources_.step(fmt::format(
      "path: rtt {} smoothed, {} at least; congestion window {}, {}",
      FormatLatency(stats.smoothed_rtt), FormatLatency(stats.min_rtt),
      FormatSize(stats.congestion_window),
      stats.pacing_rate == 0
          ? "not paced"
          : "paced at " + FormatRate(static_cast<double>(stats.pacing_rate))));
}

ProgressView TransferView::View(TimePoint now, const Progress& progress) const {
  ProgressView view;
  view.name = Escape(progress.current_file);
  view.file_bytes_done = progress.current_bytes_done;
  view.file_bytes_total = progress.current_bytes_total;
  view.bytes_done = progress.bytes_done;
  view.bytes_total = progress.bytes_total;
  view.files_done = progress.files_done;
  view.files_total = progress.files_total;
  view.complete = progress.complete;
  view.rate = meter_.rate();
  view.slow_rate = meter_.slow_rate();
  view.eta = meter_.Eta(progress.bytes_total - progress.bytes_done);
  view.path = sources_.path();
  view.stalled = sources_.stalled(now);
  if (session_->stats().smoothed_rtt > Duration(0)) {
    view.rtt = session_->stats().smoothed_rtt;
  }
  view.phase = true;
  switch (progress.phase) {
    case Progress::Phase::kGreeting:
    case Progress::Phase::kOffering:
      view.name = "offering";
      break;
    case Progress::Phase::kDeciding:
      view.name = "waiting for the answer";
      break;
    case Progress::Phase::kChecking:
      view.name = "checking the folder";
      break;
    case Progress::Phase::kFinishing:
      view.name = "verifying";
      break;
    case Progress::Phase::kTransferring:
    case Progress::Phase::kOver:
      view.phase = false;
      break;
  }
  return view;
}

void TransferView::HandleTick(TimePoint now) {
  const Progress progress = session_->progress();
  if (progress.phase == Progress::Phase::kOver) return;
  // Until bytes may flow there is no rate; what was there before is no rate.
  if (progress.phase == Progress::Phase::kTransferring ||
      progress.phase == Progress::Phase::kFinishing) {
    if (sources_.stalled(now)) {
      meter_.Pause(now, progress.bytes_done);
    } else {
      meter_.Update(now, progress.bytes_done);
    }
  }
  const ProgressView view = View(now, progress);
  events_->Handle(progress, session_->stats(), view.rate, view.eta);
  if (console_->live()) {
    if (asks_ && progress.phase == Progress::Phase::kDeciding) return;
    console_->Live(RenderProgress(view, console_->columns()));
  } else if (started_ && now - last_plain_ >= kPlainInterval) {
    last_plain_ = now;
    console_->Line(PlainText(RenderProgress(view, kPlainColumns)));
  }
}

void TransferView::HandleStateWanted(TimePoint now) {
  console_->Error(
      RenderState(View(now, session_->progress()), words_.now, now - begun_));
}

Result<ExitCode> TransferView::outcome() const {
  if (outcome_) return *outcome_;
  return Error{ErrorCode::kOther, "the transfer was stopped"};
}

}  // namespace p2pcp::cmd

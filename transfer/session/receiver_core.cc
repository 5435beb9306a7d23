// The list and the decisions on it; what becomes of the files is in
// receiver_files.cc.

#include "transfer/session/receiver_core.h"

#include <algorithm>
#include <cerrno>
#include <utility>
#include <variant>

#include "net/base/check.h"
#include "transfer/connection/connection.h"
#include "transfer/file/entry.h"
#include "transfer/session/limits.h"

namespace p2pcp {

namespace {

// Runs or parts in one message: 8 KiB of them at most.
constexpr std::size_t kRunsPerMessage = 512;
// Of what is free on the disk this part is not counted on.
constexpr std::uint64_t kMarginPart = 20;

Connection::Config ConnectionConfig(const Receiver::Config& config) {
  Connection::Config result;
  result.max_payload = config.max_payload;
  result.congestion = config.congestion;
  result.initial_rtt = config.initial_rtt;
  result.tracer = config.tracer;
  result.receive_budget = file::Sink::kBudget;
  return result;
}

}  // namespace

Receiver::Core::Core(TimePoint now, const Config& config,
                     const file::OutputTarget* target, file::Disk* disk,
                     Random* random)
    : Endpoint(now, ConnectionConfig(config), disk, config.load, nullptr, this),
      giver_(config.receipt),
      ask_(config.ask),
      exact_(target->exact_name.has_value()),
      max_bytes_(config.max_bytes),
      intake_(target,
              {.conflict = config.conflict,
               .allow_dotfiles = config.allow_dotfiles,
               .delta = config.delta},
              Endpoint::disk()),
      sink_(target, config.conflict, Endpoint::disk(), random) {
  SetToldFiles(config.told_files);
}

static_assert(ByteSink::kMaxRunBytes <= file::ChunkPool::kChunkBytes);

bool Receiver::Core::WriteRun(StreamOffset offset, BytePieces bytes) {
  if (!running() ||
      sink_.Write(offset.value(), bytes) != file::Sink::Take::kTaken) {
    return false;
  }
  taken_bytes_ += bytes.size();
  return true;
}

bool Receiver::Core::Write(StreamOffset offset, ByteSpan bytes) {
  if (!running()) return false;
  switch (sink_.Write(offset.value(), bytes)) {
    case file::Sink::Take::kTaken:
      taken_bytes_ += bytes.size();
      return true;
    case file::Sink::Take::kNoRoom:
      return false;
    case file::Sink::Take::kOutside:
      violation_ = "it sends what is not wanted of it";
      return false;
  }
  return false;
}

std::optional<Duration> Receiver::Core::Patience() const {
  switch (phase_) {
    case Phase::kAwaitOffer:
    case Phase::kAwaitEntries:
      return kOfferPatience;
    case Phase::kDeciding:
    case Phase::kChecking:
      return std::nullopt;
    case Phase::kTransferring:
      break;
  }
  // Where no byte is due, it is a disk that is waited for.
  if (comparisons_ > 0 || (end_ && Progressed() >= sink_.total())) {
    return std::nullopt;
  }
  return kTransferPatience;
}

// --- The list ---

void Receiver::Core::HandleMessage(TimePoint now,
                                   const message::Message& message) {
  const char* wrong = nullptr;
  if (const auto* offer = std::get_if<message::Offer>(&message)) {
    wrong = HandleOffer(now, *offer);
  } else if (phase_ == Phase::kAwaitOffer) {
    wrong = "an offer is missing";
  } else if (const auto* entries = std::get_if<message::Entries>(&message)) {
    wrong = Handle(now, *entries);
  } else if (const auto* end = std::get_if<message::End>(&message)) {
    wrong = Handle(*end);
    if (wrong == nullptr) ConsiderOffer(now);
  } else if (const auto* digests = std::get_if<message::Digests>(&message)) {
    wrong = Handle(*digests);
  } else if (const auto* failed =
                 std::get_if<message::SourceFailed>(&message)) {
    wrong = Handle(*failed);
  } else if (const auto* holes = std::get_if<message::Holes>(&message)) {
    wrong = Handle(now, *holes);
  } else if (const auto* copies = std::get_if<message::Copies>(&message)) {
    wrong = Handle(*copies);
  } else if (const auto* early = std::get_if<message::Early>(&message)) {
    wrong = Handle(*early);
  } else if (const auto* blocks =
                 std::get_if<message::BlockDigests>(&message)) {
    wrong = Handle(*blocks);
  } else {
    wrong = "a message is not for a receiver";
  }
  if (wrong != nullptr && running()) FailViolation(now, wrong);
}

const char* Receiver::Core::HandleOffer(TimePoint now,
                                        const message::Offer& message) {
  if (phase_ != Phase::kAwaitOffer) return "it offers twice";
  phase_ = Phase::kAwaitEntries;
  if (!message.receipt) return nullptr;
  if (giver_ == nullptr) {
    Refuse(
        now, message::Reason::kRefused,
        Error{ErrorCode::kUsage, "a receipt is asked for, and can't be had"});
    return nullptr;
  }
  receipt_ = giver_;
  receipt_->Begin(*message.receipt);
  disk()->UseStrongDigests(receipt_->hashers());
  intake_.CompareAll();
  return nullptr;
}

const char* Receiver::Core::Handle(TimePoint now,
                                   const message::Entries& message) {
  if (end_ || message.first != intake_.end()) {
    return "its list is in disorder";
  }
  for (const file::Entry& entry : message.entries) {
    if (entry.is_stream()) {
      Refuse(now, message::Reason::kRefused,
             Error{ErrorCode::kUsage,
                   "the sender sends a stream, which has no size yet: receive "
                   "it with --out -"});
      return nullptr;
    }
    if (exact_ && intake_.end() == 0) exact_name_ = entry.name;
    Status added = intake_.Add(entry);
    if (!added) {
      Refuse(now, message::Reason::kRefused,
             Annotate(added.error(), "the sender's offer is refused"));
      return nullptr;
    }
  }
  if (max_bytes_ && intake_.checker().total() > *max_bytes_) {
    Refuse(now, message::Reason::kDeclined,
           Error{ErrorCode::kDeclined, "too much is offered"});
    return nullptr;
  }
  if (intake_.open() > kMaxOpenEntries) return "it offers too much at once";
  ConsiderOffer(now);
  return nullptr;
}

const char* Receiver::Core::Handle(const message::End& message) {
  if (end_) return "its list ends twice";
  end_ = message;
  if (message.entries != intake_.end() ||
      message.bytes != intake_.checker().total()) {
    return "its sizes do not add up";
  }
  intake_.End();
  return nullptr;
}

// What can't be taken, whatever the user says.
void Receiver::Core::Refuse(TimePoint now, message::Reason reason,
                            Error error) {
  if (phase_ != Phase::kTransferring) {
    return DeclineOffer(now, reason, std::move(error));
  }
  SetCloseReason(reason);
  Send(message::Abort{reason});
  Settle(now, std::move(error), Linger());
}

// Whether enough is known to accept, or to ask.
void Receiver::Core::ConsiderOffer(TimePoint) {
  if (offered_) return;
  const bool whole = ask_ || exact_;
  if (!end_ && whole && intake_.open() < kMaxAskedEntries) return;
  offered_ = true;
  Emit(Offered{intake_.checker().files(), intake_.checker().total(),
               end_.has_value()});
  if (ask_) {
    phase_ = Phase::kDeciding;
    awaits_decision_ = true;
  } else {
    phase_ = Phase::kChecking;
    intake_.Start();
  }
}

Receiver::Listing Receiver::Core::listing() const {
  Listing listing;
  for (std::uint64_t i = intake_.begin(); i < intake_.end(); ++i) {
    const Item& item = intake_[i];
    listing.entries.push_back({intake_.PathOf(i), item.is_folder, item.size});
  }
  listing.files = intake_.checker().files();
  listing.bytes = intake_.checker().total();
  listing.complete = end_.has_value();
  return listing;
}

void Receiver::Core::Decide(TimePoint now, bool accept) {
  if (!running()) return;
  P2PCP_CHECK(std::exchange(awaits_decision_, false));
  if (accept) {
    phase_ = Phase::kChecking;
    intake_.Start();
    intake_.Advance();
  } else {
    DeclineOffer(now, message::Reason::kDeclined,
                 Error{ErrorCode::kDeclined, "the offer was declined"});
  }
  HandleDisk(now);
}

void Receiver::Core::AcceptOffer(TimePoint now) {
  Send(message::Accept{});
  phase_ = Phase::kTransferring;
  Emit(Started{intake_.checker().files(), intake_.checker().total(),
               end_.has_value()});
  machine().Start(now);
}

void Receiver::Core::DeclineOffer(TimePoint now, message::Reason reason,
                                  Error error) {
  Send(message::Decline{reason});
  SetCloseReason(reason);
  Settle(now, std::move(error), Linger());
}

// --- Turns ---

void Receiver::Core::TakeDisk() {
  while (std::optional<file::Completion> done = disk()->Poll()) {
    if (!intake_.Handle(*done)) sink_.Handle(*std::move(done));
  }
}

void Receiver::Core::Advance(TimePoint now) {
  if (violation_ != nullptr) return FailViolation(now, violation_);
  if (phase_ != Phase::kChecking && phase_ != Phase::kTransferring) return;
  intake_.Advance();
  if (intake_.error()) {
    if (phase_ == Phase::kTransferring) return Fail(now, *intake_.error());
    return DeclineOffer(now, ReasonFor(*intake_.error()), *intake_.error());
  }
  if (intake_.TakeFoldersMade()) sink_.NoteFolder(now);
  if (intake_.free_bytes()) TakeDecisions(now);
  if (!running()) return;
  if (end_ && decided_ == intake_.end() && comparisons_ == 0) {
    sink_.SetFinal();
    if (phase_ == Phase::kChecking) AcceptOffer(now);
  }
  if (phase_ != Phase::kTransferring) return;
  WriteEarly();
  sink_.Advance(now);
  while (running() && SendRoom() >= message::kMaxSmall) {
    std::optional<file::Sink::Event> event = sink_.PollEvent();
    if (!event) break;
    TakeSinkEvent(now, *std::move(event));
  }
  if (!running()) return;
  std::uint64_t released = sink_.TakeReleased();
  const std::uint64_t uncharged = std::min(released, early_.uncharged);
  early_.uncharged -= uncharged;
  released -= uncharged;
  if (released > 0) connection().ReleaseBytes(released);
  FlushDone();
  FinishWhenDone(now);
}

void Receiver::Core::FinishWhenDone(TimePoint now) {
  if (!end_ || intake_.open() > 0 || decided_ < intake_.end() ||
      !done_.empty() || !intake_.idle() || !sink_.idle()) {
    return;
  }
  SendReceipt();
  Send(message::Done{
      entries_done_,
      ReceiverReport{machine().Report(now), connection().socket_drops()}});
  shortfall_.unreadable += end_->unreadable;
  shortfall_.left_out = end_->left_out;
  Settle(now, UnfinishedError(shortfall_), kDonePatience);
}

// --- Decisions ---

void Receiver::Core::TakeDecisions(TimePoint now) {
  while (running() && SendRoom() >= message::kMaxSmall) {
    std::optional<file::Intake::Decision> decision = intake_.PollDecision();
    if (!decision) break;
    if (phase_ == Phase::kChecking) {
      if (decision->verdict == file::Verdict::kWant &&
          !HasRoomFor(now, intake_[decision->index])) {
        return;
      }
      AcceptOffer(now);
      needed_bytes_ = 0;
    }
    if (decision->compared) {
      FlushDecisions();
      TakeComparison(now, *std::move(decision));
    } else {
      TakeDecision(now, *std::move(decision));
    }
  }
  if (running()) FlushDecisions();
}

// Whether the disk has room for one more file. If not, this is the end.
bool Receiver::Core::HasRoomFor(TimePoint now, const Item& item) {
  const std::uint64_t free = *intake_.free_bytes();
  needed_bytes_ += item.is_folder ? 0 : item.disk_bytes;
  if (needed_bytes_ <= free - free / kMarginPart) return true;
  // In whole MiB, so that what is needed is never told as what is free.
  constexpr std::uint64_t kMiB = 1 << 20;
  Error error{
      ErrorCode::kCannotWrite,
      "not enough room: " + std::to_string((needed_bytes_ + kMiB - 1) / kMiB) +
          " MiB are needed, " + std::to_string(free / kMiB) +
          " MiB are free, and a part of that is left alone",
      ENOSPC};
  if (phase_ == Phase::kTransferring) {
    Fail(now, std::move(error));
  } else {
    DeclineOffer(now, message::Reason::kCannotWrite, std::move(error));
  }
  return false;
}

void Receiver::Core::TakeDecision(TimePoint now,
                                  file::Intake::Decision decision) {
  const std::uint64_t index = decision.index;
  const Item& item = intake_[index];
  if (decision.verdict == file::Verdict::kWant && !HasRoomFor(now, item)) {
    return;
  }
  P2PCP_CHECK(index == decided_);
  if (item.is_folder && decision.verdict == file::Verdict::kWant) {
    AddFolderToReceipt(index);
  }
  ++decided_;
  if (decisions_.parts.empty()) decisions_.first = index;
  if (decisions_.parts.empty() ||
      decisions_.parts.back().verdict != decision.verdict) {
    if (decisions_.parts.size() == kRunsPerMessage) {
      FlushDecisions();
      decisions_.first = index;
    }
    decisions_.parts.push_back({0, decision.verdict});
  }
  ++decisions_.parts.back().count;
  if (item.outdated) Emit(Outdated{index, intake_.PathOf(index)});
  if (!item.is_folder && decision.verdict == file::Verdict::kWant) {
    AddToSink(index);
  }
  DecideEarly(index, decision.verdict);
  switch (decision.verdict) {
    case file::Verdict::kWant:
      if (!item.is_folder) return;
      ++entries_done_;
      break;
    case file::Verdict::kCompare:
      ++comparisons_;
      return;
    case file::Verdict::kKeepBack:
      ++shortfall_.kept_back;
      if (!item.is_folder) ++not_sent_files_;
      not_sent_bytes_ += item.size;
      Emit(p2pcp::FileFailed{index, intake_.PathOf(index),
                             *std::move(decision.error)});
      break;
    case file::Verdict::kHave:
      ++entries_done_;
      ++files_done_;
      not_sent_bytes_ += item.size;
      if (TellsFile()) {
        Emit(p2pcp::FileDone{index,
                             intake_.PathOf(index),
                             intake_.PathOf(index),
                             item.size,
                             {},
                             true});
      }
      break;
  }
  intake_.Settle(index);
}

// What a comparison has come to.
void Receiver::Core::TakeComparison(TimePoint now,
                                    file::Intake::Decision decision) {
  const std::uint64_t index = decision.index;
  --comparisons_;
  const Item& item = intake_[index];
  switch (decision.verdict) {
    case file::Verdict::kHave:
      not_sent_bytes_ += item.size;
      return FileIsDone(index,
                        item.output.final_name.empty() ? item.output.name
                                                       : item.output.final_name,
                        *item.found, /*was_there=*/true);
    case file::Verdict::kWant:
      if (!HasRoomFor(now, item)) return;
      AddToSink(index);
      return Send(message::Want{index});
    default:
      not_sent_bytes_ += item.size;
      return FailFile(index, *std::move(decision.error));
  }
}

void Receiver::Core::AddToSink(std::uint64_t index) {
  Item& item = intake_[index];
  const file::Output& output = item.output;
  item.piece = sink_.Add({.id = index,
                          .folder = output.folder,
                          .fresh = output.fresh,
                          .name = output.name,
                          .exact = output.exact,
                          .size = item.size,
                          .mtime = output.mtime,
                          .executable = output.executable,
                          .sparse = output.sparse,
                          .compared = output.compared,
                          .remains = output.remains,
                          .base_size = item.base_size});
  if (output.remains != nullptr) TellRemains(index, *output.remains);
  if (item.base_size > 0) TellBase(index);
}

// What there is of a file from before: told before the decision on it, which
// has not been sent yet.
void Receiver::Core::TellRemains(std::uint64_t index,
                                 const file::Remains& remains) {
  const Item& item = intake_[index];
  const std::uint64_t begin = sink_.Begin(item.piece);
  message::Have have{index, {}};
  std::uint64_t bytes = 0;
  for (const file::Interval& had : remains.had) {
    P2PCP_CHECK(connection().SkipReceived(StreamOffset(begin + had.begin),
                                          StreamOffset(begin + had.end), 0));
    have.runs.push_back({had.begin, had.size()});
    bytes += had.size();
  }
  Send(have);
  Emit(Resumed{index, intake_.PathOf(index), bytes, item.size});
}

void Receiver::Core::FlushDecisions() {
  if (decisions_.parts.empty()) return;
  Send(decisions_);
  decisions_.parts.clear();
}

}  // namespace p2pcp

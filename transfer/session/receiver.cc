#include "transfer/session/receiver.h"

#include <algorithm>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "net/base/check.h"
#include "transfer/connection/byte_space.h"
#include "transfer/file/sink.h"
#include "transfer/session/endpoint.h"
#include "transfer/session/messages.h"

namespace p2pcp {

class Receiver::Core final : private ByteSink, public Endpoint {
 public:
  Core(TimePoint now, const Config& config, const file::OutputTarget* target,
       file::Disk* disk, Random* random);

  const file::Manifest& manifest() const { return manifest_; }
  void Decide(TimePoint now, bool accept);
  Progress progress() const;

 private:
  enum class Phase : std::uint8_t {
    kAwaitOffer,
    kAwaitEntries,
    kDeciding,
    kInspecting,
    kTransferring,
  };

  // ByteSink
  bool Write(StreamOffset offset, ByteSpan bytes) override;
  // Endpoint
  void HandleMessage(TimePoint now, const message::Message& message) override;
  void Advance(TimePoint now) override;
  void TakeDisk() override;
  std::optional<Duration> Patience() const override;
  std::uint64_t Progressed() const override { return taken_bytes_; }
  void HandleOver() override { sink_.Abandon(); }
  std::uint64_t completed_files() const override { return done_; }
  std::uint64_t completed_bytes() const override {
    return sink_.wanted_bytes();
  }

  // Each returns what is wrong with the message, nullptr if nothing is.
  const char* HandleOffer(TimePoint now, const message::Offer& offer);
  const char* HandleEntries(TimePoint now, const message::Entries& message);
  const char* HandleDigest(const message::FileDigest& message);
  void HandleManifest(TimePoint now);
  void HandleSinkEvent(TimePoint now, file::Sink::Event event);
  void AcceptOffer(TimePoint now);
  void DeclineOffer(TimePoint now, message::Reason reason, Error error);

  const bool ask_;
  file::Manifest manifest_;
  file::Sink sink_;
  Phase phase_ = Phase::kAwaitOffer;
  bool awaits_decision_ = false;
  message::Offer offer_;
  const char* violation_ = nullptr;  // In a DATA frame.
  std::uint64_t taken_bytes_ = 0;
  std::size_t done_ = 0;
  std::size_t kept_back_ = 0;
  std::size_t damaged_ = 0;
  std::vector<bool> settled_;
};

namespace {

// Runs in one KeepBack message: 4 KiB of them.
constexpr std::size_t kRunsPerMessage = 512;
// How long a receiver that has everything keeps telling a sender that does not
// answer: longer than any outage after which the channel still lives (45 s).
constexpr Duration kDonePatience = 60s;

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
      ask_(config.ask),
      sink_(target, config.conflict, &manifest_, Endpoint::disk(), random) {}

bool Receiver::Core::Write(StreamOffset offset, ByteSpan bytes) {
  if (!running()) return false;
  if (phase_ != Phase::kTransferring) {
    violation_ = "it sends what has not been accepted";
    return false;
  }
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
    case Phase::kInspecting:
      return std::nullopt;
    case Phase::kTransferring:
      return kTransferPatience;
  }
  return std::nullopt;
}

void Receiver::Core::TakeDisk() { sink_.HandleDisk(); }

void Receiver::Core::Advance(TimePoint now) {
  if (violation_ != nullptr) return FailViolation(now, violation_);
  if (phase_ == Phase::kTransferring) {
    const std::uint64_t released = sink_.TakeReleased();
    if (released > 0) connection().ReleaseBytes(released);
  }
  while (running() && SendRoom() >= message::kMaxSmall) {
    std::optional<file::Sink::Event> event = sink_.PollEvent();
    if (!event) break;
    HandleSinkEvent(now, std::move(*event));
  }
  if (running() && phase_ == Phase::kTransferring &&
      done_ + kept_back_ + damaged_ == manifest_.size()) {
    message::Done done{done_, std::nullopt};
    if (version() >= message::kReportsVersion) {
      done.report =
          ReceiverReport{machine().Report(now), connection().socket_drops()};
    }
    Send(done);
    Settle(now, UnfinishedError(manifest_.size(), kept_back_, damaged_),
           kDonePatience);
  }
}

void Receiver::Core::HandleMessage(TimePoint now,
                                   const message::Message& message) {
  const char* wrong = nullptr;
  if (const auto* offer = std::get_if<message::Offer>(&message)) {
    wrong = HandleOffer(now, *offer);
  } else if (const auto* entries = std::get_if<message::Entries>(&message)) {
    wrong = HandleEntries(now, *entries);
  } else if (const auto* digest = std::get_if<message::FileDigest>(&message)) {
    wrong = HandleDigest(*digest);
  } else {
    wrong = "a message is not for a receiver";
  }
  if (wrong != nullptr) FailViolation(now, wrong);
}

const char* Receiver::Core::HandleOffer(TimePoint now,
                                        const message::Offer& offer) {
  if (phase_ != Phase::kAwaitOffer) return "it offers twice";
  offer_ = offer;
  phase_ = Phase::kAwaitEntries;
  if (offer.file_count > file::Manifest::kMaxEntries) {
    DeclineOffer(now, message::Reason::kRefused,
                 Error{ErrorCode::kMalformed,
                       "the sender offers " + std::to_string(offer.file_count) +
                           " files, more than " +
                           std::to_string(file::Manifest::kMaxEntries)});
  } else if (offer.file_count == 0) {
    return "it offers nothing";
  }
  return nullptr;
}

const char* Receiver::Core::HandleEntries(TimePoint now,
                                          const message::Entries& message) {
  if (phase_ != Phase::kAwaitEntries || message.first != manifest_.size() ||
      message.entries.size() > offer_.file_count - manifest_.size()) {
    return "its list of files is in disorder";
  }
  for (const file::Entry& entry : message.entries) {
    Status added = manifest_.Add(entry);
    if (!added) {
      DeclineOffer(now, message::Reason::kRefused,
                   Annotate(added.error(), "the sender's offer is refused"));
      return nullptr;
    }
  }
  if (manifest_.size() == offer_.file_count) HandleManifest(now);
  return nullptr;
}

void Receiver::Core::HandleManifest(TimePoint now) {
  Status sealed = manifest_.Seal();
  if (sealed && manifest_.total() != offer_.total_bytes) {
    sealed = Error{ErrorCode::kMalformed, "its sizes do not add up"};
  }
  if (!sealed) {
    DeclineOffer(now, message::Reason::kRefused,
                 Annotate(sealed.error(), "the sender's offer is refused"));
    return;
  }
  settled_.resize(manifest_.size());
  Emit(Offered{manifest_.size(), manifest_.total()});
  if (ask_) {
    phase_ = Phase::kDeciding;
    awaits_decision_ = true;
  } else {
    phase_ = Phase::kInspecting;
    sink_.Inspect();
  }
}

void Receiver::Core::Decide(TimePoint now, bool accept) {
  if (!running()) return;
  P2PCP_CHECK(std::exchange(awaits_decision_, false));
  if (accept) {
    phase_ = Phase::kInspecting;
    sink_.Inspect();
  } else {
    DeclineOffer(now, message::Reason::kDeclined,
                 Error{ErrorCode::kDeclined, "the offer was declined"});
  }
  HandleDisk(now);
}

const char* Receiver::Core::HandleDigest(const message::FileDigest& message) {
  if (phase_ != Phase::kTransferring) return "a digest comes too early";
  if (message.index >= manifest_.size() ||
      !sink_.ExpectDigest(static_cast<std::size_t>(message.index),
                          message.digest)) {
    return "a digest is for no file, or for one that has another";
  }
  return nullptr;
}

void Receiver::Core::HandleSinkEvent(TimePoint now, file::Sink::Event event) {
  using Kind = file::Sink::Event::Kind;
  switch (event.kind) {
    case Kind::kInspected:
      return AcceptOffer(now);
    case Kind::kFileDone:
      ++done_;
      settled_[event.index] = true;
      Send(message::FileDone{event.index, event.digest});
      return Emit(p2pcp::FileDone{event.index, manifest_[event.index].name,
                                  std::move(event.final_name),
                                  manifest_[event.index].size, event.digest});
    case Kind::kFileFailed: {
      const bool damaged = event.error->code == ErrorCode::kIntegrity;
      ++(damaged ? damaged_ : kept_back_);
      settled_[event.index] = true;
      if (phase_ == Phase::kTransferring) {
        Send(message::FileFailed{event.index, ReasonFor(*event.error)});
      }
      return Emit(p2pcp::FileFailed{event.index, manifest_[event.index].name,
                                    std::move(*event.error)});
    }
    case Kind::kFailed:
      if (phase_ == Phase::kInspecting) {
        return DeclineOffer(now, ReasonFor(*event.error),
                            std::move(*event.error));
      }
      return Fail(now, std::move(*event.error));
  }
}

void Receiver::Core::AcceptOffer(TimePoint now) {
  message::KeepBack keep_back;
  for (std::size_t i = 0; i < manifest_.size();) {
    std::size_t end = i;
    while (end < manifest_.size() && !sink_.IsWanted(end)) ++end;
    if (end > i) keep_back.runs.push_back({i, end - i});
    if (keep_back.runs.size() == kRunsPerMessage) {
      Send(keep_back);
      keep_back.runs.clear();
    }
    i = end + 1;
  }
  if (!keep_back.runs.empty()) Send(keep_back);
  Send(message::Accept{});
  phase_ = Phase::kTransferring;
  Emit(Started{sink_.wanted_files(), sink_.wanted_bytes()});
  machine().Start(now);
  sink_.Start();
}

void Receiver::Core::DeclineOffer(TimePoint now, message::Reason reason,
                                  Error error) {
  Send(message::Decline{reason});
  SetCloseReason(reason);
  Settle(now, std::move(error), Linger());
}

Progress Receiver::Core::progress() const {
  Progress progress;
  progress.files_done = done_;
  progress.files_total = offer_.file_count;
  progress.bytes_total = manifest_.total();
  progress.bytes_done = sink_.written_bytes();
  const auto open = std::find(settled_.begin(), settled_.end(), false);
  if (open != settled_.end()) {
    progress.current_file =
        manifest_[static_cast<std::size_t>(open - settled_.begin())].name;
  }
  switch (phase_) {
    case Phase::kAwaitOffer:
      progress.phase =
          greeted() ? Progress::Phase::kOffering : Progress::Phase::kGreeting;
      break;
    case Phase::kAwaitEntries:
      progress.phase = Progress::Phase::kOffering;
      break;
    case Phase::kDeciding:
      progress.phase = Progress::Phase::kDeciding;
      break;
    case Phase::kInspecting:
      progress.phase = Progress::Phase::kChecking;
      break;
    case Phase::kTransferring:
      progress.files_total = sink_.wanted_files();
      progress.bytes_total = sink_.wanted_bytes();
      progress.phase = progress.bytes_done < progress.bytes_total
                           ? Progress::Phase::kTransferring
                           : Progress::Phase::kFinishing;
      break;
  }
  if (state() == State::kOver) progress.phase = Progress::Phase::kOver;
  return progress;
}

// --- Receiver ---

Receiver::Receiver(TimePoint now, const Config& config,
                   const file::OutputTarget* target, file::Disk* disk,
                   Random* random)
    : core_(std::make_unique<Core>(now, config, target, disk, random)) {}
Receiver::~Receiver() = default;

const file::Manifest& Receiver::manifest() const { return core_->manifest(); }
void Receiver::Decide(TimePoint now, bool accept) {
  core_->Decide(now, accept);
}

void Receiver::HandlePacket(TimePoint now, PacketNumber number,
                            ByteSpan payload) {
  core_->HandlePacket(now, number, payload);
}
void Receiver::HandleTimeout(TimePoint now) { core_->HandleTimeout(now); }
void Receiver::HandleDisk(TimePoint now) { core_->HandleDisk(now); }
void Receiver::HandlePathChange(TimePoint now, std::size_t max_payload) {
  core_->HandlePathChange(now, max_payload);
}
void Receiver::SetMaxPayload(std::size_t max_payload) {
  core_->connection().SetMaxPayload(max_payload);
}
void Receiver::HandleChannelLost(TimePoint now) {
  core_->HandleChannelLost(now);
}
std::optional<Connection::Packet> Receiver::PollTransmit(TimePoint now,
                                                         PacketNumber number,
                                                         MutableByteSpan out) {
  return core_->PollTransmit(now, number, out);
}
std::optional<TimePoint> Receiver::PollTimeout() const {
  return core_->PollTimeout();
}
std::optional<SessionEvent> Receiver::PollEvent() { return core_->PollEvent(); }
void Receiver::Cancel(TimePoint now, Error reason) {
  core_->Cancel(now, std::move(reason));
}
Progress Receiver::progress() const { return core_->progress(); }
const ConnectionStats& Receiver::stats() const {
  return std::as_const(*core_).connection().stats();
}
void Receiver::SetSocketDrops(std::uint64_t total) {
  core_->connection().SetSocketDrops(total);
}

}  // namespace p2pcp

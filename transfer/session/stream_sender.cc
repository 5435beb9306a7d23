#include "transfer/session/stream_sender.h"

#include <cstdint>
#include <optional>
#include <utility>
#include <variant>

#include "transfer/connection/byte_space.h"
#include "transfer/connection/connection.h"
#include "transfer/file/intake.h"
#include "transfer/file/stream_source.h"
#include "transfer/session/endpoint.h"
#include "transfer/session/messages.h"
#include "transfer/session/sender_facts.h"
#include "transfer/session/session_shell.h"

namespace p2pcp {
namespace {

class StreamSenderCore final : private ByteSource, public Endpoint {
 public:
  StreamSenderCore(TimePoint now, const Sender::Config& config,
                   const StreamOffer& offer, file::Disk* disk);

  Progress progress() const;

 private:
  // ByteSource
  ByteSpan Read(StreamOffset offset, std::size_t max_size) override {
    return source_.Read(offset.value(), max_size);
  }
  // Endpoint
  void HandleMessage(TimePoint now, const message::Message& message) override;
  void Advance(TimePoint now) override;
  void TakeDisk() override { source_.HandleDisk(); }
  // Whoever reads from the stream there may take his time.
  std::optional<Duration> Patience() const override {
    if (!greeted()) return kOfferPatience;
    return std::nullopt;
  }
  std::uint64_t Progressed() const override {
    return connection().stats().data_bytes_acknowledged;
  }
  void HandleOver() override {}
  std::uint64_t completed_files() const override { return done_ ? 1 : 0; }
  std::uint64_t completed_bytes() const override {
    return done_ ? source_.end() : 0;
  }

  // Each returns what is wrong with the message, nullptr if nothing is.
  const char* Decide(const message::Decisions& message);
  const char* SetDone(const message::FilesDone& message);
  const char* SetDone(TimePoint now, const message::Received& message);
  const char* Take(const message::Receipt& message);
  const char* SetDone();
  const char* SetFailed(const message::FileFailed& message);
  const char* HandleDone(TimePoint now, const message::Done& message);

  enum class Fate : std::uint8_t { kUndecided, kWanted, kSettled };

  // The stream is read from the beginning on.
  file::Disk* Prepared() {
    if (receipt_ != nullptr) disk()->UseStrongDigests(receipt_->hashers());
    return disk();
  }

  const std::string name_;
  ReceiptTaker* const receipt_;  // Null where none is wanted.
  bool has_receipt_ = false;
  file::StreamSource source_;
  bool accepted_ = false;
  Fate fate_ = Fate::kUndecided;
  bool done_ = false;   // At the receiver.
  bool ended_ = false;  // That was told.
  std::uint64_t offered_ = 0;
  Shortfall shortfall_;
};

StreamSenderCore::StreamSenderCore(TimePoint now, const Sender::Config& config,
                                   const StreamOffer& offer, file::Disk* disk)
    : Endpoint(now, SenderConnectionConfig(config), disk, config.load, this,
               nullptr),
      name_(offer.name),
      receipt_(config.receipt),
      source_(offer.fd, Prepared()) {
  file::Entry entry;
  entry.kind = file::Entry::Kind::kStream;
  entry.name = offer.name;
  entry.mtime = offer.mtime;
  message::Offer hello;
  if (receipt_ != nullptr) hello.receipt = receipt_->Begin();
  Send(hello);
  Send(message::Entries{0, {std::move(entry)}});
}

void StreamSenderCore::Advance(TimePoint now) {
  if (source_.error()) return Fail(now, *source_.error());
  if (fate_ == Fate::kWanted) {
    if (offered_ < source_.end()) {
      connection().OfferBytes(StreamOffset(offered_),
                              StreamOffset(source_.end()));
      offered_ = source_.end();
    }
    source_.Release(connection().AcknowledgedUpTo().value());
  }
  if (source_.end() > file::kMaxTotal) {
    return Fail(now, Error{ErrorCode::kUsage, "the stream is too long"});
  }
  if (ended_ || fate_ == Fate::kUndecided) return;
  if (!source_.digest() && fate_ == Fate::kWanted) return;
  ended_ = true;
  const std::uint64_t size = fate_ == Fate::kWanted ? source_.end() : 0;
  if (fate_ == Fate::kWanted) {
    Send(message::StreamEnd{0, size});
    Send(message::Digests{{{0, *source_.digest()}}});
  }
  Send(message::End{1, size, 0, 0});
}

void StreamSenderCore::HandleMessage(TimePoint now,
                                     const message::Message& message) {
  const char* wrong = nullptr;
  if (std::holds_alternative<message::Accept>(message)) {
    if (accepted_) wrong = "it accepts twice";
    accepted_ = true;
    if (wrong == nullptr) Emit(Started{1, 0, false});
    machine().Start(now);
  } else if (const auto* decline = std::get_if<message::Decline>(&message)) {
    if (accepted_) {
      wrong = "it declines what it has accepted";
    } else {
      Settle(now, PeerError(decline->reason, /*peer_is_receiver=*/true),
             Duration::zero());
    }
  } else if (const auto* decisions =
                 std::get_if<message::Decisions>(&message)) {
    wrong = Decide(*decisions);
  } else if (const auto* done = std::get_if<message::FilesDone>(&message)) {
    wrong = SetDone(*done);
  } else if (const auto* received = std::get_if<message::Received>(&message)) {
    wrong = SetDone(now, *received);
  } else if (const auto* receipt = std::get_if<message::Receipt>(&message)) {
    wrong = Take(*receipt);
  } else if (const auto* failed = std::get_if<message::FileFailed>(&message)) {
    wrong = SetFailed(*failed);
  } else if (const auto* all = std::get_if<message::Done>(&message)) {
    wrong = HandleDone(now, *all);
  } else {
    wrong = "a message is not for the sender of a stream";
  }
  if (wrong != nullptr) FailViolation(now, wrong);
}

const char* StreamSenderCore::Decide(const message::Decisions& message) {
  if (!accepted_) return "it decides before it accepts";
  if (fate_ != Fate::kUndecided || message.first != 0 ||
      message.parts.size() != 1 || message.parts[0].count != 1) {
    return "it decides on what is not there";
  }
  switch (message.parts[0].verdict) {
    case file::Verdict::kWant:
      fate_ = Fate::kWanted;
      return nullptr;
    case file::Verdict::kKeepBack:
      fate_ = Fate::kSettled;
      ++shortfall_.kept_back;
      Emit(p2pcp::FileFailed{0, name_,
                             Error{ErrorCode::kKeptBack,
                                   name_ + " was kept back by the receiver"}});
      return nullptr;
    default:
      return "it has what has not been sent yet";
  }
}

const char* StreamSenderCore::SetDone(const message::FilesDone& message) {
  if (receipt_ != nullptr || message.runs.size() != 1 ||
      message.runs[0] != message::Run{0, 1}) {
    return "it has what is no stream of ours";
  }
  return SetDone();
}

const char* StreamSenderCore::SetDone(TimePoint now,
                                      const message::Received& message) {
  if (receipt_ == nullptr || message.files.size() != 1 ||
      message.files[0].index != 0) {
    return "it has what is no stream of ours";
  }
  if (const char* wrong = SetDone(); wrong != nullptr) return wrong;
  if (source_.digest()->strong != message.files[0].digest) {
    Fail(now,
         Error{ErrorCode::kIntegrity,
               "the receiver's receipt is of another content of " + name_});
    return nullptr;
  }
  receipt_->AddFile(name_, source_.end(), message.files[0].digest);
  return nullptr;
}

const char* StreamSenderCore::Take(const message::Receipt& message) {
  if (receipt_ == nullptr || has_receipt_ || !ended_ ||
      fate_ != Fate::kSettled) {
    return "nobody wants its receipt";
  }
  has_receipt_ = true;
  receipt_->End(done_ ? 0 : 1, message.end);
  return nullptr;
}

const char* StreamSenderCore::SetDone() {
  if (!ended_ || fate_ != Fate::kWanted) {
    return "it has the stream too early or twice";
  }
  fate_ = Fate::kSettled;
  done_ = true;
  Emit(p2pcp::FileDone{0, name_, {}, source_.end(), *source_.digest(), false});
  return nullptr;
}

const char* StreamSenderCore::SetFailed(const message::FileFailed& message) {
  if (!ended_ || fate_ != Fate::kWanted || message.index != 0) {
    return "it failed with the stream too early or twice";
  }
  fate_ = Fate::kSettled;
  const bool damaged = message.reason == message::Reason::kIntegrity;
  ++(damaged ? shortfall_.damaged : shortfall_.kept_back);
  Emit(p2pcp::FileFailed{
      0, name_,
      damaged ? Error{ErrorCode::kIntegrity, name_ + " arrived damaged"}
              : Error{ErrorCode::kKeptBack,
                      name_ + " was kept back by the receiver"}});
  return nullptr;
}

const char* StreamSenderCore::HandleDone(TimePoint now,
                                         const message::Done& message) {
  if (!ended_ || fate_ != Fate::kSettled ||
      message.entries_done != (done_ ? 1 : 0) ||
      (receipt_ != nullptr && !has_receipt_)) {
    return "it is done too early";
  }
  const TransferReport report =
      SenderReport(now, connection(), machine(), message.report, done_);
  SetReport(report);
  Send(message::Finished{report});
  Settle(now, UnfinishedError(shortfall_), Linger());
  return nullptr;
}

Progress StreamSenderCore::progress() const {
  Progress progress;
  progress.files_total = 1;
  progress.files_done = done_ ? 1 : 0;
  progress.bytes_done = connection().stats().data_bytes_acknowledged;
  progress.bytes_total = source_.end();
  progress.complete = source_.digest().has_value();
  progress.current_file = name_;
  progress.current_bytes_done = progress.bytes_done;
  progress.current_bytes_total = progress.bytes_total;
  if (state() == State::kOver) {
    progress.phase = Progress::Phase::kOver;
  } else if (!greeted()) {
    progress.phase = Progress::Phase::kGreeting;
  } else if (!accepted_) {
    progress.phase = Progress::Phase::kDeciding;
  } else if (!progress.complete || progress.bytes_done < progress.bytes_total) {
    progress.phase = Progress::Phase::kTransferring;
  } else {
    progress.phase = Progress::Phase::kFinishing;
  }
  return progress;
}

}  // namespace

std::unique_ptr<Session> NewStreamSender(TimePoint now,
                                         const Sender::Config& config,
                                         const StreamOffer& offer,
                                         file::Disk* disk) {
  return std::make_unique<SessionShell<StreamSenderCore>>(now, config, offer,
                                                          disk);
}

}  // namespace p2pcp

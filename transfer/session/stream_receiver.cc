#include "transfer/session/stream_receiver.h"

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "net/base/check.h"
#include "transfer/connection/byte_space.h"
#include "transfer/connection/connection.h"
#include "transfer/file/entry.h"
#include "transfer/file/intake.h"
#include "transfer/file/stream_sink.h"
#include "transfer/session/endpoint.h"
#include "transfer/session/limits.h"
#include "transfer/session/messages.h"
#include "transfer/session/receipt.h"
#include "transfer/session/session_shell.h"

namespace p2pcp {
namespace {

Connection::Config ConnectionConfig(const Receiver::Config& config) {
  Connection::Config result;
  result.max_payload = config.max_payload;
  result.congestion = config.congestion;
  result.initial_rtt = config.initial_rtt;
  result.tracer = config.tracer;
  result.receive_budget = file::StreamSink::kBuffer;
  return result;
}

class StreamReceiverCore final : private ByteSink, public Endpoint {
 public:
  StreamReceiverCore(TimePoint now, const Receiver::Config& config, int fd,
                     file::Disk* disk)
      : Endpoint(now, ConnectionConfig(config), disk, config.load, nullptr,
                 this),
        max_bytes_(config.max_bytes),
        giver_(config.receipt),
        sink_(fd, Endpoint::disk()) {}

  Progress progress() const;

 private:
  // ByteSink
  bool Write(StreamOffset offset, ByteSpan bytes) override;
  // Endpoint
  void HandleMessage(TimePoint now, const message::Message& message) override;
  void Advance(TimePoint now) override;
  void TakeDisk() override { sink_.HandleDisk(); }
  // Whoever writes into the stream may take his time.
  std::optional<Duration> Patience() const override {
    if (!accepted_) return kOfferPatience;
    return std::nullopt;
  }
  std::uint64_t Progressed() const override {
    return connection().stats().data_bytes_received;
  }
  void HandleOver() override {}
  std::uint64_t completed_files() const override { return done_ ? 1 : 0; }
  std::uint64_t completed_bytes() const override {
    return done_ ? sink_.written() : 0;
  }

  // Each returns what is wrong with the message, nullptr if nothing is.
  const char* Handle(TimePoint now, const message::Offer& message);
  const char* Handle(TimePoint now, const message::Entries& message);
  const char* Handle(TimePoint now, const message::End& message);
  const char* Handle(const message::Digests& message);
  const char* Handle(const message::StreamEnd& message);
  const char* Handle(const message::SourceFailed& message);
  const char* Handle(const message::Early& message);
  void Decline(TimePoint now, std::string why);
  void DeclineSize(TimePoint now);
  void Accept(TimePoint now);
  void FinishWhenDone(TimePoint now);
  void TellDone(const file::Digest& digest);

  // More is declined, and never written.
  const std::optional<std::uint64_t> max_bytes_;
  ReceiptGiver* const giver_;
  ReceiptGiver* receipt_ = nullptr;  // Null until one is asked for.
  file::StreamSink sink_;
  file::EntryChecker checker_;
  bool offered_ = false;
  std::optional<file::Entry> entry_;
  bool accepted_ = false;
  std::optional<message::End> end_;
  std::optional<file::Digest> expected_;
  bool source_failed_ = false;
  std::uint64_t early_ = 0;  // Bytes that came so.
  bool settled_ = false;     // FILES_DONE or FILE_FAILED was sent.
  bool done_ = false;
  std::optional<std::uint64_t> stream_size_;  // From STREAM_END.
  // In a DATA frame.
  const char* violation_ = nullptr;
  bool too_much_ = false;
  Shortfall shortfall_;
};

bool StreamReceiverCore::Write(StreamOffset offset, ByteSpan bytes) {
  if (!running()) return false;
  if (max_bytes_ && offset.value() + bytes.size() > *max_bytes_) {
    too_much_ = true;
    return false;
  }
  if (accepted_ && sink_.Write(offset.value(), bytes)) return true;
  violation_ = "it sends what is not wanted of it";
  return false;
}

void StreamReceiverCore::HandleMessage(TimePoint now,
                                       const message::Message& message) {
  const char* wrong = nullptr;
  if (const auto* offer = std::get_if<message::Offer>(&message)) {
    wrong = Handle(now, *offer);
  } else if (!offered_) {
    wrong = "an offer is missing";
  } else if (const auto* entries = std::get_if<message::Entries>(&message)) {
    wrong = Handle(now, *entries);
  } else if (const auto* end = std::get_if<message::End>(&message)) {
    wrong = Handle(now, *end);
  } else if (const auto* digests = std::get_if<message::Digests>(&message)) {
    wrong = Handle(*digests);
  } else if (const auto* size = std::get_if<message::StreamEnd>(&message)) {
    wrong = Handle(*size);
  } else if (const auto* failed =
                 std::get_if<message::SourceFailed>(&message)) {
    wrong = Handle(*failed);
  } else if (const auto* early = std::get_if<message::Early>(&message)) {
    wrong = Handle(*early);
  } else {
    wrong = "a message is not for the receiver of a stream";
  }
  if (wrong != nullptr && running()) FailViolation(now, wrong);
}

void StreamReceiverCore::Decline(TimePoint now, std::string why) {
  const message::Reason reason = message::Reason::kRefused;
  Send(message::Decline{reason});
  SetCloseReason(reason);
  Settle(now, Error{ErrorCode::kUsage, std::move(why)}, Linger());
}

const char* StreamReceiverCore::Handle(TimePoint now,
                                       const message::Offer& message) {
  if (offered_) return "it offers twice";
  offered_ = true;
  if (!message.receipt) return nullptr;
  if (giver_ == nullptr) {
    Decline(now, "a receipt is asked for, and can't be had");
    return nullptr;
  }
  receipt_ = giver_;
  receipt_->Begin(*message.receipt);
  disk()->UseStrongDigests(receipt_->hashers());
  return nullptr;
}

const char* StreamReceiverCore::Handle(TimePoint now,
                                       const message::Entries& message) {
  if (end_ || message.first != checker_.entries()) {
    return "its list is in disorder";
  }
  for (const file::Entry& entry : message.entries) {
    if (Status added = checker_.Add(entry); !added.ok()) {
      Decline(now, "the sender's offer is refused: " + added.error().message);
      return nullptr;
    }
    if (entry_ || entry.is_folder()) {
      if (accepted_) return "it offers more than one stream";
      Decline(now,
              "--out - takes one file, and the sender offers more; "
              "receive into a folder");
      return nullptr;
    }
    entry_ = entry;
  }
  // Of a stream nothing but its end will follow.
  if (entry_->is_stream() && !accepted_) Accept(now);
  return nullptr;
}

// It is more than the user has laid down for this peer.
void StreamReceiverCore::DeclineSize(TimePoint now) {
  Error error{ErrorCode::kDeclined,
              "it sends more than you have laid down for it (p2pcp peers set)"};
  if (accepted_) return Fail(now, std::move(error));
  Send(message::Decline{message::Reason::kDeclined});
  SetCloseReason(message::Reason::kDeclined);
  Settle(now, std::move(error), Linger());
}

void StreamReceiverCore::Accept(TimePoint now) {
  const std::uint64_t size = entry_->size;
  if (size > max_bytes_.value_or(size)) return DeclineSize(now);
  accepted_ = true;
  const bool known = !entry_->is_stream();
  Emit(Offered{1, size, known});
  Emit(Started{1, size, known});
  machine().Start(now);
  Send(message::Accept{.in_order = true});
  Send(message::Decisions{0, {{1, file::Verdict::kWant}}});
  if (known) (void)sink_.End(size);
}

const char* StreamReceiverCore::Handle(TimePoint now,
                                       const message::End& message) {
  if (end_) return "its list ends twice";
  const bool stream = entry_ && entry_->is_stream();
  if (message.entries != checker_.entries() || (stream && !stream_size_) ||
      message.bytes != (stream ? *stream_size_ : checker_.total())) {
    return "its sizes do not add up";
  }
  end_ = message;
  if (!entry_) {
    Decline(now, "the sender has nothing to offer");
  } else if (!accepted_) {
    Accept(now);
  }
  return nullptr;
}

const char* StreamReceiverCore::Handle(const message::Digests& message) {
  if (!accepted_ || expected_ || settled_ || message.digests.size() != 1 ||
      message.digests[0].index != 0) {
    return "a digest is for no file, or for one that has another";
  }
  expected_ = message.digests[0].digest;
  return nullptr;
}

const char* StreamReceiverCore::Handle(const message::StreamEnd& message) {
  if (!accepted_ || !entry_->is_stream() || message.index != 0 ||
      !sink_.End(message.size)) {
    return "its stream ends where it can't";
  }
  stream_size_ = message.size;
  return nullptr;
}

const char* StreamReceiverCore::Handle(const message::SourceFailed& message) {
  if (!accepted_ || message.index != 0 || source_failed_) {
    return "what was not wanted has failed";
  }
  source_failed_ = true;
  return nullptr;
}

// In order they come once more.
const char* StreamReceiverCore::Handle(const message::Early& message) {
  early_ += message.bytes.size();
  if (!entry_ || entry_->is_stream() || message.index != 0 ||
      entry_->size <= kMaxEarlyBytes || early_ > kMaxEarlyBytes) {
    return "bytes come early of what is none, or too many";
  }
  return nullptr;
}

void StreamReceiverCore::Advance(TimePoint now) {
  if (violation_ != nullptr) return FailViolation(now, violation_);
  if (sink_.error()) return Fail(now, *sink_.error());
  if (too_much_) return DeclineSize(now);
  if (const std::uint64_t released = sink_.TakeReleased(); released > 0) {
    connection().ReleaseBytes(released);
  }
  FinishWhenDone(now);
}

void StreamReceiverCore::FinishWhenDone(TimePoint now) {
  if (!end_ || !accepted_) return;
  const bool whole = sink_.digest() && expected_;
  if (!whole && !source_failed_) return;
  settled_ = true;
  const std::string& name = entry_->name;
  std::optional<Error> error;
  if (source_failed_) {
    ++shortfall_.unreadable;
    error = Error{ErrorCode::kSourceUnreadable,
                  name + " could not be read by the sender, or changed"};
  } else if (*sink_.digest() != *expected_) {
    ++shortfall_.damaged;
    error = Error{ErrorCode::kIntegrity,
                  name + " arrived damaged, and has been written out already"};
  }
  done_ = !error;
  if (error) {
    Send(message::FileFailed{0, ReasonFor(*error)});
    Emit(p2pcp::FileFailed{0, name, *std::move(error)});
  } else {
    Emit(p2pcp::FileDone{0, name, {}, sink_.written(), *sink_.digest(), false});
    TellDone(*sink_.digest());
  }
  if (receipt_ != nullptr) {
    Send(message::Receipt{receipt_->End(done_ ? 0 : 1)});
  }
  Send(message::Done{
      done_ ? 1u : 0u,
      ReceiverReport{machine().Report(now), connection().socket_drops()}});
  Settle(now, UnfinishedError(shortfall_), kDonePatience);
}

void StreamReceiverCore::TellDone(const file::Digest& digest) {
  if (receipt_ == nullptr) return Send(message::FilesDone{{{0, 1}}});
  P2PCP_CHECK(digest.strong.has_value());
  receipt_->AddFile(entry_->name, sink_.written(), *digest.strong);
  Send(message::Received{{{0, *digest.strong}}});
}

Progress StreamReceiverCore::progress() const {
  Progress progress;
  progress.files_total = 1;
  progress.files_done = done_ ? 1 : 0;
  progress.bytes_done = sink_.written();
  progress.complete = end_.has_value();
  progress.bytes_total =
      end_ ? end_->bytes : connection().stats().data_bytes_received;
  if (entry_) progress.current_file = entry_->name;
  progress.current_bytes_done = progress.bytes_done;
  progress.current_bytes_total = progress.bytes_total;
  if (state() == State::kOver) {
    progress.phase = Progress::Phase::kOver;
  } else if (!greeted()) {
    progress.phase = Progress::Phase::kGreeting;
  } else if (!accepted_) {
    progress.phase = Progress::Phase::kOffering;
  } else {
    progress.phase = sink_.digest() ? Progress::Phase::kFinishing
                                    : Progress::Phase::kTransferring;
  }
  return progress;
}

}  // namespace

std::unique_ptr<Session> NewStreamReceiver(TimePoint now,
                                           const Receiver::Config& config,
                                           int fd, file::Disk* disk) {
  return std::make_unique<SessionShell<StreamReceiverCore>>(now, config, fd,
                                                            disk);
}

}  // namespace p2pcp

#include "transfer/session/sender.h"

#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "net/base/check.h"
#include "transfer/connection/byte_space.h"
#include "transfer/connection/send_limits.h"
#include "transfer/file/manifest.h"
#include "transfer/file/source.h"
#include "transfer/session/endpoint.h"
#include "transfer/session/messages.h"

namespace p2pcp {

class Sender::Core final : private ByteSource, public Endpoint {
 public:
  Core(TimePoint now, const Config& config, const file::SourceList* sources,
       file::Disk* disk);

  Progress progress() const;

 private:
  enum class FileState : std::uint8_t { kOpen, kDone, kKeptBack, kDamaged };

  // ByteSource
  ByteSpan Read(StreamOffset offset, std::size_t max_size) override;
  // Endpoint
  void HandleMessage(TimePoint now, const message::Message& message) override;
  void Advance(TimePoint now) override;
  bool HasNews() const override;
  void TakeDisk() override;
  std::optional<Duration> Patience() const override;
  std::uint64_t Progressed() const override {
    return connection().stats().data_bytes_acknowledged;
  }
  void HandleOver() override {}
  std::uint64_t completed_files() const override { return done_; }
  std::uint64_t completed_bytes() const override { return wanted_bytes_; }

  void SendEntries();
  // Each returns what is wrong with the message, nullptr if nothing is.
  const char* Handle(const message::KeepBack& message);
  const char* HandleAccept(TimePoint now);
  const char* Handle(const message::FileDone& message);
  const char* Handle(const message::FileFailed& message);
  const char* HandleDone(TimePoint now, const message::Done& message);
  // What limited the transfer, which is over.
  TransferReport Report(TimePoint now,
                        const std::optional<ReceiverReport>& receiver);

  const file::SourceList& sources_;
  file::Source source_;
  bool accepted_ = false;
  std::size_t next_entry_ = 0;  // The first that has not been sent.
  std::vector<FileState> states_;
  std::vector<std::optional<file::Digest>> digests_;  // Those told.
  std::size_t wanted_files_ = 0;
  std::uint64_t wanted_bytes_ = 0;
  std::size_t done_ = 0;
  std::size_t kept_back_ = 0;
  std::size_t damaged_ = 0;
};

namespace {

Connection::Config ConnectionConfig(const Sender::Config& config) {
  Connection::Config result;
  result.max_payload = config.max_payload;
  result.congestion = config.congestion;
  result.initial_rtt = config.initial_rtt;
  result.tracer = config.tracer;
  result.rate_limit = config.rate_limit;
  result.packet_overhead = config.packet_overhead;
  return result;
}

}  // namespace

Sender::Core::Core(TimePoint now, const Config& config,
                   const file::SourceList* sources, file::Disk* disk)
    : Endpoint(now, ConnectionConfig(config), disk, config.load, this, nullptr),
      sources_(*sources),
      source_(sources, Endpoint::disk()),
      states_(sources->files.size(), FileState::kOpen),
      digests_(sources->files.size()) {
  // The offer does not wait for the greeting: it has the same form in all
  // versions.
  Send(message::Offer{sources_.manifest.size(), sources_.manifest.total()});
  SendEntries();
}

ByteSpan Sender::Core::Read(StreamOffset offset, std::size_t max_size) {
  return source_.Read(offset.value(), max_size);
}

void Sender::Core::SendEntries() {
  const file::Manifest& manifest = sources_.manifest;
  while (next_entry_ < manifest.size()) {
    const std::size_t room = SendRoom();
    message::Entries entries{next_entry_, {}};
    std::size_t size = message::kEntriesOverhead;
    while (next_entry_ < manifest.size()) {
      size += message::EntrySize(manifest[next_entry_]);
      if (size > room) break;
      entries.entries.push_back(manifest[next_entry_]);
      ++next_entry_;
    }
    if (entries.entries.empty()) return;
    Send(entries);
  }
}

void Sender::Core::Advance(TimePoint now) {
  SendEntries();
  if (!accepted_) return;
  while (SendRoom() >= message::kMaxSmall) {
    const auto digest = source_.PollDigest();
    if (!digest) break;
    digests_[digest->index] = digest->digest;
    Send(message::FileDigest{digest->index, digest->digest});
  }
  if (source_.TakeReady()) connection().OnSourceReady();
  if (source_.error()) Fail(now, *source_.error());
}

bool Sender::Core::HasNews() const {
  return accepted_ && (source_.error() || (source_.has_digest() &&
                                           SendRoom() >= message::kMaxSmall));
}

std::optional<Duration> Sender::Core::Patience() const {
  if (!greeted()) return kOfferPatience;
  // The other side's user is being asked; and at the end its disk is what is
  // waited for, which may be reading everything back.
  if (!accepted_ || Progressed() >= wanted_bytes_) return std::nullopt;
  return kTransferPatience;
}

void Sender::Core::TakeDisk() { source_.HandleDisk(); }

void Sender::Core::HandleMessage(TimePoint now,
                                 const message::Message& message) {
  const char* wrong = nullptr;
  if (const auto* keep_back = std::get_if<message::KeepBack>(&message)) {
    wrong = Handle(*keep_back);
  } else if (std::holds_alternative<message::Accept>(message)) {
    wrong = HandleAccept(now);
  } else if (const auto* decline = std::get_if<message::Decline>(&message)) {
    if (accepted_) {
      wrong = "it declines what it has accepted";
    } else {
      Settle(now, PeerError(decline->reason, /*peer_is_receiver=*/true),
             Duration::zero());
    }
  } else if (const auto* done = std::get_if<message::FileDone>(&message)) {
    wrong = Handle(*done);
  } else if (const auto* failed = std::get_if<message::FileFailed>(&message)) {
    wrong = Handle(*failed);
  } else if (const auto* all = std::get_if<message::Done>(&message)) {
    wrong = HandleDone(now, *all);
  } else {
    wrong = "a message is not for a sender";
  }
  if (wrong != nullptr) FailViolation(now, wrong);
}

const char* Sender::Core::Handle(const message::KeepBack& message) {
  if (accepted_ || next_entry_ < states_.size())
    return "it keeps back too late";
  for (const message::KeepBack::Run& run : message.runs) {
    if (run.first >= states_.size() || run.count > states_.size() - run.first) {
      return "it keeps back what is not offered";
    }
    for (std::uint64_t i = run.first; i < run.first + run.count; ++i) {
      const auto index = static_cast<std::size_t>(i);
      if (states_[index] != FileState::kOpen) return "it keeps back twice";
      states_[index] = FileState::kKeptBack;
      ++kept_back_;
      const std::string& name = sources_.manifest[index].name;
      Emit(p2pcp::FileFailed{index, name,
                             Error{ErrorCode::kKeptBack,
                                   name + " was kept back by the receiver"}});
    }
  }
  return nullptr;
}

const char* Sender::Core::HandleAccept(TimePoint now) {
  if (accepted_ || next_entry_ < states_.size()) return "it accepts too early";
  accepted_ = true;
  const file::Manifest& manifest = sources_.manifest;
  std::vector<bool> unwanted(states_.size());
  for (std::size_t i = 0; i < states_.size(); ++i) {
    unwanted[i] = states_[i] == FileState::kKeptBack;
    if (unwanted[i]) continue;
    ++wanted_files_;
    wanted_bytes_ += manifest[i].size;
  }
  Emit(Started{wanted_files_, wanted_bytes_});
  machine().Start(now);
  // Runs of wanted files.
  for (std::size_t i = 0; i < states_.size();) {
    std::size_t end = i;
    while (end < states_.size() && !unwanted[end]) ++end;
    if (end > i && manifest.Begin(i) < manifest.End(end - 1)) {
      connection().OfferBytes(StreamOffset(manifest.Begin(i)),
                              StreamOffset(manifest.End(end - 1)));
    }
    i = end + 1;
  }
  source_.Start(std::move(unwanted));
  return nullptr;
}

const char* Sender::Core::Handle(const message::FileDone& message) {
  if (message.index >= states_.size()) return "it has what is not offered";
  const auto index = static_cast<std::size_t>(message.index);
  // Nobody can have verified what has not been told.
  if (states_[index] != FileState::kOpen || !digests_[index]) {
    return "it has a file too early or twice";
  }
  if (*digests_[index] != message.digest) return "it verified another digest";
  states_[index] = FileState::kDone;
  ++done_;
  const file::Entry& entry = sources_.manifest[index];
  Emit(p2pcp::FileDone{index, entry.name, {}, entry.size, message.digest});
  return nullptr;
}

const char* Sender::Core::Handle(const message::FileFailed& message) {
  if (message.index >= states_.size()) return "it lacks what is not offered";
  const auto index = static_cast<std::size_t>(message.index);
  if (states_[index] != FileState::kOpen || !digests_[index]) {
    return "it failed with a file too early or twice";
  }
  const std::string& name = sources_.manifest[index].name;
  if (message.reason == message::Reason::kIntegrity) {
    states_[index] = FileState::kDamaged;
    ++damaged_;
    Emit(p2pcp::FileFailed{
        index, name, Error{ErrorCode::kIntegrity, name + " arrived damaged"}});
  } else {
    states_[index] = FileState::kKeptBack;
    ++kept_back_;
    Emit(p2pcp::FileFailed{
        index, name,
        Error{ErrorCode::kKeptBack, name + " was kept back by the receiver"}});
  }
  return nullptr;
}

const char* Sender::Core::HandleDone(TimePoint now,
                                     const message::Done& message) {
  if (!accepted_ || done_ + kept_back_ + damaged_ != states_.size() ||
      message.files_done != done_) {
    return "it is done too early";
  }
  const bool reports = version() >= message::kReportsVersion;
  if (message.report.has_value() != reports) {
    return "its last message has the form of another version";
  }
  const TransferReport report = Report(now, message.report);
  SetReport(report);
  message::Finished finished;
  if (reports) finished.report = report;
  Send(finished);
  Settle(now, UnfinishedError(states_.size(), kept_back_, damaged_), Linger());
  return nullptr;
}

TransferReport Sender::Core::Report(
    TimePoint now, const std::optional<ReceiverReport>& receiver) {
  const ConnectionStats& stats = connection().stats();
  const SendLimits& limits = connection().send_limits();
  TransferReport report;
  report.packets_sent = stats.packets_sent;
  report.packets_lost = stats.packets_lost - stats.packets_spuriously_lost;
  report.smoothed_rtt = stats.smoothed_rtt;
  report.min_rtt = stats.min_rtt;
  report.data_bytes_sent = stats.data_bytes_sent;
  report.data_bytes_retransmitted = stats.data_bytes_retransmitted;

  SenderFacts facts;
  facts.machine = machine().Report(now);
  facts.sending = limits.Spent(now, SendLimit::kSending);
  facts.path = limits.Spent(now, SendLimit::kPath);
  facts.credit = limits.Spent(now, SendLimit::kCredit);
  facts.source = limits.Spent(now, SendLimit::kSource);
  facts.rate_limit = limits.Spent(now, SendLimit::kRateLimit);
  // The receiver's word takes a round trip however fast it is.
  facts.finishing =
      limits.Spent(now, SendLimit::kFinished) - stats.smoothed_rtt;
  facts.packets_sent = report.packets_sent;
  facts.packets_lost = report.packets_lost;
  if (wanted_bytes_ > 0) report.bottleneck = Judge(facts, receiver);
  return report;
}

Progress Sender::Core::progress() const {
  Progress progress;
  progress.files_done = done_;
  progress.files_total = accepted_ ? wanted_files_ : states_.size();
  progress.bytes_total = accepted_ ? wanted_bytes_ : sources_.manifest.total();
  progress.bytes_done = connection().stats().data_bytes_acknowledged;
  for (std::size_t i = 0; i < states_.size(); ++i) {
    if (states_[i] != FileState::kOpen) continue;
    progress.current_file = sources_.manifest[i].name;
    break;
  }
  if (state() == State::kOver) {
    progress.phase = Progress::Phase::kOver;
  } else if (!greeted()) {
    progress.phase = Progress::Phase::kGreeting;
  } else if (!accepted_) {
    progress.phase = next_entry_ < states_.size() ? Progress::Phase::kOffering
                                                  : Progress::Phase::kDeciding;
  } else if (progress.bytes_done < wanted_bytes_) {
    progress.phase = Progress::Phase::kTransferring;
  } else {
    progress.phase = Progress::Phase::kFinishing;
  }
  return progress;
}

// --- Sender ---

Sender::Sender(TimePoint now, const Config& config,
               const file::SourceList* sources, file::Disk* disk)
    : core_(std::make_unique<Core>(now, config, sources, disk)) {}
Sender::~Sender() = default;

void Sender::HandlePacket(TimePoint now, PacketNumber number,
                          ByteSpan payload) {
  core_->HandlePacket(now, number, payload);
}
void Sender::HandleTimeout(TimePoint now) { core_->HandleTimeout(now); }
void Sender::HandleDisk(TimePoint now) { core_->HandleDisk(now); }
void Sender::HandlePathChange(TimePoint now, std::size_t max_payload) {
  core_->HandlePathChange(now, max_payload);
}
void Sender::SetMaxPayload(std::size_t max_payload) {
  core_->connection().SetMaxPayload(max_payload);
}
void Sender::HandleChannelLost(TimePoint now) { core_->HandleChannelLost(now); }
std::optional<Connection::Packet> Sender::PollTransmit(TimePoint now,
                                                       PacketNumber number,
                                                       MutableByteSpan out) {
  return core_->PollTransmit(now, number, out);
}
std::optional<TimePoint> Sender::PollTimeout() const {
  return core_->PollTimeout();
}
std::optional<SessionEvent> Sender::PollEvent() { return core_->PollEvent(); }
void Sender::Cancel(TimePoint now, Error reason) {
  core_->Cancel(now, std::move(reason));
}
Progress Sender::progress() const { return core_->progress(); }
const ConnectionStats& Sender::stats() const {
  return std::as_const(*core_).connection().stats();
}
void Sender::SetSocketDrops(std::uint64_t total) {
  core_->connection().SetSocketDrops(total);
}

}  // namespace p2pcp

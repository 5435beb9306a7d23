// The list, the bytes and their digests; what the receiver says to them is in
// sender_replies.cc.

#include "transfer/session/sender_core.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "net/base/result.h"
#include "transfer/connection/connection.h"
#include "transfer/connection/send_limits.h"
#include "transfer/file/entry.h"
#include "transfer/session/limits.h"
#include "transfer/session/sender_facts.h"

namespace p2pcp {

namespace {

// Entries that one job looks for.
constexpr std::size_t kScanBatch = 512;
// Digests and runs in one message: 14 KiB of them at most.
constexpr std::size_t kDigestsPerMessage = 512;
constexpr std::size_t kRunsPerMessage = 512;

}  // namespace

Sender::Core::Core(TimePoint now, const Config& config, file::SourceTree* tree,
                   file::Disk* disk)
    : Endpoint(now, SenderConnectionConfig(config), disk, config.load, this,
               nullptr),
      tree_(*tree),
      may_be_early_(config.early && config.rate_limit == 0),
      source_(Endpoint::disk()),
      receipt_(config.receipt) {
  SetToldFiles(config.told_files);
  tree_.Restart();
  // The list does not wait for the greeting.
  message::Offer offer;
  if (receipt_ != nullptr) {
    offer.receipt = receipt_->Begin();
    Endpoint::disk()->UseStrongDigests(receipt_->hashers());
  }
  Send(offer);
  Scan();
}

ByteSpan Sender::Core::Read(StreamOffset offset, std::size_t max_size) {
  return source_.Read(offset.value(), max_size);
}

// --- The list ---

void Sender::Core::Scan() {
  if (scanning_ || batch_.end || batch_next_ < batch_.items.size() ||
      disk()->room() == 0) {
    return;
  }
  batch_.Clear();
  batch_next_ = 0;
  scanning_ = true;
  file::Job job;
  job.kind = file::Job::Kind::kScan;
  job.tree = &tree_;
  job.batch = &batch_;
  job.size = kScanBatch;
  disk()->Submit(job);
}

// What was met on the way and is not sent.
void Sender::Core::TakeNotes() {
  for (file::ScanNote& note : batch_.notes) {
    if (note.kind == file::ScanNote::Kind::kUnreadable) {
      ++unreadable_;
    } else if (note.counts()) {
      ++left_out_;
    }
    Emit(LeftOut{std::move(note.path), std::move(note.error), note.counts()});
  }
  batch_.notes.clear();
}

void Sender::Core::SendEntries() {
  if (scanning_ || ended_) return;
  while (batch_next_ < batch_.items.size()) {
    const std::size_t room = SendRoom();
    message::Entries entries{end(), {}};
    std::size_t size = message::kEntriesOverhead;
    while (batch_next_ < batch_.items.size() && open_ < kMaxOpenEntries &&
           name_bytes_ < kMaxOpenNameBytes) {
      file::ScanItem& found = batch_.items[batch_next_];
      size += message::EntrySize(found.entry);
      if (size > room) break;
      ++batch_next_;
      Item item;
      item.is_folder = found.entry.is_folder();
      if (!item.is_folder) {
        ++files_;
        bytes_ += found.entry.size;
      }
      name_bytes_ += found.source.path.size();
      item.source =
          std::make_shared<const file::SourceFile>(std::move(found.source));
      items_.push_back(std::move(item));
      ++open_;
      entries.entries.push_back(std::move(found.entry));
    }
    if (entries.entries.empty()) return;
    Send(entries);
    ReadEarly();
  }
  if (!batch_.end) return Scan();
  if (SendRoom() < message::kMaxSmall) return;
  ended_ = true;
  Send(message::End{end(), bytes_, unreadable_, left_out_});
}

// --- Turns ---

void Sender::Core::TakeDisk() {
  while (std::optional<file::Completion> done = disk()->Poll()) {
    if (done->kind == file::Job::Kind::kScan) {
      scanning_ = false;
      TakeNotes();
    } else if (!early_.Handle(*done)) {
      source_.Handle(*std::move(done));
    }
  }
  source_.Advance();
}

void Sender::Core::Advance(TimePoint now) {
  SendEntries();
  SendEarly();
  TakeSourceEvents();
  // There is room for what it finds.
  if (deltas_) source_.Advance();
  if (bytes_ > file::kMaxTotal) {
    return Fail(now,
                Error{ErrorCode::kUsage, "the files are too large together"});
  }
  if (hole_bytes_ > file::kMaxHoleBytes) {
    return Fail(now, Error{ErrorCode::kUsage,
                           "the holes in the files are too large together"});
  }
  if (source_.TakeReady()) connection().OnSourceReady();
}

bool Sender::Core::HasNews() const {
  return source_.has_event() && SendRoom() >= message::kMaxSmall;
}

std::optional<Duration> Sender::Core::Patience() const {
  if (!greeted()) return kOfferPatience;
  // The other side's user is being asked; and where nothing is under way its
  // disk is what is waited for, which may be reading everything back.
  if (!accepted_ || Progressed() >= wanted_bytes_) return std::nullopt;
  // It goes into a pipe, whose reader may take his time.
  if (in_order_) return std::nullopt;
  return kTransferPatience;
}

void Sender::Core::TakeSourceEvents() {
  using Kind = file::Source::Event::Kind;
  while (SendRoom() >= message::kMaxSmall) {
    const std::optional<file::Source::Event> event = source_.PollEvent();
    if (!event) break;
    if (!IsOpen(event->id)) continue;
    Item& item = At(event->id);
    if (item.failed) continue;
    switch (event->kind) {
      case Kind::kDigest:
        FlushHoles();
        FlushCopies();
        item.digest = event->digest;
        item.has_digest = true;
        if (!digests_.digests.empty() &&
            digests_.digests.back().index >= event->id) {
          FlushDigests();
        }
        digests_.digests.push_back({event->id, event->digest});
        if (digests_.digests.size() == kDigestsPerMessage) FlushDigests();
        break;
      case Kind::kFailed:
        FailSource(*event);
        break;
      case Kind::kHole: {
        if (!holes_.runs.empty() && (holes_.index != event->id ||
                                     holes_.runs.size() == kRunsPerMessage)) {
          FlushHoles();
        }
        holes_.index = event->id;
        holes_.runs.push_back({event->begin, event->end - event->begin});
        hole_bytes_ += event->end - event->begin;
        const std::uint64_t begin = source_.Begin(item.piece);
        connection().SkipBytes(StreamOffset(begin + event->begin),
                               StreamOffset(begin + event->end));
        break;
      }
      case Kind::kData: {
        const std::uint64_t begin = source_.Begin(item.piece);
        wanted_bytes_ += event->end - event->begin;
        Offer(begin + event->begin, begin + event->end);
        break;
      }
      case Kind::kCopy:
        AddCopy(*event);
        break;
      case Kind::kSignatures:
        WantSignatures(*event);
        break;
      case Kind::kBlock:
        Send(message::BlockDigests{event->id,
                                   event->begin / file::Source::kBlockBytes,
                                   {event->digest}});
        break;
    }
  }
  FlushHoles();
  FlushCopies();
  FlushDigests();
  FlushOffer();
}

void Sender::Core::FlushDigests() {
  if (digests_.digests.empty()) return;
  Send(digests_);
  digests_.digests.clear();
}

void Sender::Core::FlushHoles() {
  if (holes_.runs.empty()) return;
  Send(holes_);
  holes_.runs.clear();
}

// What lies together is offered together.
void Sender::Core::Offer(std::uint64_t begin, std::uint64_t end) {
  if (begin == end) return;
  if (begin != offer_end_) {
    FlushOffer();
    offer_begin_ = begin;
  }
  offer_end_ = end;
}

void Sender::Core::FlushOffer() {
  if (offer_begin_ < offer_end_) {
    connection().OfferBytes(StreamOffset(offer_begin_),
                            StreamOffset(offer_end_));
  }
  offer_begin_ = offer_end_;
}

// It can't be read: the receiver is told, and gives it up.
void Sender::Core::FailSource(const file::Source::Event& event) {
  FlushHoles();
  FlushCopies();
  FlushDigests();
  FlushOffer();
  Item& item = At(event.id);
  item.failed = true;
  std::uint64_t charged = 0;
  if (item.state == Item::State::kWanted) {
    const std::uint64_t begin = source_.Begin(item.piece);
    charged = connection().SkipBytes(StreamOffset(begin),
                                     StreamOffset(begin + item.source->size));
  }
  Send(message::SourceFailed{event.id, charged});
  Emit(p2pcp::FileFailed{event.id, item.source->name(), *event.error});
}

Progress Sender::Core::progress() const {
  Progress progress;
  progress.files_done = files_done_;
  progress.files_total = files_ - not_sent_files_;
  progress.bytes_total = bytes_ - not_sent_bytes_;
  progress.bytes_done =
      std::min(connection().stats().data_bytes_acknowledged + hole_bytes_ +
                   had_bytes_ + savings_.copied_bytes,
               progress.bytes_total);
  progress.complete = ended_;
  for (std::size_t i = 0; i < items_.size(); ++i) {
    const Item& item = items_[i];
    if (item.is_folder || item.state == Item::State::kSettled) continue;
    progress.current_file = item.source->name();
    progress.current_bytes_total = item.source->size;
    if (item.state == Item::State::kWanted) {
      const std::uint64_t begin = source_.Begin(item.piece);
      progress.current_bytes_done =
          connection().AckedIn(begin, begin + item.source->size);
    }
    break;
  }
  if (state() == State::kOver) {
    progress.phase = Progress::Phase::kOver;
  } else if (!greeted()) {
    progress.phase = Progress::Phase::kGreeting;
  } else if (!accepted_) {
    progress.phase = ended_ || open_ >= kMaxAskedEntries
                         ? Progress::Phase::kDeciding
                         : Progress::Phase::kOffering;
  } else if (!ended_ || progress.bytes_done < progress.bytes_total) {
    progress.phase = Progress::Phase::kTransferring;
  } else {
    progress.phase = Progress::Phase::kFinishing;
  }
  return progress;
}

}  // namespace p2pcp

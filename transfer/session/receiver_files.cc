// What becomes of the files of a receiver.

#include <algorithm>
#include <utility>

#include "transfer/connection/connection.h"
#include "transfer/file/entry.h"
#include "transfer/session/receiver_core.h"

namespace p2pcp {

namespace {

// Runs or parts in one message: 8 KiB of them at most.
constexpr std::size_t kRunsPerMessage = 512;

}  // namespace

const char* Receiver::Core::Handle(const message::Digests& message) {
  for (const message::Digests::Told& told : message.digests) {
    if (!intake_.IsOpen(told.index)) {
      return "a digest is for no file, or comes too late";
    }
    const Item& item = intake_[told.index];
    const bool fits = item.is_folder ? false
                      : item.verdict == file::Verdict::kWant
                          ? sink_.ExpectDigest(item.piece, told.digest)
                          : intake_.ExpectDigest(told.index, told.digest);
    if (!fits) return "a digest is for no file, or for one that has another";
  }
  return nullptr;
}

const char* Receiver::Core::Handle(const message::SourceFailed& message) {
  if (message.index >= decided_) return "what was not wanted has failed";
  if (!intake_.IsOpen(message.index)) return nullptr;  // It was faster.
  const Item& item = intake_[message.index];
  if (item.is_folder) return "a folder has failed";
  if (item.verdict == file::Verdict::kCompare) {
    return intake_.FailSource(message.index) ? nullptr : "a file fails twice";
  }
  const StreamOffset begin(sink_.Begin(item.piece));
  if (!connection().SkipReceived(begin, begin + item.size, message.charged)) {
    return "a file that failed had other bytes";
  }
  sink_.Drop(item.piece);
  // Once it has its name it stays.
  if (sink_.IsOpen(item.piece)) return nullptr;
  FailFile(message.index,
           Error{ErrorCode::kSourceUnreadable,
                 intake_.PathOf(message.index) +
                     " could not be read by the sender, or changed"});
  return nullptr;
}

const char* Receiver::Core::Handle(TimePoint now,
                                   const message::Holes& message) {
  if (!intake_.IsOpen(message.index)) return nullptr;
  const Item& item = intake_[message.index];
  if (item.verdict != file::Verdict::kWant || item.is_folder ||
      !item.output.sparse) {
    return "a file has holes that has none";
  }
  const std::uint64_t begin = sink_.Begin(item.piece);
  for (const message::Run& run : message.runs) {
    if (run.first > item.size || run.count > item.size - run.first) {
      return "a hole lies outside of its file";
    }
    hole_bytes_ += run.count;
    if (hole_bytes_ > file::kMaxHoleBytes) {
      Refuse(now, message::Reason::kRefused,
             Error{ErrorCode::kMalformed,
                   "the sender's files have more than 4 TiB of holes"});
      return nullptr;
    }
    const std::uint64_t end = run.first + run.count;
    if (!sink_.AddHole(item.piece, run.first, end) ||
        !connection().SkipReceived(StreamOffset(begin + run.first),
                                   StreamOffset(begin + end), 0)) {
      return "a hole lies where bytes came, or there are too many";
    }
  }
  return nullptr;
}

void Receiver::Core::TakeSinkEvent(TimePoint now, file::Sink::Event event) {
  using Kind = file::Sink::Event::Kind;
  switch (event.kind) {
    case Kind::kFileDone:
      return FileIsDone(event.id, event.final_name, event.digest,
                        /*was_there=*/false);
    case Kind::kFileFailed:
      return FailFile(event.id, *std::move(event.error));
    case Kind::kCheckBlocks:
      return Send(message::CheckBlocks{event.id});
    case Kind::kSignatures:
      return TellSignatures(std::move(event));
    case Kind::kRepair:
      return AskForRepair(event.id, event.blocks);
    case Kind::kFailed:
      return Fail(now, *std::move(event.error));
  }
}

const char* Receiver::Core::Handle(const message::BlockDigests& message) {
  if (!intake_.IsOpen(message.index)) return nullptr;
  const Item& item = intake_[message.index];
  if (item.verdict != file::Verdict::kWant || item.is_folder ||
      !sink_.ExpectBlocks(item.piece, message.first, message.digests)) {
    return "digests of blocks that nobody has asked for";
  }
  return nullptr;
}

// Blocks in order.
void Receiver::Core::AskForRepair(std::uint64_t index,
                                  const std::vector<std::uint64_t>& blocks) {
  const Item& item = intake_[index];
  const std::uint64_t begin = sink_.Begin(item.piece);
  message::Repair message{index, {}};
  for (const std::uint64_t block : blocks) {
    const std::uint64_t from = block * file::Sink::kBlockBytes;
    const std::uint64_t to =
        std::min(item.size, from + file::Sink::kBlockBytes);
    connection().ForgetBytes(StreamOffset(begin + from),
                             StreamOffset(begin + to));
    if (!message.runs.empty() &&
        message.runs.back().first + message.runs.back().count == block) {
      ++message.runs.back().count;
      continue;
    }
    if (message.runs.size() == kRunsPerMessage) {
      Send(message);
      message.runs.clear();
    }
    message.runs.push_back({block, 1});
  }
  Send(message);
}

void Receiver::Core::FileIsDone(std::uint64_t index,
                                const std::string& final_name,
                                const file::Digest& digest, bool was_there) {
  const Item& item = intake_[index];
  ++entries_done_;
  ++files_done_;
  if (!was_there) done_bytes_ += item.size;
  if (TellsFile()) {
    const file::FolderPath& folder = item.output.folder;
    Emit(p2pcp::FileDone{
        index, intake_.PathOf(index),
        folder == nullptr ? final_name : *folder + '/' + final_name, item.size,
        digest, was_there});
  }
  if (receipt_ != nullptr) {
    AddFileToReceipt(index, digest);
  } else {
    done_.push_back(index);
  }
  intake_.Settle(index);
}

void Receiver::Core::FailFile(std::uint64_t index, Error error) {
  // What was done before is told before.
  FlushDone();
  ++not_sent_files_;
  switch (error.code) {
    case ErrorCode::kIntegrity:
      ++shortfall_.damaged;
      break;
    case ErrorCode::kSourceUnreadable:
      ++shortfall_.unreadable;
      break;
    default:
      ++shortfall_.kept_back;
      break;
  }
  Send(message::FileFailed{index, ReasonFor(error)});
  Emit(p2pcp::FileFailed{index, intake_.PathOf(index), std::move(error)});
  intake_.Settle(index);
}

// Tells what is done: in order, and what lies together as one.
void Receiver::Core::FlushDone() {
  if (receipt_ != nullptr) return FlushReceived();
  std::sort(done_.begin(), done_.end());
  message::FilesDone message;
  for (const std::uint64_t index : done_) {
    if (!message.runs.empty()) {
      message::Run& last = message.runs.back();
      if (last.first + last.count == index) {
        ++last.count;
        continue;
      }
      if (message.runs.size() == kRunsPerMessage) {
        Send(message);
        message.runs.clear();
      }
    }
    message.runs.push_back({index, 1});
  }
  if (!message.runs.empty()) Send(message);
  done_.clear();
}

Progress Receiver::Core::progress() const {
  Progress progress;
  const file::EntryChecker& offered = intake_.checker();
  progress.files_done = files_done_;
  progress.files_total = offered.files() - not_sent_files_;
  progress.bytes_total = offered.total() - not_sent_bytes_;
  progress.bytes_done = std::min(sink_.written_bytes(), progress.bytes_total);
  progress.complete = end_.has_value();
  for (std::uint64_t i = intake_.begin(); i < intake_.end(); ++i) {
    if (intake_[i].is_folder || intake_[i].state == Item::State::kSettled) {
      continue;
    }
    progress.current_file = intake_.PathOf(i);
    progress.current_bytes_total = intake_[i].size;
    progress.current_bytes_done = sink_.WrittenOf(i, intake_[i].piece);
    break;
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
    case Phase::kChecking:
      progress.phase = Progress::Phase::kChecking;
      break;
    case Phase::kTransferring:
      progress.phase = !end_ || progress.bytes_done < progress.bytes_total
                           ? Progress::Phase::kTransferring
                           : Progress::Phase::kFinishing;
      break;
  }
  if (state() == State::kOver) progress.phase = Progress::Phase::kOver;
  return progress;
}

}  // namespace p2pcp

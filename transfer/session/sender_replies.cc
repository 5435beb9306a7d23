// What a receiver says to a sender.

#include <algorithm>
#include <cstdint>
#include <string>
#include <variant>

#include "net/base/result.h"
#include "transfer/connection/connection.h"
#include "transfer/file/intake.h"
#include "transfer/file/sink.h"
#include "transfer/session/limits.h"
#include "transfer/session/sender_core.h"
#include "transfer/session/sender_facts.h"

namespace p2pcp {

void Sender::Core::HandleMessage(TimePoint now,
                                 const message::Message& message) {
  const char* wrong = nullptr;
  if (const auto* decisions = std::get_if<message::Decisions>(&message)) {
    wrong = Handle(*decisions);
  } else if (const auto* accept = std::get_if<message::Accept>(&message)) {
    wrong = HandleAccept(now, *accept);
  } else if (const auto* decline = std::get_if<message::Decline>(&message)) {
    if (accepted_) {
      wrong = "it declines what it has accepted";
    } else {
      Endpoint::Settle(now,
                       PeerError(decline->reason, /*peer_is_receiver=*/true),
                       Duration::zero());
    }
  } else if (const auto* done = std::get_if<message::FilesDone>(&message)) {
    wrong = Handle(*done);
  } else if (const auto* received = std::get_if<message::Received>(&message)) {
    wrong = Handle(now, *received);
  } else if (const auto* receipt = std::get_if<message::Receipt>(&message)) {
    wrong = Handle(*receipt);
  } else if (const auto* failed = std::get_if<message::FileFailed>(&message)) {
    wrong = Handle(*failed);
  } else if (const auto* have = std::get_if<message::Have>(&message)) {
    wrong = Handle(*have);
  } else if (const auto* want = std::get_if<message::Want>(&message)) {
    wrong = Handle(*want);
  } else if (const auto* signatures =
                 std::get_if<message::Signatures>(&message)) {
    wrong = Handle(*signatures);
  } else if (const auto* check = std::get_if<message::CheckBlocks>(&message)) {
    wrong = Handle(*check);
  } else if (const auto* repair = std::get_if<message::Repair>(&message)) {
    wrong = Handle(*repair);
  } else if (const auto* all = std::get_if<message::Done>(&message)) {
    wrong = HandleDone(now, *all);
  } else {
    wrong = "a message is not for a sender";
  }
  if (wrong != nullptr) FailViolation(now, wrong);
}

const char* Sender::Core::HandleAccept(TimePoint now,
                                       const message::Accept& message) {
  if (accepted_) return "it accepts twice";
  accepted_ = true;
  in_order_ = message.in_order;
  Emit(Started{files_, bytes_, ended_, in_order_});
  machine().Start(now);
  return nullptr;
}

void Sender::Core::Start(Item& item, std::uint64_t index,
                         file::Source::Mode mode) {
  item.has_digest = false;
  if (in_order_ && item.source->sparse) {
    auto dense = std::make_shared<file::SourceFile>(*item.source);
    dense->sparse = false;
    item.source = std::move(dense);
  }
  const bool sending = mode == file::Source::Mode::kSend;
  item.piece = source_.Add(index, item.source, mode, item.had,
                           sending ? item.base_size : 0);
  if (!sending) {
    item.state = Item::State::kCompared;
    return;
  }
  item.state = Item::State::kWanted;
  // The others are offered as their holes are found, and their copies.
  const bool known = !item.source->sparse && item.base_size == 0;
  const std::uint64_t begin = source_.Begin(item.piece);
  if (known) wanted_bytes_ += item.source->size;
  std::uint64_t at = 0;  // Not had, from here on.
  for (const file::Interval& had : item.had) {
    if (known) Offer(begin + at, begin + had.begin);
    connection().SkipBytes(StreamOffset(begin + had.begin),
                           StreamOffset(begin + had.end));
    had_bytes_ += had.size();
    if (known) wanted_bytes_ -= had.size();
    at = had.end;
  }
  if (known) Offer(begin + at, begin + item.source->size);
}

const char* Sender::Core::Handle(const message::Have& message) {
  if (!accepted_ || message.index < decided_ || message.index >= end()) {
    return "it has a part of what is not offered, or decided on";
  }
  Item& item = At(message.index);
  had_runs_ += message.runs.size();
  // One of those that are counted may be what came early.
  if (item.is_folder || !item.had.empty() || had_runs_ > kMaxHaveRuns + 1) {
    return "it has a part of a folder, or too many parts";
  }
  const std::uint64_t size = item.source->size;
  std::uint64_t bytes = 0;
  for (const message::Run& run : message.runs) {
    // Of what has holes besides, only the beginning can be told.
    if (run.first > size || run.count > size - run.first ||
        (item.source->sparse && run.first > 0)) {
      return "it has a part that no file has";
    }
    item.had.push_back({run.first, run.first + run.count});
    bytes += run.count;
  }
  Emit(Resumed{message.index, item.source->name(), bytes, size});
  return nullptr;
}

const char* Sender::Core::Handle(const message::Decisions& message) {
  if (!accepted_) return "it decides before it accepts";
  if (message.first != decided_) return "its decisions are in disorder";
  for (const message::Decisions::Part& part : message.parts) {
    if (part.count > end() - decided_) return "it decides on what is not there";
    for (std::uint64_t i = 0; i < part.count; ++i) {
      const std::uint64_t index = decided_++;
      Item& item = At(index);
      const std::uint64_t size = item.is_folder ? 0 : item.source->size;
      switch (part.verdict) {
        case file::Verdict::kWant:
          if (!item.is_folder) {
            CountEarly(item, index);
            Start(item, index, file::Source::Mode::kSend);
            continue;
          }
          ++entries_done_;
          if (receipt_ != nullptr) receipt_->AddFolder(item.source->name());
          break;
        case file::Verdict::kCompare:
          if (item.is_folder) return "it compares a folder";
          Start(item, index, file::Source::Mode::kDigest);
          continue;
        case file::Verdict::kKeepBack:
          ++shortfall_.kept_back;
          if (!item.is_folder) ++not_sent_files_;
          not_sent_bytes_ += size;
          Emit(p2pcp::FileFailed{
              index, item.source->name(),
              Error{ErrorCode::kKeptBack,
                    item.source->name() + " was kept back by the receiver"}});
          break;
        case file::Verdict::kHave:
          if (item.is_folder) return "it has a folder already";
          if (receipt_ != nullptr) return "it has what is not in the receipt";
          ++entries_done_;
          ++files_done_;
          not_sent_bytes_ += size;
          if (TellsFile()) {
            Emit(p2pcp::FileDone{
                index, item.source->name(), {}, size, {}, true});
          }
          break;
      }
      Settle(index);
    }
  }
  FlushOffer();
  source_.Advance();
  return nullptr;
}

const char* Sender::Core::Handle(const message::FilesDone& message) {
  if (receipt_ != nullptr) return "it has what is not in the receipt";
  for (const message::Run& run : message.runs) {
    if (run.count > kMaxOpenEntries) return "it has more than is offered";
    for (std::uint64_t i = 0; i < run.count; ++i) {
      const std::uint64_t index = run.first + i;
      // Nobody can have verified what has not been told.
      if (!IsOpen(index) || !At(index).has_digest) {
        return "it has a file too early or twice";
      }
      SetDone(index);
    }
  }
  return nullptr;
}

const char* Sender::Core::Handle(TimePoint now,
                                 const message::Received& message) {
  if (receipt_ == nullptr || has_receipt_) return "nobody wants its receipt";
  for (const message::Received::Told& told : message.files) {
    if (!IsOpen(told.index) || !At(told.index).has_digest) {
      return "it has a file too early or twice";
    }
    const Item& item = At(told.index);
    if (item.digest.strong != told.digest) {
      Fail(now, Error{ErrorCode::kIntegrity,
                      "the receiver's receipt is of another content of " +
                          item.source->name()});
      return nullptr;
    }
    receipt_->AddFile(item.source->name(), item.source->size, told.digest);
    SetDone(told.index);
  }
  return nullptr;
}

const char* Sender::Core::Handle(const message::Receipt& message) {
  if (receipt_ == nullptr || has_receipt_) return "nobody wants its receipt";
  if (!accepted_ || !ended_ || open_ > 0) return "its receipt comes too early";
  has_receipt_ = true;
  receipt_->End(end() - entries_done_ + unreadable_ + left_out_, message.end);
  return nullptr;
}

void Sender::Core::SetDone(std::uint64_t index) {
  const Item& item = At(index);
  const bool was_there = item.state == Item::State::kCompared;
  const std::uint64_t size = item.source->size;
  ++entries_done_;
  ++files_done_;
  if (was_there) {
    not_sent_bytes_ += size;
  } else {
    done_bytes_ += size;
  }
  if (TellsFile()) {
    Emit(p2pcp::FileDone{
        index, item.source->name(), {}, size, item.digest, was_there});
  }
  Settle(index);
}

const char* Sender::Core::Handle(const message::FileFailed& message) {
  if (!IsOpen(message.index) ||
      At(message.index).state == Item::State::kOffered) {
    return "it failed with a file too early or twice";
  }
  const Item& item = At(message.index);
  const std::string name = item.source->name();
  if (!item.failed && !item.has_digest) {
    return "it failed with a file too early";
  }
  if (item.state == Item::State::kCompared) {
    not_sent_bytes_ += item.source->size;
  }
  ++not_sent_files_;
  if (message.reason == message::Reason::kIntegrity) {
    ++shortfall_.damaged;
    Emit(p2pcp::FileFailed{
        message.index, name,
        Error{ErrorCode::kIntegrity, name + " arrived damaged"}});
  } else if (item.failed) {
    ++shortfall_.unreadable;
  } else {
    ++shortfall_.kept_back;
    Emit(p2pcp::FileFailed{
        message.index, name,
        Error{ErrorCode::kKeptBack, name + " was kept back by the receiver"}});
  }
  Settle(message.index);
  return nullptr;
}

const char* Sender::Core::Handle(const message::Want& message) {
  if (!IsOpen(message.index) ||
      At(message.index).state != Item::State::kCompared ||
      !(At(message.index).has_digest || At(message.index).failed)) {
    return "it wants what it has not compared";
  }
  Item& item = At(message.index);
  source_.Drop(item.piece);
  if (item.failed) return "it wants what can't be read";
  Start(item, message.index, file::Source::Mode::kSend);
  FlushOffer();
  source_.Advance();
  return nullptr;
}

const char* Sender::Core::Handle(const message::CheckBlocks& message) {
  if (!IsOpen(message.index)) return "it checks what is not open";
  Item& item = At(message.index);
  if (item.failed) return nullptr;
  if (item.state != Item::State::kWanted || !item.has_digest ||
      ++item.checks > file::Sink::kMaxRepairs) {
    return "it checks a file too early or too often";
  }
  source_.DigestBlocks(item.piece);
  return nullptr;
}

const char* Sender::Core::Handle(const message::Repair& message) {
  if (!IsOpen(message.index)) return "it repairs what is not open";
  const Item& item = At(message.index);
  if (item.failed) return nullptr;
  if (item.state != Item::State::kWanted || !item.has_digest) {
    return "it repairs a file too early";
  }
  constexpr std::uint64_t kBlock = file::Source::kBlockBytes;
  const std::uint64_t size = item.source->size;
  const std::uint64_t blocks = (size + kBlock - 1) / kBlock;
  const std::uint64_t begin = source_.Begin(item.piece);
  for (const message::Run& run : message.runs) {
    if (run.first >= blocks || run.count > blocks - run.first) {
      return "it repairs what is not in the file";
    }
    connection().OfferAgain(
        StreamOffset(begin + run.first * kBlock),
        StreamOffset(begin + std::min(size, (run.first + run.count) * kBlock)));
  }
  return nullptr;
}

// The receiver has said its last word about an entry.
void Sender::Core::Settle(std::uint64_t index) {
  Item& item = At(index);
  if (item.state == Item::State::kWanted) {
    FlushOffer();
    const std::uint64_t begin = source_.Begin(item.piece);
    connection().SkipBytes(StreamOffset(begin),
                           StreamOffset(begin + item.source->size));
  }
  if (item.state != Item::State::kOffered) source_.Drop(item.piece);
  item.state = Item::State::kSettled;
  --open_;
  name_bytes_ -= item.source->path.size();
  had_runs_ -= item.had.size();
  item.had = {};
  item.source.reset();
  while (!items_.empty() && first_ < decided_ &&
         items_.front().state == Item::State::kSettled) {
    items_.pop_front();
    ++first_;
  }
}

const char* Sender::Core::HandleDone(TimePoint now,
                                     const message::Done& message) {
  if (!accepted_ || !ended_ || open_ > 0 ||
      message.entries_done != entries_done_ ||
      (receipt_ != nullptr && !has_receipt_)) {
    return "it is done too early";
  }
  const TransferReport report = SenderReport(now, connection(), machine(),
                                             message.report, done_bytes_ > 0);
  SetReport(report);
  Send(message::Finished{report});
  shortfall_.unreadable += unreadable_;
  shortfall_.kept_back += left_out_;
  Endpoint::Settle(now, UnfinishedError(shortfall_), Linger());
  return nullptr;
}

}  // namespace p2pcp

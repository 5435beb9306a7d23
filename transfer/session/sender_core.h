// The inside of a Sender.

#ifndef P2PCP_TRANSFER_SESSION_SENDER_CORE_H_
#define P2PCP_TRANSFER_SESSION_SENDER_CORE_H_

#include <cstddef>
#include <cstdint>
#include <memory>

#include "net/base/bytes.h"
#include "net/base/time.h"
#include "transfer/connection/byte_space.h"
#include "transfer/file/digest.h"
#include "transfer/file/disk.h"
#include "transfer/file/file_head.h"
#include "transfer/file/paged_queue.h"
#include "transfer/file/source.h"
#include "transfer/file/source_file.h"
#include "transfer/file/source_tree.h"
#include "transfer/session/bottleneck.h"
#include "transfer/session/endpoint.h"
#include "transfer/session/messages.h"
#include "transfer/session/sender.h"
#include "transfer/session/session.h"

namespace p2pcp {

class Sender::Core final : private ByteSource, public Endpoint {
 public:
  Core(TimePoint now, const Config& config, file::SourceTree* tree,
       file::Disk* disk);

  Progress progress() const;

 private:
  // An entry that was offered and is not settled.
  struct Item {
    enum class State : std::uint8_t {
      kOffered,
      kWanted,
      kCompared,
      kSettled,
    };
    State state = State::kOffered;
    bool is_folder = false;
    bool has_digest = false;  // It was told.
    bool failed = false;      // That was told.
    std::uint8_t checks = 0;  // Of its blocks, that were asked for.
    std::uint64_t piece = 0;
    std::shared_ptr<const file::SourceFile> source;
    std::vector<file::Interval> had;  // By the receiver.
    std::uint64_t base_size = 0;      // Of its older version; 0: there is none.
    file::Digest digest;
  };

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
  std::uint64_t completed_files() const override { return files_done_; }
  std::uint64_t completed_bytes() const override { return done_bytes_; }
  Savings savings() const override { return savings_; }

  // Each returns what is wrong with the message, nullptr if nothing is.
  const char* HandleAccept(TimePoint now, const message::Accept& message);
  const char* Handle(const message::Decisions& message);
  const char* Handle(const message::FilesDone& message);
  const char* Handle(TimePoint now, const message::Received& message);
  const char* Handle(const message::Receipt& message);
  void SetDone(std::uint64_t index);
  const char* Handle(const message::FileFailed& message);
  const char* Handle(const message::Have& message);
  const char* Handle(const message::Want& message);
  const char* Handle(const message::Signatures& message);
  const char* TakeBase(const message::Signatures& message);
  const char* Handle(const message::CheckBlocks& message);
  const char* Handle(const message::Repair& message);
  const char* HandleDone(TimePoint now, const message::Done& message);

  void Scan();
  void SendEntries();
  void TakeNotes();
  void TakeSourceEvents();
  void FailSource(const file::Source::Event& event);
  void FlushDigests();
  void FlushHoles();
  void AddCopy(const file::Source::Event& event);
  void WantSignatures(const file::Source::Event& event);
  void FlushCopies();
  void Offer(std::uint64_t begin, std::uint64_t end);
  void FlushOffer();
  void ReadEarly();
  void SendEarly();
  void CountEarly(Item& item, std::uint64_t index);
  void Start(Item& item, std::uint64_t index, file::Source::Mode mode);
  void Settle(std::uint64_t index);
  bool IsOpen(std::uint64_t index) const {
    return index >= first_ && index < end() &&
           items_[static_cast<std::size_t>(index - first_)].state !=
               Item::State::kSettled;
  }
  Item& At(std::uint64_t index) {
    return items_[static_cast<std::size_t>(index - first_)];
  }
  std::uint64_t end() const { return first_ + items_.size(); }

  file::SourceTree& tree_;
  // Of the file early_index_. The source, which goes away before it, abandons
  // its jobs.
  file::FileHead early_;
  bool may_be_early_;
  std::uint64_t early_index_ = 0;
  std::size_t early_sent_ = 0;  // Of its bytes.
  file::Source source_;
  ReceiptTaker* const receipt_;  // Null where none is wanted.
  bool has_receipt_ = false;
  bool accepted_ = false;
  bool in_order_ = false;  // Holes are sent as zeros.

  // What has been found and not been sent yet.
  file::ScanBatch batch_;
  std::size_t batch_next_ = 0;
  bool scanning_ = false;
  bool ended_ = false;  // END was sent.
  std::uint64_t unreadable_ = 0;
  std::uint64_t left_out_ = 0;

  // Entries [first_, end()) were sent.
  file::PagedQueue<Item> items_;
  std::uint64_t first_ = 0;
  std::uint64_t open_ = 0;
  std::size_t name_bytes_ = 0;
  std::uint64_t decided_ = 0;  // The first that is not.
  std::uint64_t files_ = 0;
  std::uint64_t bytes_ = 0;  // Of all files.

  std::uint64_t entries_done_ = 0;
  std::uint64_t files_done_ = 0;
  std::uint64_t done_bytes_ = 0;      // Of files that are done.
  std::uint64_t not_sent_files_ = 0;  // Kept back, or there already.
  std::uint64_t not_sent_bytes_ = 0;
  std::uint64_t wanted_bytes_ = 0;  // That are to be sent: no holes.
  std::uint64_t hole_bytes_ = 0;
  std::uint64_t had_bytes_ = 0;
  std::size_t had_runs_ = 0;  // Of open entries.
  bool deltas_ = false;       // There are older versions of some.
  Savings savings_;
  Shortfall shortfall_;

  message::Digests digests_;  // To be sent.
  message::Copies copies_;
  bool copies_due_ = false;  // There is something in them.
  message::Holes holes_;
  std::uint64_t offer_begin_ = 0;  // To be offered.
  std::uint64_t offer_end_ = 0;
};

}  // namespace p2pcp

#endif  // P2PCP_TRANSFER_SESSION_SENDER_CORE_H_

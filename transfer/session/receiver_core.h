// The inside of a Receiver.

#ifndef P2PCP_TRANSFER_SESSION_RECEIVER_CORE_H_
#define P2PCP_TRANSFER_SESSION_RECEIVER_CORE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/random.h"
#include "net/base/result.h"
#include "net/base/time.h"
#include "transfer/connection/byte_space.h"
#include "transfer/file/digest.h"
#include "transfer/file/disk.h"
#include "transfer/file/intake.h"
#include "transfer/file/output_folder.h"
#include "transfer/file/sink.h"
#include "transfer/session/endpoint.h"
#include "transfer/session/messages.h"
#include "transfer/session/receiver.h"
#include "transfer/session/session.h"

namespace p2pcp {

class Receiver::Core final : private ByteSink, public Endpoint {
 public:
  Core(TimePoint now, const Config& config, const file::OutputTarget* target,
       file::Disk* disk, Random* random);

  Listing listing() const;
  void Decide(TimePoint now, bool accept);
  Progress progress() const;

 private:
  enum class Phase : std::uint8_t {
    kAwaitOffer,
    kAwaitEntries,
    kDeciding,
    kChecking,  // Its folder, before the first decision.
    kTransferring,
  };
  using Item = file::Intake::Item;

  // ByteSink
  bool Write(StreamOffset offset, ByteSpan bytes) override;
  bool WriteRun(StreamOffset offset, BytePieces bytes) override;
  // Endpoint
  void HandleMessage(TimePoint now, const message::Message& message) override;
  void Advance(TimePoint now) override;
  void TakeDisk() override;
  std::optional<TimePoint> NextTurn() const override {
    return sink_.deadline();
  }
  std::optional<Duration> Patience() const override;
  std::uint64_t Progressed() const override {
    return taken_bytes_ + hole_bytes_ + savings_.copied_bytes;
  }
  void HandleOver() override { sink_.Abandon(); }
  std::uint64_t completed_files() const override { return files_done_; }
  std::uint64_t completed_bytes() const override { return done_bytes_; }
  Savings savings() const override { return savings_; }

  // Each returns what is wrong with the message, nullptr if nothing is.
  const char* HandleOffer(TimePoint now, const message::Offer& message);
  const char* Handle(TimePoint now, const message::Entries& message);
  const char* Handle(const message::End& message);
  const char* Handle(const message::Digests& message);
  const char* Handle(const message::SourceFailed& message);
  const char* Handle(TimePoint now, const message::Holes& message);
  const char* Handle(const message::BlockDigests& message);
  const char* Handle(const message::Copies& message);
  const char* Handle(const message::Early& message);

  void ConsiderOffer(TimePoint now);
  void Refuse(TimePoint now, message::Reason reason, Error error);
  void AcceptOffer(TimePoint now);
  void DeclineOffer(TimePoint now, message::Reason reason, Error error);
  void TakeDecisions(TimePoint now);
  void TakeDecision(TimePoint now, file::Intake::Decision decision);
  void TakeComparison(TimePoint now, file::Intake::Decision decision);
  bool HasRoomFor(TimePoint now, const Item& item);
  void AddToSink(std::uint64_t index);
  void DecideEarly(std::uint64_t index, file::Verdict verdict);
  bool CountEarly(std::uint64_t bytes);
  void WriteEarly();
  void TellBase(std::uint64_t index);
  void TellSignatures(file::Sink::Event event);
  void TellRemains(std::uint64_t index, const file::Remains& remains);
  void TakeSinkEvent(TimePoint now, file::Sink::Event event);
  void FileIsDone(std::uint64_t index, const std::string& final_name,
                  const file::Digest& digest, bool was_there);
  void FailFile(std::uint64_t index, Error error);
  void AskForRepair(std::uint64_t index,
                    const std::vector<std::uint64_t>& blocks);
  void FlushDecisions();
  void FlushDone();
  void AddFolderToReceipt(std::uint64_t index);
  void AddFileToReceipt(std::uint64_t index, const file::Digest& digest);
  void FlushReceived();
  void SendReceipt();
  void FinishWhenDone(TimePoint now);

  ReceiptGiver* const giver_;
  const bool ask_;
  const bool exact_;
  std::string exact_name_;  // What the sender calls it, then.
  const std::optional<std::uint64_t> max_bytes_;
  file::Intake intake_;
  file::Sink sink_;
  Phase phase_ = Phase::kAwaitOffer;
  bool offered_ = false;  // The user has been told.
  bool awaits_decision_ = false;
  std::optional<message::End> end_;
  const char* violation_ = nullptr;  // In a DATA frame.
  std::uint64_t taken_bytes_ = 0;

  // Of a file, before it was decided on, or sent when that was not known yet.
  struct Early {
    std::optional<std::uint64_t> index;
    std::uint64_t bytes = 0;  // That came.
    bool counts = false;      // They are the file's.
    Bytes held;               // Of them, what waits for its place there,
    std::uint64_t begin = 0;  // which begins here.
    // Written, and not charged against the credit: what the sink disposes of
    // first.
    std::uint64_t uncharged = 0;
  };
  Early early_;

  std::uint64_t decided_ = 0;       // Entries.
  std::uint64_t comparisons_ = 0;   // Under way.
  std::uint64_t needed_bytes_ = 0;  // On the disk.
  std::uint64_t hole_bytes_ = 0;
  std::uint64_t entries_done_ = 0;
  std::uint64_t files_done_ = 0;
  std::uint64_t done_bytes_ = 0;
  std::uint64_t not_sent_files_ = 0;
  std::uint64_t not_sent_bytes_ = 0;
  Savings savings_;
  Shortfall shortfall_;

  message::Decisions decisions_;  // To be sent.
  std::vector<std::uint64_t> done_;

  // Null until one is asked for.
  ReceiptGiver* receipt_ = nullptr;
  message::Received received_;  // To be sent, then.
};

}  // namespace p2pcp

#endif  // P2PCP_TRANSFER_SESSION_RECEIVER_CORE_H_

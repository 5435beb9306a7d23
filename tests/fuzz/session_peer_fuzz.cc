// A sender or a receiver whose peer holds the key and means ill: any message,
// any bytes at any offset, at any time. Whatever it does, nothing lands in the
// receiver's folder but files that were reported as done, and no temporary file
// is left behind. With an older version of a file at the receiver, or told of
// by it, too.

#include <stdlib.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/check.h"
#include "net/base/packet_number.h"
#include "net/base/random.h"
#include "net/base/result.h"
#include "net/base/time.h"
#include "tests/fuzz/fuzz_folder.h"
#include "tests/fuzz/fuzz_input.h"
#include "transfer/connection/byte_space.h"
#include "transfer/connection/connection.h"
#include "transfer/file/delta_signature.h"
#include "transfer/file/disk.h"
#include "transfer/file/inline_disk.h"
#include "transfer/file/output_folder.h"
#include "transfer/file/source_tree.h"
#include "transfer/file/test_folder.h"
#include "transfer/session/receiver.h"
#include "transfer/session/recorded_receipt.h"
#include "transfer/session/sender.h"
#include "transfer/session/session.h"

namespace p2pcp {
namespace {

constexpr std::size_t kMaxOperations = 200;
constexpr std::size_t kMaxPayload = 1172;
// The hostile side's bytes may be asked for up to here.
constexpr std::uint64_t kMaxOffset = 1 << 20;
// Of versions of a file.
constexpr std::size_t kVersionSize = file::kMinDeltaSize + 5000;

// A folder to receive into and a file to send, for the life of the process.
class Folders {
 public:
  Folders() {
    std::filesystem::create_directory(out());
    std::ofstream(in()) << std::string(5000, 'x');
    std::ofstream(version()) << file::RandomText(kVersionSize, 1);
  }

  std::filesystem::path out() const { return folder_.path() / "out"; }
  std::filesystem::path in() const { return folder_.path() / "in.bin"; }
  std::filesystem::path version() const {
    return folder_.path() / "version.bin";
  }
  void Empty() const {
    for (const auto& entry : std::filesystem::directory_iterator(out())) {
      std::filesystem::remove_all(entry.path());
    }
  }
  // Nothing but these stands there.
  void CheckOutside() const {
    int entries = 0;
    for ([[maybe_unused]] const auto& entry :
         std::filesystem::directory_iterator(folder_.path())) {
      ++entries;
    }
    P2PCP_CHECK(entries == 3);
  }

 private:
  FuzzFolder folder_;
};

// The same byte everywhere.
class Filler final : public ByteSource {
 public:
  ByteSpan Read(StreamOffset, std::size_t max_size) override {
    return ByteSpan(bytes_).first(std::min(max_size, bytes_.size()));
  }

 private:
  Bytes bytes_ = Bytes(2000, std::byte{'x'});
};

class Void final : public ByteSink {
 public:
  bool Write(StreamOffset, ByteSpan) override { return true; }
};

class Duel {
 public:
  Duel(const Folders& folders, bool victim_receives, bool wants_receipt,
       bool versions)
      : receives_(victim_receives) {
    Connection::Config config;
    config.max_payload = kMaxPayload;
    config.receive_budget = victim_receives ? 0 : 1 << 20;
    hostile_.emplace(now_, config, victim_receives ? &filler_ : nullptr,
                     victim_receives ? nullptr : &void_);
    if (victim_receives) {
      target_.emplace(*file::OpenOutput(folders.out()));
      Receiver::Config config;
      config.receipt = &giver_;
      if (versions) {
        std::filesystem::copy_file(folders.version(), folders.out() / "a");
        config.conflict = file::ConflictPolicy::kOverwrite;
      }
      victim_ =
          std::make_unique<Receiver>(now_, config, &*target_, &disk_, &random_);
    } else {
      const std::vector<std::string> paths = {versions ? folders.version()
                                                       : folders.in()};
      tree_.emplace(*file::SourceTree::Open(paths, {}));
      Sender::Config config;
      if (wants_receipt) config.receipt = &taker_;
      victim_ = std::make_unique<Sender>(now_, config, &*tree_, &disk_);
    }
    Settle();
  }

  void Fight(fuzz::FuzzInput input) {
    for (std::size_t i = 0; i < kMaxOperations && !input.empty(); ++i) {
      const std::uint8_t operation = input.TakeU8();
      switch (operation & 3) {
        case 0:
        case 1: {
          const ByteSpan message = input.TakeBytes(
              (operation & 4) != 0 ? input.TakeU16() : input.TakeU8());
          if (message.size() <= hostile_->ControlRoom() &&
              hostile_->ControlRoom() > 0) {
            hostile_->SendControl(message);
          }
          break;
        }
        case 2:
          if (receives_) {
            const std::uint64_t begin = input.TakeU16();
            const std::uint64_t size = input.TakeU16();
            hostile_->OfferBytes(
                StreamOffset(begin),
                StreamOffset(std::min(begin + size, kMaxOffset)));
          }
          break;
        case 3:
          PassTime(input.TakeU8() * 10ms);
          break;
      }
      Settle();
    }
  }

  // The process ends here, whatever was under way. What has been reported.
  std::set<std::string> End() {
    victim_.reset();
    return std::move(done_);
  }

 private:
  // Until neither has anything to say at this instant.
  void Settle() {
    for (int round = 0;; ++round) {
      P2PCP_CHECK(round < 10'000);
      bool quiet = true;
      while (const auto packet = victim_->PollTransmit(
                 now_, PacketNumber(victim_number_), out_)) {
        P2PCP_CHECK(packet->size() <= kMaxPayload);
        const Bytes payload = Join(*packet);
        hostile_->HandlePacket(now_, PacketNumber(victim_number_++), payload);
        quiet = false;
      }
      while (const auto packet = hostile_->PollTransmit(
                 now_, PacketNumber(hostile_number_), out_)) {
        const Bytes payload = Join(*packet);
        victim_->HandlePacket(now_, PacketNumber(hostile_number_++), payload);
        quiet = false;
      }
      while (hostile_->PollControl()) quiet = false;
      while (auto event = victim_->PollEvent()) {
        quiet = false;
        P2PCP_CHECK(!over_);
        over_ = std::holds_alternative<Completed>(*event) ||
                std::holds_alternative<Failed>(*event);
        if (const auto* file = std::get_if<FileDone>(&*event)) {
          P2PCP_CHECK(done_.insert(file->final_name).second);
        }
        if (const auto* failed = std::get_if<Failed>(&*event)) {
          P2PCP_CHECK(!failed->error.message.empty());
        }
      }
      if (disk_.ready()) {
        victim_->HandleDisk(now_);
        quiet = false;
      }
      const Progress progress = victim_->progress();
      P2PCP_CHECK(progress.bytes_done <= progress.bytes_total);
      if (quiet) return;
    }
  }

  Bytes Join(const Connection::Packet& packet) {
    Bytes payload = ToBytes(ByteSpan(out_).first(packet.frames_size));
    payload.insert(payload.end(), packet.data.begin(), packet.data.end());
    return payload;
  }

  void PassTime(Duration time) {
    const TimePoint until = now_ + time;
    for (int step = 0;; ++step) {
      P2PCP_CHECK(step < 100'000);
      TimePoint next = until;
      for (const auto& deadline :
           {victim_->PollTimeout(), hostile_->PollTimeout()}) {
        if (deadline) next = std::min(next, std::max(*deadline, now_));
      }
      now_ = next;
      if (victim_->PollTimeout().value_or(TimePoint::max()) <= now_) {
        victim_->HandleTimeout(now_);
      }
      if (hostile_->PollTimeout().value_or(TimePoint::max()) <= now_) {
        hostile_->HandleTimeout(now_);
      }
      Settle();
      if (next == until) return;
    }
  }

  const bool receives_;
  TimePoint now_{1s};
  SeededRandom random_{1};
  RecordedGiver giver_;
  RecordedTaker taker_;
  Filler filler_;
  Void void_;
  std::optional<Connection> hostile_;
  std::optional<file::OutputTarget> target_;
  std::optional<file::SourceTree> tree_;
  file::InlineDisk disk_;
  std::unique_ptr<Session> victim_;
  Bytes out_ = Bytes(kMaxPayload);
  std::uint64_t victim_number_ = 0;
  std::uint64_t hostile_number_ = 0;
  std::set<std::string> done_;
  bool over_ = false;
};

}  // namespace
}  // namespace p2pcp

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  static const p2pcp::Folders folders;
  folders.Empty();
  p2pcp::fuzz::FuzzInput input(p2pcp::fuzz::InputBytes(data, size));
  const std::uint8_t setting = input.TakeU8();
  const bool victim_receives = (setting & 1) == 0;
  std::set<std::string> done;
  {
    p2pcp::Duel duel(folders, victim_receives, (setting & 2) != 0,
                     (setting & 4) != 0);
    duel.Fight(input);
    done = duel.End();
  }
  folders.CheckOutside();
  if (!victim_receives) return 0;
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folders.out())) {
    P2PCP_CHECK(entry.is_regular_file() && !entry.is_symlink());
    names.insert(entry.path().filename());
  }
  // Reported files are there. One more may have got its name at the very end,
  // before it could be reported.
  P2PCP_CHECK(
      std::includes(names.begin(), names.end(), done.begin(), done.end()));
  for (const std::string& name : names) {
    P2PCP_CHECK(!name.starts_with(".p2pcp-"));
  }
  return 0;
}

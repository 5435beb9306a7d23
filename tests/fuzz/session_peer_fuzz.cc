// A sender or a receiver whose peer holds the key and means ill: any message,
// any bytes at any offset, at any time. Whatever it does, nothing lands in the
// receiver's folder but files that were reported as done, and no temporary file
// is left behind. With an older version of a file at the receiver, or told of
// by it, too; and with streams.

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

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
#include "transfer/file/unique_fd.h"
#include "transfer/session/limits.h"
#include "transfer/session/messages.h"
#include "transfer/session/receiver.h"
#include "transfer/session/recorded_receipt.h"
#include "transfer/session/sender.h"
#include "transfer/session/session.h"
#include "transfer/session/stream_receiver.h"
#include "transfer/session/stream_sender.h"

namespace p2pcp {
namespace {

constexpr std::size_t kMaxOperations = 200;
constexpr std::size_t kMaxPayload = 1172;
// The hostile side's bytes may be asked for up to here.
constexpr std::uint64_t kMaxOffset = 1 << 20;
// Of versions of a file.
constexpr std::size_t kVersionSize = file::kMinDeltaSize + 5000;
// Of a stream, where the user says so.
constexpr std::uint64_t kMaxTaken = 3000;

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

// What the victim does, and with what.
struct Setting {
  explicit Setting(std::uint8_t bits)
      : receives((bits & 1) == 0),
        wants_receipt((bits & 2) != 0),
        versions((bits & 4) != 0),
        stream((bits & 8) != 0),
        greets((bits & 16) != 0) {}

  bool receives;
  bool wants_receipt;
  bool versions;
  bool stream;
  bool greets;  // As the protocol of today wants it; else the input does.
};

class Duel {
 public:
  Duel(const Folders& folders, const Setting& setting)
      : receives_(setting.receives) {
    Connection::Config config;
    config.max_payload = kMaxPayload;
    config.receive_budget = receives_ ? 0 : 1 << 20;
    hostile_.emplace(now_, config, receives_ ? &filler_ : nullptr,
                     receives_ ? nullptr : &void_);
    if (setting.stream) {
      StartStream(setting);
    } else {
      Start(folders, setting);
    }
    if (setting.greets) {
      hostile_->SendControl(message::Serialize(
          message::Hello{kLowestVersion, kHighestVersion, !receives_}));
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
    const Progress progress = victim_->progress();
    victim_.reset();
    if (receives_ && stream_.get() >= 0) CheckStream(progress);
    return std::move(done_);
  }

 private:
  void Start(const Folders& folders, const Setting& setting) {
    if (setting.receives) {
      target_.emplace(*file::OpenOutput(folders.out()));
      Receiver::Config config;
      config.receipt = &giver_;
      if (setting.versions) {
        std::filesystem::copy_file(folders.version(), folders.out() / "a");
        config.conflict = file::ConflictPolicy::kOverwrite;
      }
      victim_ =
          std::make_unique<Receiver>(now_, config, &*target_, &disk_, &random_);
      return;
    }
    const std::vector<std::string> paths = {setting.versions ? folders.version()
                                                             : folders.in()};
    tree_.emplace(*file::SourceTree::Open(paths, {}));
    Sender::Config config;
    if (setting.wants_receipt) config.receipt = &taker_;
    victim_ = std::make_unique<Sender>(now_, config, &*tree_, &disk_);
  }

  void StartStream(const Setting& setting) {
    stream_ = file::UniqueFd(memfd_create("stream", MFD_CLOEXEC));
    P2PCP_CHECK(stream_.get() >= 0);
    if (setting.receives) {
      Receiver::Config config;
      config.receipt = &giver_;
      // What the user takes at most.
      if (setting.versions) config.max_bytes = kMaxTaken;
      max_taken_ = config.max_bytes.value_or(kMaxOffset);
      victim_ = NewStreamReceiver(now_, config, stream_.get(), &disk_);
      return;
    }
    const std::string text(setting.versions ? 5000 : 0, 'x');
    P2PCP_CHECK(pwrite(stream_.get(), text.data(), text.size(), 0) ==
                static_cast<ssize_t>(text.size()));
    Sender::Config config;
    if (setting.wants_receipt) config.receipt = &taker_;
    victim_ = NewStreamSender(now_, config,
                              StreamOffer{stream_.get(), "stream", {}}, &disk_);
  }

  // What the peer sent stands there, in order, and no more than is told.
  void CheckStream(const Progress& progress) {
    const off_t size = lseek(stream_.get(), 0, SEEK_END);
    P2PCP_CHECK(size >= 0 && static_cast<std::uint64_t>(size) <= max_taken_);
    P2PCP_CHECK(progress.bytes_done <= static_cast<std::uint64_t>(size));
    std::string text(static_cast<std::size_t>(size), '\0');
    P2PCP_CHECK(pread(stream_.get(), text.data(), text.size(), 0) == size);
    P2PCP_CHECK(text.find_first_not_of('x') == std::string::npos);
  }

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
  file::UniqueFd stream_;
  std::uint64_t max_taken_ = 0;
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
  const p2pcp::Setting setting(input.TakeU8());
  std::set<std::string> done;
  {
    p2pcp::Duel duel(folders, setting);
    duel.Fight(input);
    done = duel.End();
  }
  folders.CheckOutside();
  if (!setting.receives || setting.stream) return 0;
  std::set<std::string> names;
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(folders.out())) {
    P2PCP_CHECK(!entry.is_symlink());
    P2PCP_CHECK(!entry.path().filename().string().starts_with(".p2pcp-"));
    if (entry.is_directory()) continue;
    P2PCP_CHECK(entry.is_regular_file());
    names.insert(entry.path().lexically_relative(folders.out()));
  }
  // Reported files are there. One more may have got its name at the very end,
  // before it could be reported.
  P2PCP_CHECK(
      std::includes(names.begin(), names.end(), done.begin(), done.end()));
  return 0;
}

// Peers that hold the right key and break the rules, for tests: a raw
// Connection that says whatever a test wants, against an honest session.

#ifndef P2PCP_TRANSFER_SESSION_HOSTILE_RIG_H_
#define P2PCP_TRANSFER_SESSION_HOSTILE_RIG_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/packet_number.h"
#include "net/base/random.h"
#include "net/base/result.h"
#include "net/base/time.h"
#include "transfer/connection/byte_space.h"
#include "transfer/connection/connection.h"
#include "transfer/file/digest.h"
#include "transfer/file/entry.h"
#include "transfer/file/inline_disk.h"
#include "transfer/file/output_folder.h"
#include "transfer/file/source_tree.h"
#include "transfer/file/test_folder.h"
#include "transfer/session/limits.h"
#include "transfer/session/messages.h"
#include "transfer/session/receipt.h"
#include "transfer/session/receiver.h"
#include "transfer/session/sender.h"
#include "transfer/session/session.h"
#include "transfer/session/session_pair.h"
#include "transfer/session/stream_receiver.h"
#include "transfer/session/stream_sender.h"

namespace p2pcp {

// Of the protocol: what both sides speak.
inline constexpr std::uint64_t kVersion = kHighestVersion;

inline file::Digest DigestOf(const std::string& text) {
  file::Hasher hasher;
  hasher.Update(AsBytes(text));
  return hasher.Finish();
}

inline file::Entry File(const std::string& name, std::uint64_t size = 1,
                        std::uint32_t up = 0) {
  file::Entry entry;
  entry.name = name;
  entry.size = size;
  entry.up = up;
  return entry;
}

inline file::Entry Folder(const std::string& name, std::uint32_t up = 0) {
  file::Entry entry = File(name, 0, up);
  entry.kind = file::Entry::Kind::kFolder;
  return entry;
}

// The hostile side's bytes: whatever is asked for.
class TextSource final : public ByteSource {
 public:
  ByteSpan Read(StreamOffset offset, std::size_t max_size) override {
    return AsBytes(std::string_view(text).substr(
        static_cast<std::size_t>(offset.value()), max_size));
  }
  std::string text;
};

class NullSink final : public ByteSink {
 public:
  bool Write(StreamOffset, ByteSpan) override { return true; }
};

// One honest session and one raw connection.
class Rig {
 public:
  // The raw side is the other one than the session.
  explicit Rig(bool raw_is_sender) : raw_side_(raw_is_sender ? 0 : 1) {
    Connection::Config config;
    config.receive_budget = raw_is_sender ? 0 : 16 << 20;
    raw_ = std::make_unique<Connection>(now_, config,
                                        raw_is_sender ? &source : nullptr,
                                        raw_is_sender ? nullptr : &sink_);
  }

  void StartReceiver(const Receiver::Config& config = {}) {
    target_.emplace(*file::OpenOutput(folder.path()));
    disk_.emplace();
    session_ =
        std::make_unique<Receiver>(now_, config, &*target_, &*disk_, &random_);
  }
  // Writes to fd, as with --out -.
  void StartStreamReceiver(int fd, const Receiver::Config& config = {}) {
    disk_.emplace();
    session_ = NewStreamReceiver(now_, config, fd, &*disk_);
  }
  // Sends what fd has, as for PATH -.
  void StartStreamSender(int fd) {
    disk_.emplace();
    session_ = NewStreamSender(now_, {}, {fd, "stream", {}}, &*disk_);
  }
  void StartSender(const std::vector<std::string>& paths) {
    tree_.emplace(*file::SourceTree::Open(paths, {}));
    disk_.emplace();
    Sender::Config config;
    config.receipt = taker;
    session_ = std::make_unique<Sender>(now_, config, &*tree_, &*disk_);
  }

  void Say(const message::Message& message) {
    SayBytes(message::Serialize(message));
  }
  void SayBytes(const Bytes& bytes) { raw_->SendControl(bytes); }
  Connection& raw() { return *raw_; }
  file::InlineDisk& disk() { return *disk_; }

  // Runs until the session has its terminal event, or for limit.
  bool Run(Duration limit = 30s) {
    return RunUntil([this] { return failed || completed; }, limit);
  }
  // Runs until the raw side has heard a T.
  template <typename T>
  const T* Hear() {
    RunUntil([this] { return Heard<T>() != nullptr; }, 30s);
    return Heard<T>();
  }
  template <typename T>
  const T* Heard() const {
    for (const message::Message& message : heard_) {
      if (const T* found = std::get_if<T>(&message)) return found;
    }
    return nullptr;
  }
  template <typename T>
  std::vector<const T*> AllHeard() const {
    std::vector<const T*> all;
    for (const message::Message& message : heard_) {
      if (const T* found = std::get_if<T>(&message)) all.push_back(found);
    }
    return all;
  }
  template <typename T>
  std::size_t Count() const {
    return static_cast<std::size_t>(std::count_if(
        heard_.begin(), heard_.end(), [](const message::Message& message) {
          return std::holds_alternative<T>(message);
        }));
  }
  bool RunUntil(const std::function<bool()>& condition, Duration limit) {
    const TimePoint end = now_ + limit;
    for (;;) {
      Drain(*raw_, raw_side_);
      Drain(*session_, 1 - raw_side_);
      while (const auto bytes = raw_->PollControl()) {
        heard_.push_back(*message::Parse(*bytes));
      }
      while (const auto event = session_->PollEvent()) {
        if (const auto* error = std::get_if<Failed>(&*event)) {
          failed = error->error;
        }
        if (std::holds_alternative<Completed>(*event)) completed = true;
        if (std::holds_alternative<FileDone>(*event)) ++files_done;
      }
      if (condition()) return true;
      std::optional<TimePoint> next = link_.NextArrival();
      for (const auto due : {raw_->PollTimeout(), session_->PollTimeout()}) {
        if (due && (!next || *due < *next)) next = due;
      }
      if (!next || *next > end) return false;
      now_ = std::max(now_, *next);
      while (const auto packet = link_.Receive(now_)) {
        if (packet->from == raw_side_) {
          session_->HandlePacket(now_, packet->number, packet->payload);
        } else {
          raw_->HandlePacket(now_, packet->number, packet->payload);
        }
      }
      Fire(*raw_);
      Fire(*session_);
    }
  }

  file::TestFolder folder;
  TextSource source;
  ReceiptTaker* taker = nullptr;  // Of the sender.
  std::optional<Error> failed;
  bool completed = false;
  int files_done = 0;

 private:
  template <typename T>
  void Drain(T& end, int side) {
    Bytes out(1'172);
    while (const auto packet =
               end.PollTransmit(now_, PacketNumber(next_number_[side]), out)) {
      ++next_number_[side];
      Bytes payload(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(
                                                   packet->frames_size));
      payload.insert(payload.end(), packet->data.begin(), packet->data.end());
      link_.Send(now_, side, PacketNumber(next_number_[side] - 1),
                 std::move(payload));
    }
  }
  template <typename T>
  void Fire(T& end) {
    const auto due = end.PollTimeout();
    if (due && *due <= now_) end.HandleTimeout(now_);
  }

  const int raw_side_;
  TimePoint now_{1s};
  SeededRandom random_{1};
  TestLink link_{1};
  NullSink sink_;
  std::unique_ptr<Connection> raw_;
  std::optional<file::OutputTarget> target_;
  std::optional<file::InlineDisk> disk_;
  std::optional<file::SourceTree> tree_;
  std::unique_ptr<Session> session_;
  std::uint64_t next_number_[2] = {0, 0};
  std::vector<message::Message> heard_;
};

// Runs until the session fails, with code, and has told the raw side why.
inline void ExpectFailure(Rig& rig, ErrorCode code, message::Reason told) {
  ASSERT_TRUE(rig.Run());
  ASSERT_TRUE(rig.failed.has_value());
  EXPECT_EQ(rig.failed->code, code) << rig.failed->message;
  const auto* abort = rig.Heard<message::Abort>();
  const auto* decline = rig.Heard<message::Decline>();
  ASSERT_TRUE(abort != nullptr || decline != nullptr);
  EXPECT_EQ(abort != nullptr ? abort->reason : decline->reason, told);
}

// The same, by ABORT, for what the protocol does not allow.
inline void ExpectAbortForViolation(Rig& rig) {
  ExpectFailure(rig, ErrorCode::kMalformed, message::Reason::kViolation);
  EXPECT_NE(rig.Heard<message::Abort>(), nullptr);
}

}  // namespace p2pcp

#endif  // P2PCP_TRANSFER_SESSION_HOSTILE_RIG_H_

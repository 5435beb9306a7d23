// The beginning of the first file, sent before the receiver has said that it
// wants it: the round trip that this takes is not lost.

#include <algorithm>
#include <cstdint>

#include "net/base/bytes.h"
#include "transfer/session/limits.h"
#include "transfer/session/messages.h"
#include "transfer/session/sender_core.h"

namespace p2pcp {

namespace {

// What a message has of it at least, but for the last one.
constexpr std::size_t kMinPiece = 4 << 10;

}  // namespace

// Entries have just been offered.
void Sender::Core::ReadEarly() {
  if (!may_be_early_ || accepted_) return;
  for (std::uint64_t index = first_; index < end(); ++index) {
    const Item& item = At(index);
    if (item.is_folder) continue;
    // No other file than the first one. A small one is not over before its
    // digest has come, for which the receiver's word is waited for.
    may_be_early_ = false;
    if (item.source->sparse || item.source->size <= kMaxEarlyBytes ||
        disk()->room() < 2) {
      return;
    }
    early_index_ = index;
    early_.Read(*disk(), item.source, kMaxEarlyBytes);
    return;
  }
}

void Sender::Core::SendEarly() {
  const ByteSpan bytes = early_.bytes();
  while (early_sent_ < bytes.size() && decided_ <= early_index_) {
    const ByteSpan rest = bytes.subspan(early_sent_);
    const std::size_t room = SendRoom();
    if (room < message::kEarlyOverhead + std::min(rest.size(), kMinPiece)) {
      return;
    }
    const ByteSpan piece =
        rest.first(std::min(rest.size(), room - message::kEarlyOverhead));
    Send(message::Early{early_index_, ToBytes(piece)});
    early_sent_ += piece.size();
  }
}

// A file is wanted: what was sent of it is there, unless the receiver has, or
// is about to, put something else there.
void Sender::Core::CountEarly(Item& item, std::uint64_t index) {
  if (early_sent_ == 0 || index != early_index_ || in_order_ ||
      !item.had.empty() || item.base_size > 0) {
    return;
  }
  item.had.push_back({0, early_sent_});
  ++had_runs_;
}

}  // namespace p2pcp

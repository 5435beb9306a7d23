// What a sender does about the older versions of files that a receiver has.

#include <cstdint>

#include "transfer/connection/connection.h"
#include "transfer/file/delta_signature.h"
#include "transfer/file/entry.h"
#include "transfer/session/sender_core.h"

namespace p2pcp {

namespace {

// In one message: 12 KiB of them at most.
constexpr std::size_t kCopiesPerMessage = 512;
static_assert(kCopiesPerMessage * message::kMaxCopy <= 12 << 10);

}  // namespace

const char* Sender::Core::Handle(const message::Signatures& message) {
  if (!accepted_ || message.index >= end()) {
    return "an older version of what is not offered";
  }
  if (message.index >= decided_) return TakeBase(message);
  if (!IsOpen(message.index)) return "an older version of what is settled";
  const Item& item = At(message.index);
  if (item.state == Item::State::kCompared) return TakeBase(message);
  if (item.failed) return nullptr;
  if (item.base_size == 0 ||
      (message.base_size != item.base_size && message.base_size != 0)) {
    return "signatures of a version that was not told of";
  }
  savings_.signature_bytes += message.signatures.size() * file::kSignatureBytes;
  if (!source_.AddSignatures(item.piece, message.first, message.signatures) ||
      !source_.NoteCopies(item.piece, message.copies)) {
    return "signatures that were not asked for, or copies that were not told";
  }
  if (message.base_size == 0) source_.EndSignatures(item.piece);
  source_.Advance();
  return nullptr;
}

// There is an older version of a file that is about to be wanted.
const char* Sender::Core::TakeBase(const message::Signatures& message) {
  Item& item = At(message.index);
  if (item.is_folder || in_order_ || item.base_size > 0 ||
      item.source->size < file::kMinDeltaSize ||
      message.base_size < file::kMinDeltaSize ||
      message.base_size > file::kMaxTotal || message.first > 0 ||
      message.copies > 0 || !message.signatures.empty()) {
    return "an older version that can't be";
  }
  item.base_size = message.base_size;
  deltas_ = true;
  return nullptr;
}

void Sender::Core::AddCopy(const file::Source::Event& event) {
  if (copies_due_ && (copies_.index != event.id ||
                      copies_.parts.size() == kCopiesPerMessage)) {
    FlushCopies();
  }
  const std::uint64_t size = event.end - event.begin;
  copies_due_ = true;
  copies_.index = event.id;
  copies_.parts.push_back({event.begin, size, event.from});
  savings_.copied_bytes += size;
  const StreamOffset begin(source_.Begin(At(event.id).piece) + event.begin);
  connection().SkipBytes(begin, begin + size);
}

void Sender::Core::WantSignatures(const file::Source::Event& event) {
  if (copies_due_ && copies_.index != event.id) FlushCopies();
  copies_due_ = true;
  copies_.index = event.id;
  copies_.wanted = event.end;
}

void Sender::Core::FlushCopies() {
  if (!copies_due_) return;
  Send(copies_);
  copies_ = {};
  copies_due_ = false;
}

}  // namespace p2pcp

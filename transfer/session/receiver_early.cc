// What a receiver does with bytes that come before it has said that it wants
// them. They are held, not many, and are nobody's until then.

#include <cstdint>

#include "net/base/check.h"
#include "transfer/connection/connection.h"
#include "transfer/file/intake.h"
#include "transfer/file/sink.h"
#include "transfer/session/limits.h"
#include "transfer/session/receiver_core.h"

namespace p2pcp {

const char* Receiver::Core::Handle(const message::Early& message) {
  if (early_.index.value_or(message.index) != message.index ||
      message.index >= intake_.end()) {
    return "bytes of a second file, or of none, come early";
  }
  early_.index = message.index;
  early_.bytes += message.bytes.size();
  if (early_.bytes > kMaxEarlyBytes) return "too many bytes come early";
  // It was settled before they came.
  if (message.index < intake_.begin()) return nullptr;
  const Item& item = intake_[message.index];
  if (item.is_folder || item.output.sparse || item.size <= kMaxEarlyBytes) {
    return "bytes come early of what has none, or holes, or few";
  }
  if (message.index < decided_ && !early_.counts) {
    // Decided on before the first of them came; or they are in vain.
    if (early_.bytes > message.bytes.size()) return nullptr;
    DecideEarly(message.index, item.verdict);
    if (!early_.counts) return nullptr;
  }
  early_.held.insert(early_.held.end(), message.bytes.begin(),
                     message.bytes.end());
  if (!early_.counts) return nullptr;
  if (!CountEarly(message.bytes.size())) {
    return "bytes come early, and once more";
  }
  WriteEarly();
  return nullptr;
}

// What was said of the file is what the sender goes by, too.
void Receiver::Core::DecideEarly(std::uint64_t index, file::Verdict verdict) {
  if (early_.index != index) return;
  const Item& item = intake_[index];
  early_.counts = intake_.IsOpen(index) && verdict == file::Verdict::kWant &&
                  item.output.remains == nullptr && item.base_size == 0;
  if (!early_.counts) {
    early_.held = {};
  } else if (!early_.held.empty()) {
    // Nothing can have come of a file that is wanted only now.
    P2PCP_CHECK(CountEarly(early_.held.size()));
  }
}

// The last `bytes` of what is held do not come as DATA. False if they did.
bool Receiver::Core::CountEarly(std::uint64_t bytes) {
  const std::uint64_t end = sink_.Begin(intake_[*early_.index].piece) +
                            early_.begin + early_.held.size();
  return connection().SkipReceived(StreamOffset(end - bytes), StreamOffset(end),
                                   0);
}

void Receiver::Core::WriteEarly() {
  if (!early_.counts || early_.held.empty()) return;
  const std::uint64_t size = early_.held.size();
  const bool open = intake_.IsOpen(*early_.index) &&
                    sink_.IsOpen(intake_[*early_.index].piece);
  if (!open) {
    early_.held = {};
    return;
  }
  const std::uint64_t begin =
      sink_.Begin(intake_[*early_.index].piece) + early_.begin;
  switch (sink_.Write(begin, ByteSpan(early_.held))) {
    case file::Sink::Take::kTaken:
      break;
    case file::Sink::Take::kNoRoom:
      return;  // It is tried again.
    case file::Sink::Take::kOutside:
      violation_ = "it sends bytes early, and once more";
      return;
  }
  taken_bytes_ += size;
  early_.uncharged += size;
  early_.begin += size;
  early_.held.clear();
}

}  // namespace p2pcp

// What a receiver does with the older versions of files.

#include <utility>

#include "transfer/connection/connection.h"
#include "transfer/file/delta_signature.h"
#include "transfer/session/receiver_core.h"

namespace p2pcp {

// There is one of a file that is about to be wanted: told before that.
void Receiver::Core::TellBase(std::uint64_t index) {
  message::Signatures message;
  message.index = index;
  message.base_size = intake_[index].base_size;
  Send(message);
}

void Receiver::Core::TellSignatures(file::Sink::Event event) {
  // Nothing is said of a file that is settled.
  if (!intake_.IsOpen(event.id)) return;
  message::Signatures message;
  message.index = event.id;
  message.base_size = event.base_ended ? 0 : intake_[event.id].base_size;
  message.copies = event.copies;
  message.first = event.first;
  message.signatures = std::move(event.signatures);
  savings_.signature_bytes += message.signatures.size() * file::kSignatureBytes;
  Send(message);
}

const char* Receiver::Core::Handle(const message::Copies& message) {
  if (!intake_.IsOpen(message.index)) return nullptr;
  const Item& item = intake_[message.index];
  if (item.verdict != file::Verdict::kWant || item.is_folder ||
      item.base_size == 0) {
    return "a copy from a version that was not told of";
  }
  const std::uint64_t begin = sink_.Begin(item.piece);
  for (const message::Copies::Part& part : message.parts) {
    if (part.first > item.size || part.count > item.size - part.first) {
      return "a copy lies outside of its file";
    }
    const std::uint64_t end = part.first + part.count;
    if (!sink_.AddCopy(item.piece, part.first, end, part.from) ||
        !connection().SkipReceived(StreamOffset(begin + part.first),
                                   StreamOffset(begin + end), 0)) {
      return "a copy lies where bytes came, or where nothing is, or there are "
             "too many";
    }
    savings_.copied_bytes += part.count;
  }
  sink_.WantSignatures(item.piece, message.wanted);
  return nullptr;
}

}  // namespace p2pcp

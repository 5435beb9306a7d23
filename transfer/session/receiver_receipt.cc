// What a receiver does besides where a receipt is wanted. The sender learns of
// folders by DECISIONS and of files by RECEIVED, and of each in the order in
// which the receipt has them: so what waits of the one goes out before the next
// of the other.

#include <cstddef>
#include <utility>

#include "net/base/check.h"
#include "transfer/session/receiver_core.h"

namespace p2pcp {

namespace {

// 10 KiB at most.
constexpr std::size_t kFilesPerMessage = 256;
static_assert(kFilesPerMessage * message::kMaxReceived <= 10 << 10);

}  // namespace

void Receiver::Core::AddFolderToReceipt(std::uint64_t index) {
  if (receipt_ == nullptr) return;
  FlushReceived();
  receipt_->AddFolder(intake_.PathOf(index));
}

void Receiver::Core::AddFileToReceipt(std::uint64_t index,
                                      const file::Digest& digest) {
  P2PCP_CHECK(digest.strong.has_value());
  FlushDecisions();
  receipt_->AddFile(exact_ ? exact_name_ : intake_.PathOf(index),
                    intake_[index].size, *digest.strong);
  received_.files.push_back({index, *digest.strong});
  if (received_.files.size() == kFilesPerMessage) FlushReceived();
}

void Receiver::Core::FlushReceived() {
  if (received_.files.empty()) return;
  Send(received_);
  received_.files.clear();
}

// All is settled.
void Receiver::Core::SendReceipt() {
  if (receipt_ == nullptr) return;
  const std::uint64_t missing =
      end_->entries - entries_done_ + end_->unreadable + end_->left_out;
  Send(message::Receipt{receipt_->End(missing)});
}

}  // namespace p2pcp

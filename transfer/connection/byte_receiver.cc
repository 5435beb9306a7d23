#include "transfer/connection/byte_receiver.h"

#include "net/base/check.h"

namespace p2pcp {

using Range = RangeSet::Range;

ByteReceiver::Outcome ByteReceiver::Receive(StreamOffset offset,
                                            ByteSpan bytes) {
  if (sink_ == nullptr) return Outcome::kNoSink;
  const std::uint64_t begin = offset.value();
  const std::uint64_t end = begin + bytes.size();
  std::uint64_t fresh = 0;
  received_.ForEachMissing(begin, end, [&](Range range) {
    fresh += range.size();
    return true;
  });
  duplicate_ += bytes.size() - fresh;
  if (fresh == 0) return Outcome::kTaken;
  if (fresh > Allowance()) return Outcome::kBeyondCredit;
  if (TooScattered(begin, end)) {
    ++refused_;
    return Outcome::kRefused;
  }
  if (fresh == bytes.size()) {
    // The usual case: all of it is new.
    if (!sink_->Write(offset, bytes)) {
      ++refused_;
      return Outcome::kRefused;
    }
    received_total_ += received_.Insert(begin, end);
    return Outcome::kTaken;
  }
  // Pieces that the sink takes count even if it refuses a later one.
  std::uint64_t taken_until = begin;
  const bool all = received_.ForEachMissing(begin, end, [&](Range range) {
    if (!sink_->Write(StreamOffset(range.begin),
                      bytes.subspan(range.begin - begin, range.size()))) {
      return false;
    }
    taken_until = range.end;
    return true;
  });
  received_total_ += received_.Insert(begin, all ? end : taken_until);
  if (all) return Outcome::kTaken;
  ++refused_;
  return Outcome::kRefused;
}

bool ByteReceiver::ReceiveRun(StreamOffset offset, BytePieces bytes) {
  const std::uint64_t begin = offset.value();
  const std::uint64_t end = begin + bytes.size();
  if (sink_ == nullptr || received_.ContainsAny(begin, end) ||
      bytes.size() > Allowance() || TooScattered(begin, end) ||
      !sink_->WriteRun(offset, bytes)) {
    return false;
  }
  received_total_ += received_.Insert(begin, end);
  return true;
}

void ByteReceiver::Release(std::uint64_t n) {
  P2PCP_CHECK(n <= received_total_ - released_);
  released_ += n;
}

void ByteReceiver::Forget(StreamOffset begin, StreamOffset end) {
  forgotten_ += received_.Erase(begin.value(), end.value());
}

bool ByteReceiver::Skip(std::uint64_t begin, std::uint64_t end,
                        std::uint64_t charged) {
  std::uint64_t here = end - begin;
  received_.ForEachMissing(begin, end, [&](Range range) {
    here -= range.size();
    return true;
  });
  if (charged < here || charged > end - begin) return false;
  const std::uint64_t lost = charged - here;
  if (lost > Allowance()) return false;
  received_.Insert(begin, end);
  // Bytes that were under way come in vain: they will never be written.
  received_total_ += lost;
  released_ += lost;
  return true;
}

}  // namespace p2pcp

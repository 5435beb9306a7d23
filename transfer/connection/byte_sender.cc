#include "transfer/connection/byte_sender.h"

#include <algorithm>

#include "net/base/check.h"

namespace p2pcp {

using Range = RangeSet::Range;

void ByteSender::Offer(StreamOffset begin, StreamOffset end,
                       PacketNumber next_number) {
  P2PCP_CHECK(source_ != nullptr);
  P2PCP_CHECK(begin <= end && end.value() <= StreamOffset::kMax);
  // Of a range that is on its way already only the rest is news.
  offered_.ForEachMissing(begin.value(), end.value(), [&](Range range) {
    unsent_.Insert(range.begin, range.end);
    return true;
  });
  acked_.ForEachPresent(begin.value(), end.value(), [&](Range range) {
    unsent_.Insert(range.begin, range.end);
    stale_.Insert(range.begin, range.end);
    barrier_ = next_number;
    return true;
  });
  offered_.Insert(begin.value(), end.value());
  acked_.Erase(begin.value(), end.value());
  unsent_waits_ = false;
}

void ByteSender::OfferAgain(StreamOffset begin, StreamOffset end,
                            PacketNumber next_number) {
  P2PCP_CHECK(offered_.ContainsAll(begin.value(), end.value()));
  acked_.Erase(begin.value(), end.value());
  lost_.Erase(begin.value(), end.value());
  unsent_.Insert(begin.value(), end.value());
  // Also what is under way now was sent in vain.
  stale_.Insert(begin.value(), end.value());
  barrier_ = next_number;
  unsent_waits_ = false;
}

std::uint64_t ByteSender::Skip(std::uint64_t begin, std::uint64_t end) {
  std::uint64_t charged = 0;
  offered_.ForEachPresent(begin, end, [&](Range range) {
    charged += range.size();
    return true;
  });
  charged -= unsent_.Erase(begin, end);
  lost_.Erase(begin, end);
  offered_.Insert(begin, end);
  acked_.Insert(begin, end);
  stale_.Erase(begin, end);
  lost_waits_ = unsent_waits_ = false;
  return charged;
}

SendLimit ByteSender::limit() const {
  if (offered_.empty()) return SendLimit::kIdle;
  if (!lost_.empty() || (!unsent_.empty() && unsent_waits_)) {
    return SendLimit::kSource;
  }
  if (!unsent_.empty() && sent_ >= credit_) return SendLimit::kCredit;
  return AllAcked() ? SendLimit::kFinished : SendLimit::kPath;
}

void ByteSender::OnSourceReady() {
  lost_waits_ = false;
  unsent_waits_ = false;
}

std::optional<ByteSender::Chunk> ByteSender::Read(std::uint64_t offset,
                                                  std::uint64_t size,
                                                  MutableByteSpan scratch) {
  Chunk chunk;
  chunk.offset = StreamOffset(offset);
  const ByteSpan first = source_->Read(chunk.offset, size);
  P2PCP_CHECK(first.size() <= size);
  if (first.empty()) return std::nullopt;
  chunk.data = first;
  if (first.size() == size) return chunk;

  // The source's buffer ends inside the packet: both pieces have to be joined,
  // since the first is only valid until the second is asked for.
  P2PCP_CHECK(size <= scratch.size());
  CopyBytes(first, scratch);
  chunk.copied = first.size();
  chunk.data = {};
  while (chunk.size() < size) {
    const ByteSpan next =
        source_->Read(chunk.offset + chunk.size(), size - chunk.size());
    P2PCP_CHECK(next.size() <= size - chunk.size());
    // The rest is not in memory: what there is goes alone.
    if (next.empty()) break;
    if (chunk.size() + next.size() == size) {
      chunk.data = next;
      break;
    }
    CopyBytes(next, scratch.subspan(chunk.copied));
    chunk.copied += next.size();
  }
  return chunk;
}

std::optional<ByteSender::Chunk> ByteSender::Next(std::size_t max_size,
                                                  MutableByteSpan scratch) {
  std::optional<Chunk> chunk;
  if (HasLost()) {
    const Range lost = lost_.Front();
    chunk = Read(lost.begin, std::min<std::uint64_t>(lost.size(), max_size),
                 scratch);
    if (chunk) {
      lost_.PopFront(chunk->size());
      retransmitted_ += chunk->size();
    } else {
      lost_waits_ = true;
    }
  }
  if (!chunk && HasUnsent()) {
    const Range unsent = unsent_.Front();
    chunk = Read(
        unsent.begin,
        std::min<std::uint64_t>({unsent.size(), max_size, credit_ - sent_}),
        scratch);
    if (chunk) {
      unsent_.PopFront(chunk->size());
      sent_ += chunk->size();
    } else {
      unsent_waits_ = true;
    }
  }
  if (chunk) chunk->last = lost_.empty() && unsent_.empty();
  return chunk;
}

ByteSender::Chunk ByteSender::NextRun(std::size_t size, std::uint64_t most) {
  Chunk chunk;
  if (HasLost() || !HasUnsent()) return chunk;
  const Range unsent = unsent_.Front();
  std::uint64_t packets =
      std::min(most, std::min(unsent.size(), credit_ - sent_) / size);
  if (packets > 0 && lost_.empty() && packets * size == unsent_.size()) {
    --packets;
  }
  if (packets == 0) return chunk;
  chunk.offset = StreamOffset(unsent.begin);
  const ByteSpan bytes = source_->Read(chunk.offset, packets * size);
  P2PCP_CHECK(bytes.size() <= packets * size);
  chunk.data = bytes.first(bytes.size() - bytes.size() % size);
  unsent_.PopFront(chunk.data.size());
  sent_ += chunk.data.size();
  return chunk;
}

std::optional<ByteSender::Chunk> ByteSender::Repeat(std::uint64_t offset,
                                                    std::uint64_t size,
                                                    std::size_t max_size,
                                                    MutableByteSpan scratch) {
  std::optional<Range> missing;
  acked_.ForEachMissing(offset, offset + size, [&](Range range) {
    missing = range;
    return false;
  });
  if (!missing) return std::nullopt;
  std::optional<Chunk> chunk =
      Read(missing->begin, std::min<std::uint64_t>(missing->size(), max_size),
           scratch);
  if (chunk) retransmitted_ += chunk->size();
  return chunk;
}

std::optional<ByteSender::Chunk> ByteSender::Copy(std::uint64_t offset,
                                                  std::size_t max_size,
                                                  MutableByteSpan scratch) {
  std::optional<Range> next;
  offered_.ForEachPresent(offset, StreamOffset::kMax, [&](Range offered) {
    return acked_.ForEachMissing(offered.begin, offered.end, [&](Range range) {
      next = range;
      return false;
    });
  });
  if (!next) return std::nullopt;
  return Read(next->begin, std::min<std::uint64_t>(next->size(), max_size),
              scratch);
}

void ByteSender::OnAcked(PacketNumber number, std::uint64_t offset,
                         std::uint64_t size) {
  const std::uint64_t end = offset + size;
  if (!stale_.empty() && number < barrier_) {
    stale_.ForEachMissing(offset, end, [&](Range range) {
      acked_total_ += acked_.Insert(range.begin, range.end);
      lost_.Erase(range.begin, range.end);
      return true;
    });
    return;
  }
  acked_total_ += acked_.Insert(offset, end);
  if (!lost_.empty()) lost_.Erase(offset, end);
}

void ByteSender::OnLost(PacketNumber number, std::uint64_t offset,
                        std::uint64_t size) {
  const bool stale = !stale_.empty() && number < barrier_;
  acked_.ForEachMissing(offset, offset + size, [&](Range range) {
    if (!stale) {
      lost_.Insert(range.begin, range.end);
      return true;
    }
    return stale_.ForEachMissing(range.begin, range.end, [&](Range fresh) {
      lost_.Insert(fresh.begin, fresh.end);
      return true;
    });
  });
  lost_waits_ = false;
}

void ByteSender::OnForgotten(PacketNumber lowest) {
  if (!stale_.empty() && lowest >= barrier_) stale_.Clear();
}

}  // namespace p2pcp

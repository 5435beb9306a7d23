#include "transfer/file/source_keeper.h"

#include <optional>

namespace p2pcp::file {

namespace {

bool IsSame(const JournalState::Part& a, const JournalState::Part& b) {
  return a.key == b.key && a.device == b.device && a.inode == b.inode &&
         a.stamp == b.stamp;
}

}  // namespace

std::uint64_t SourceKeeper::Restore(const JournalState::Part& file,
                                    Hasher& hasher) {
  const JournalState& state = journal_.state();
  const std::optional<std::uint64_t> id = state.FindPart(file.key.path);
  if (!id) return 0;
  const JournalState::Part& known = state.parts().at(*id);
  if (!IsSame(known, file)) {
    journal_.End(*id);
    return 0;
  }
  if (!known.hash || !hasher.Restore(known.hash->state)) return 0;
  return known.hash->offset;
}

void SourceKeeper::Note(const JournalState::Part& file, const Hasher& hasher) {
  const JournalState& state = journal_.state();
  std::optional<std::uint64_t> id = state.FindPart(file.key.path);
  if (id && !IsSame(state.parts().at(*id), file)) {
    journal_.End(*id);
    id.reset();
  }
  if (!id) {
    // The oldest makes room.
    if (state.parts().size() >= JournalState::kMaxParts) {
      journal_.End(state.parts().begin()->first);
    }
    id = journal_.Begin(file);
    if (!id) return;
  }
  // A digest is of bytes that are there, also after a reboot.
  const std::uint64_t size = hasher.size();
  if (size == 0 || size > file.key.size) return;
  journal_.Written(*id, 0, size);
  journal_.Mark(*id);
  journal_.Synced(*id);
  journal_.SaveHash(*id, hasher);
}

}  // namespace p2pcp::file

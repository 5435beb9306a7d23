// Journals of unfinished files, whatever has happened to them: the file as it
// is, and records of any content (whose checks a fuzzer would not guess).

#include <cstddef>
#include <cstdint>
#include <optional>

#include "net/base/bytes.h"
#include "net/base/check.h"
#include "tests/fuzz/fuzz_input.h"
#include "transfer/file/interval_set.h"
#include "transfer/file/journal_state.h"
#include "transfer/file/record.h"

namespace p2pcp::file {
namespace {

JournalState Replay(ByteSpan file) {
  JournalState state;
  RecordReader reader(file);
  while (const std::optional<Record> record = reader.Next()) {
    if (!state.Apply(*record)) break;
  }
  P2PCP_CHECK(reader.good() <= file.size());
  return state;
}

bool Covers(const IntervalSet& set, const IntervalSet& other) {
  for (const Interval& range : other.list()) {
    if (!set.FirstGap(range.begin, range.end).empty()) return false;
  }
  return true;
}

void Check(const JournalState& state) {
  P2PCP_CHECK(state.parts().size() <= JournalState::kMaxParts);
  P2PCP_CHECK(state.parts().empty() || (state.owner() && state.boot()));
  for (const auto& [id, part] : state.parts()) {
    P2PCP_CHECK(state.FindPart(part.key.path) == id && id < state.next_id());
    P2PCP_CHECK(part.written.intervals() <= JournalState::kMaxIntervals);
    P2PCP_CHECK(part.written.intervals() == 0 ||
                part.written.list().back().end <= part.key.size);
    P2PCP_CHECK(Covers(part.written, part.durable));
    if (part.hash) {
      P2PCP_CHECK(part.hash->offset <= part.written.ContiguousEnd(0));
    }
  }
  // What is understood is written so that it is understood again.
  Bytes file;
  RecordWriter records;
  state.Serialize([&](JournalState::Type type, ByteSpan payload) {
    records.Append(file.size(), static_cast<std::uint8_t>(type), payload, file);
  });
  const JournalState again = Replay(file);
  P2PCP_CHECK(again.owner() == state.owner() && again.boot() == state.boot());
  P2PCP_CHECK(again.done() == state.done());
  P2PCP_CHECK(again.parts().size() == state.parts().size());
  for (const auto& [id, part] : state.parts()) {
    const JournalState::Part& other = again.parts().at(id);
    P2PCP_CHECK(part.key == other.key && part.part_path == other.part_path);
    P2PCP_CHECK(part.written.list() == other.written.list());
    P2PCP_CHECK(part.durable.list() == other.durable.list());
    P2PCP_CHECK(part.hash.has_value() == other.hash.has_value());
  }
}

}  // namespace
}  // namespace p2pcp::file

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  using namespace p2pcp;
  const ByteSpan bytes = fuzz::InputBytes(data, size);
  file::Check(file::Replay(bytes));
  // Type, length (16 bit), payload, and so on; after a header and a boot.
  file::JournalState state;
  const file::JournalOwner owner;
  P2PCP_CHECK(state.Apply({1, file::JournalState::Header(owner)}));
  P2PCP_CHECK(state.Apply({2, file::BootId{}}));
  fuzz::FuzzInput input(bytes);
  while (!input.empty()) {
    const std::uint8_t type = input.TakeU8();
    const ByteSpan payload = input.TakeBytes(input.TakeU16());
    (void)state.Apply({type, payload});
  }
  file::Check(state);
  return 0;
}

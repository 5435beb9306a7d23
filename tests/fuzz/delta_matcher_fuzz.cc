// The matcher against the files themselves: a base and a new version that is
// pasted together of pieces of the base and of others, in feeds of any size,
// with signatures that come when the input says, and that are true or lies.
// Segments cover what went in, in order; copies lie inside of the base, and
// where no signature lies they are what they stand for.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/check.h"
#include "tests/fuzz/fuzz_input.h"
#include "transfer/file/delta_matcher.h"
#include "transfer/file/delta_signature.h"
#include "transfer/file/test_folder.h"

namespace p2pcp::file {
namespace {

constexpr std::size_t kBlock = kMinDeltaBlock;
constexpr std::size_t kMaxPieces = 12;

std::string NewVersion(fuzz::FuzzInput& input, const std::string& base) {
  std::string next;
  for (std::size_t i = input.TakeU8() % kMaxPieces; i > 0; --i) {
    const std::uint8_t kind = input.TakeU8();
    const std::size_t size = input.TakeU16() % (3 * kBlock);
    const std::size_t at = input.TakeU16() % base.size();
    if (kind % 4 == 0) {
      next += RandomText(size, kind);
    } else if (kind % 4 == 1) {
      next.append(size, static_cast<char>(kind));
    } else {
      next += base.substr(at - at % (kind % 2 == 0 ? kBlock : 1), size);
    }
  }
  return next;
}

void Run(fuzz::FuzzInput input) {
  const std::uint8_t flags = input.TakeU8();
  const std::size_t size = 1 + input.TakeU16();
  std::string base = RandomText(size, flags);
  if ((flags & 1) != 0) base = std::string(size, 'a');
  const std::string next = NewVersion(input, base);
  DeltaMatcher matcher(size, std::size_t{1} << (flags >> 1 & 7));
  const bool honest = (flags & 16) == 0;
  std::vector<DeltaSegment> segments;
  std::size_t fed = 0;
  while (fed < next.size()) {
    const std::uint8_t operation = input.TakeU8();
    P2PCP_CHECK(matcher.NeededAt(fed) <= matcher.WantedAt(fed));
    P2PCP_CHECK(matcher.WantedAt(fed) <= matcher.total());
    const std::uint64_t more = std::min<std::uint64_t>(
        operation & 15, matcher.total() - matcher.known());
    for (std::uint64_t i = 0; i < more; ++i) {
      const std::size_t at = matcher.known() * kBlock;
      BlockSignature signature =
          SignBlock(AsBytes(base).subspan(at, std::min(kBlock, size - at)));
      if (!honest && input.TakeU8() % 2 == 0) {
        signature = {static_cast<std::uint32_t>(input.TakeU64()),
                     input.TakeU64()};
        // Of something that is there, but elsewhere.
        if (next.size() >= kBlock && signature.weak % 2 == 0) {
          signature = SignBlock(AsBytes(next).first(kBlock));
        }
      }
      matcher.Add({&signature, 1});
    }
    if (operation == 0xff) matcher.EndBase();
    const std::size_t feed =
        std::min<std::size_t>(1 + input.TakeU16(), next.size() - fed);
    CopyBytes(AsBytes(next).subspan(fed, feed), matcher.Buffer(fed, feed));
    fed += feed;
    matcher.Process(feed, fed == next.size() || (operation & 16) != 0);
    for (const DeltaSegment& segment : matcher.TakeSegments()) {
      segments.push_back(segment);
    }
  }
  std::uint64_t end = 0;
  for (const DeltaSegment& segment : segments) {
    P2PCP_CHECK(segment.begin == end && segment.end > end);
    end = segment.end;
    if (!segment.copy) continue;
    P2PCP_CHECK(segment.from <= size && segment.size() <= size - segment.from);
    P2PCP_CHECK(!honest || base.compare(segment.from, segment.size(), next,
                                        segment.begin, segment.size()) == 0);
  }
  P2PCP_CHECK(end == next.size());
}

}  // namespace
}  // namespace p2pcp::file

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  p2pcp::file::Run(p2pcp::fuzz::FuzzInput(p2pcp::fuzz::InputBytes(data, size)));
  return 0;
}

// The receiver's ACKs against a std::set of the numbers that came: an ACK never
// names one that did not, the newest range is always in it, what fits and is
// new is named in each of three, and memory is bounded.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <set>

#include "net/base/bytes.h"
#include "net/base/check.h"
#include "net/base/packet_number.h"
#include "net/base/time.h"
#include "tests/fuzz/fuzz_input.h"
#include "transfer/recovery/ack_tracker.h"
#include "transfer/wire/frames.h"

namespace p2pcp {
namespace {

constexpr std::size_t kMaxOperations = 1'000;
constexpr TimePoint kStart{1s};

class Model {
 public:
  void Drive(fuzz::FuzzInput input) {
    for (std::size_t i = 0; i < kMaxOperations && !input.empty(); ++i) {
      const std::uint8_t operation = input.TakeU8();
      switch (operation & 3) {
        case 0:
        case 1:
          Receive(NextNumber(input, operation >> 4), operation);
          break;
        case 2:
          WriteAck(32 + 8 * input.TakeU8());
          break;
        case 3:
          if ((operation & 4) != 0) {
            now_ += input.TakeU16() * 10us;
          } else if (!seen_.empty()) {
            Ping(*seen_.rbegin() -
                 std::min<std::uint64_t>(*seen_.rbegin(), input.TakeU16()));
          }
          break;
      }
      P2PCP_CHECK(tracker_.range_count() <= wire::kMaxAckRanges);
      P2PCP_CHECK(tracker_.pending() == (pending_ > 0));
      P2PCP_CHECK(!tracker_.pending() || tracker_.deadline().has_value());
    }
    // A whole ACK after a question names all that is remembered.
    if (seen_.empty()) return;
    Ping(0);
    WriteAck(kWholeAck);
    P2PCP_CHECK(named_ranges_ == tracker_.range_count());
  }

 private:
  static constexpr std::size_t kWholeAck = 8'192;

  std::uint64_t NextNumber(fuzz::FuzzInput& input, unsigned kind) {
    const std::uint64_t highest = seen_.empty() ? 0 : *seen_.rbegin();
    const std::uint64_t step = input.TakeU8();
    std::uint64_t number = highest + 1;
    if (kind % 4 == 1) number = highest + 1 + step;
    if (kind % 4 == 2) number = highest - std::min(highest, step);
    if (kind % 4 == 3) number = highest + 2;
    if (kind == 15) number = highest + step * 1'000'003;
    return std::min(number, PacketNumber::kMax);
  }

  void Receive(std::uint64_t number, std::uint8_t flags) {
    const PacketNumber packet(number);
    // Known is what came and is not forgotten, never anything else.
    const bool known = tracker_.Contains(packet);
    P2PCP_CHECK(!known || seen_.contains(number));
    if (known) return;
    const bool eliciting = (flags & 4) == 0;
    tracker_.OnPacketReceived(now_, packet, 1'000, eliciting, (flags & 8) != 0);
    seen_.insert(number);
    ++packets_;
    pending_ += eliciting;
  }

  void Ping(std::uint64_t lowest) {
    tracker_.OnPing(PacketNumber(lowest));
    // All at or above it, as far as it was remembered, stays remembered.
    P2PCP_CHECK(tracker_.Contains(PacketNumber(*seen_.rbegin())));
  }

  void WriteAck(std::size_t room) {
    if (seen_.empty()) return;
    Bytes out(room);
    ByteWriter writer(out);
    if (!tracker_.WriteAck(now_, writer, 1'000'000, 5)) {
      P2PCP_CHECK(room < kWholeAck);
      return;
    }
    pending_ = 0;
    P2PCP_CHECK(writer.ok() && !tracker_.deadline().has_value());
    wire::FrameReader reader(ByteSpan(out).first(writer.size()));
    P2PCP_CHECK(reader.Next(frame_) == wire::FrameReader::Result::kFrame);
    P2PCP_CHECK(frame_.type == wire::FrameType::kAck);
    P2PCP_CHECK(frame_.ack.packets_received == packets_);
    P2PCP_CHECK(frame_.ack.bytes_received == packets_ * 1'000);
    named_ranges_ = frame_.ack.range_count;
    P2PCP_CHECK(frame_.ack.Ranges()[0].largest.value() == *seen_.rbegin());
    std::uint64_t above = PacketNumber::kMax + 1;
    for (const wire::AckRange& range : frame_.ack.Ranges()) {
      const std::uint64_t smallest = range.smallest.value();
      const std::uint64_t largest = range.largest.value();
      P2PCP_CHECK(smallest <= largest && largest < above);
      above = smallest;
      // Every number of it came: the set holds as many as it is long.
      const auto first = seen_.lower_bound(smallest);
      const auto last = seen_.upper_bound(largest);
      P2PCP_CHECK(static_cast<std::uint64_t>(std::distance(first, last)) ==
                  largest - smallest + 1);
    }
  }

  TimePoint now_ = kStart;
  AckTracker tracker_{kStart};
  wire::Frame frame_;
  std::set<std::uint64_t> seen_;
  std::uint64_t packets_ = 0;
  std::uint64_t pending_ = 0;
  std::size_t named_ranges_ = 0;
};

}  // namespace
}  // namespace p2pcp

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  p2pcp::Model model;
  model.Drive(p2pcp::fuzz::FuzzInput(p2pcp::fuzz::InputBytes(data, size)));
  return 0;
}

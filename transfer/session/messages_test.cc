#include "transfer/session/messages.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/random.h"
#include "net/base/time.h"
#include "transfer/session/bottleneck.h"

namespace p2pcp::message {
namespace {

file::Digest CountingDigest() {
  file::Digest digest;
  for (std::size_t i = 0; i < digest.bytes.size(); ++i) {
    digest.bytes[i] = static_cast<std::byte>(i);
  }
  return digest;
}

struct Golden {
  const char* hex;
  Message message;
};

// One of each, byte for byte; the fields are commented in order.
std::vector<Golden> Goldens() {
  constexpr char kDigest[] = "000102030405060708090a0b0c0d0e0f";
  static const std::string digest_hex = "0705" + std::string(kDigest);
  static const std::string done_hex = "084100" + std::string(kDigest);
  return {
      // type, lowest, highest, role
      {"01010100", Hello{1, 1, false}},
      {"01014040"
       "01",
       Hello{1, 64, true}},
      // type, file count, total bytes
      {"020380100000", Offer{3, 0x100000}},
      // type, first; name, size, seconds (zigzag), nanoseconds, flags
      {"0302"
       "0161"
       "05"
       "04"
       "00000007"
       "01"
       "026263"
       "00"
       "01"
       "00000000"
       "00",
       Entries{2, {{"a", 5, {2, 7}, true}, {"bc", 0, {-1, 0}, false}}}},
      // type, (first, count)...
      {"0400010503", KeepBack{{{0, 1}, {5, 3}}}},
      {"05", Accept{}},
      // type, reason
      {"0602", Decline{Reason::kDeclined}},
      // type, index, digest
      {digest_hex.c_str(), FileDigest{5, CountingDigest()}},
      {done_hex.c_str(), FileDone{0x100, CountingDigest()}},
      // type, index, reason
      {"090703", FileFailed{7, Reason::kKeptBack}},
      // type, files done
      {"0a02", Done{2, {}}},
      // type, files done, microseconds: elapsed, busy, disk, disk's processor;
      // datagrams dropped
      {"0a02"
       "800f4240"
       "4400"
       "3f"
       "00"
       "07",
       Done{2, ReceiverReport{{1s, 1024us, 63us, 0us}, 7}}},
      {"0b", Finished{}},
      // type, bottleneck, packets sent, lost, smoothed RTT, least RTT, bytes of
      // data sent, of these again
      {"0b01"
       "4800"
       "05"
       "8000c738"
       "8000c350"
       "80100000"
       "4fff",
       Finished{TransferReport{Bottleneck::kPath, 0x800, 5, 51ms, 50ms,
                               0x100000, 0xfff}}},
      // type, reason
      {"0c01", Abort{Reason::kCancelled}},
  };
}

TEST(Messages, BytesAreThoseOfTheProtocol) {
  for (const Golden& golden : Goldens()) {
    EXPECT_EQ(Hex(Serialize(golden.message)), golden.hex);
  }
}

TEST(Messages, ParsingGivesBackWhatWasSerialized) {
  for (const Golden& golden : Goldens()) {
    const std::optional<Message> message = Parse(Unhex(golden.hex));
    ASSERT_TRUE(message.has_value()) << golden.hex;
    EXPECT_EQ(message->index(), golden.message.index());
    EXPECT_EQ(Hex(Serialize(*message)), golden.hex);
  }
  const auto entries = std::get<Entries>(*Parse(Unhex(Goldens()[3].hex)));
  EXPECT_EQ(entries.first, 2u);
  EXPECT_EQ(entries.entries[0], (file::Entry{"a", 5, {2, 7}, true}));
  EXPECT_EQ(entries.entries[1], (file::Entry{"bc", 0, {-1, 0}, false}));
}

TEST(Messages, NoTruncatedMessageIsTaken) {
  for (const Golden& golden : Goldens()) {
    const Bytes bytes = Unhex(golden.hex);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      const std::optional<Message> message = Parse(ByteSpan(bytes).first(size));
      // Lists may end after any element.
      if (message && size > 1 &&
          (std::holds_alternative<Entries>(*message) ||
           std::holds_alternative<KeepBack>(*message))) {
        EXPECT_EQ(Serialize(*message).size(), size);
        continue;
      }
      // These had no report once; a report is there to its end.
      const Done* done = message ? std::get_if<Done>(&*message) : nullptr;
      const Finished* finished =
          message ? std::get_if<Finished>(&*message) : nullptr;
      if ((done != nullptr && !done->report) ||
          (finished != nullptr && !finished->report)) {
        EXPECT_EQ(Serialize(*message).size(), size);
        continue;
      }
      EXPECT_FALSE(message.has_value()) << golden.hex << " at " << size;
    }
  }
}

TEST(Messages, OnlyAGreetingMayBeLonger) {
  for (const Golden& golden : Goldens()) {
    Bytes bytes = Unhex(golden.hex);
    bytes.push_back(std::byte{0});
    EXPECT_EQ(Parse(bytes).has_value(),
              std::holds_alternative<Hello>(golden.message))
        << golden.hex;
  }
}

TEST(Messages, MalformedOnesAreRefused) {
  for (const char* hex : {
           "00", "0d", "ff",  // No such type.
           "01010102",        // No such role.
           "01020100",        // Lowest above highest.
           "03000161050400000007"
           "02",        // A flag that does not exist.
           "0300",      // No entry.
           "0300ff61",  // A name longer than the message.
           "04",        // No run.
           "040100",    // An empty run.
       }) {
    EXPECT_FALSE(Parse(Unhex(hex)).has_value()) << hex;
  }
  EXPECT_FALSE(Parse({}).has_value());
}

TEST(Messages, AnUnknownReasonIsSomeReason) {
  const auto message = Parse(Unhex("0cfe"));
  ASSERT_TRUE(message.has_value());
  EXPECT_EQ(std::get<Abort>(*message).reason, Reason::kOther);
}

TEST(Messages, SizesAreAsAnnounced) {
  SeededRandom random(1);
  for (int i = 0; i < 200; ++i) {
    file::Entry entry;
    entry.name = std::string(1 + random.Below(255), 'x');
    entry.size = random.NextU64() >> (3 + random.Below(60));
    entry.mtime.seconds =
        static_cast<std::int64_t>(random.NextU64() >> random.Below(64)) / 2;
    const std::uint64_t first = random.Below(65536);
    EXPECT_LE(Serialize(Entries{first, {entry}}).size(),
              kEntriesOverhead + EntrySize(entry));
  }
  for (const Golden& golden : Goldens()) {
    EXPECT_LE(Serialize(golden.message).size(), kMaxSmall);
  }
}

TEST(Messages, GarbageIsRefusedOrSane) {
  SeededRandom random(2);
  for (int i = 0; i < 20'000; ++i) {
    Bytes bytes(random.Below(64));
    random.Fill(bytes);
    if (!bytes.empty()) bytes[0] = static_cast<std::byte>(random.Below(14));
    if (const auto message = Parse(bytes)) Serialize(*message);
  }
}

}  // namespace
}  // namespace p2pcp::message

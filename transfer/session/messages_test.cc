#include "transfer/session/messages.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/random.h"
#include "net/base/time.h"
#include "transfer/file/strong_hash.h"
#include "transfer/session/bottleneck.h"
#include "transfer/session/receipt.h"

namespace p2pcp::message {
namespace {

file::Digest CountingDigest() {
  file::Digest digest;
  for (std::size_t i = 0; i < digest.bytes.size(); ++i) {
    digest.bytes[i] = static_cast<std::byte>(i);
  }
  return digest;
}

file::StrongDigest CountingStrongDigest() {
  file::StrongDigest digest;
  for (std::size_t i = 0; i < digest.size(); ++i) {
    digest[i] = static_cast<std::byte>(i);
  }
  return digest;
}

const ReceiptId kReceiptId = [] {
  ReceiptId id;
  for (std::size_t i = 0; i < id.size(); ++i) {
    id[i] = static_cast<std::byte>(0x11 * i);
  }
  return id;
}();

struct Golden {
  const char* hex;
  Message message;
};

// One of each, byte for byte; the fields are commented in order.
std::vector<Golden> Goldens() {
  constexpr char kDigest[] = "000102030405060708090a0b0c0d0e0f";
  static const std::string digests_hex =
      "0705" + std::string(kDigest) + "02" + kDigest;
  static const std::string blocks_hex = "120503" + std::string(kDigest);
  static const std::string received_hex = "164100" + std::string(kDigest) +
                                          "101112131415161718191a1b1c1d1e1f" +
                                          "05" + std::string(64, '0');
  file::Entry folder;
  folder.kind = file::Entry::Kind::kFolder;
  folder.up = 2;
  folder.name = "bc";
  folder.mtime = {-1, 0};
  file::Entry tool;
  tool.name = "a";
  tool.executable = true;
  tool.size = 5;
  tool.mtime = {2, 7};
  file::Entry image;
  image.name = "i";
  image.sparse = true;
  image.size = 0x100000;
  image.data_bytes = 63;
  return {
      // type, lowest, highest, role
      {"01030300", Hello{3, 3, false}},
      {"01034040"
       "01",
       Hello{3, 64, true}},
      // type, flags, id of the receipt
      {"0200", Offer{}},
      {"0201"
       "00112233445566778899aabbccddeeff",
       Offer{kReceiptId}},
      // type, first; flags, folders left, name, seconds (zigzag), nanoseconds,
      // size, bytes of data
      {"0302"
       "04"
       "00"
       "0161"
       "04"
       "00000007"
       "05"
       "01"
       "02"
       "026263"
       "01"
       "00000000"
       "08"
       "00"
       "0169"
       "00"
       "00000000"
       "80100000"
       "3f",
       Entries{2, {tool, folder, image}}},
      // type, first; (count * 8 + verdict)...
      {"0405"
       "08"
       "1a"
       "4100",
       Decisions{5,
                 {{1, file::Verdict::kWant},
                  {3, file::Verdict::kCompare},
                  {32, file::Verdict::kWant}}}},
      // type, flags
      {"0500", Accept{}},
      {"0501", Accept{.in_order = true}},
      // type, index, size
      {"15054400", StreamEnd{5, 0x400}},
      // type, reason
      {"0602", Decline{Reason::kDeclined}},
      // type; (index, digest), (distance, digest)...
      {digests_hex.c_str(),
       Digests{{{5, CountingDigest()}, {8, CountingDigest()}}}},
      // type; (first, count), (distance, count)...
      {"08050102"
       "4100",
       FilesDone{{{5, 1}, {8, 0x100}}}},
      // type; (index, digest)...
      {received_hex.c_str(),
       Received{{{0x100, CountingStrongDigest()}, {5, {}}}}},
      // type, length of the end, end
      {"1703656e64", Receipt{ToBytes(AsBytes("end"))}},
      // type, index, reason
      {"090703", FileFailed{7, Reason::kKeptBack}},
      // type, entries done, microseconds: elapsed, busy, disk, disk's
      // processor; datagrams dropped
      {"0a02"
       "800f4240"
       "4400"
       "3f"
       "00"
       "07",
       Done{2, ReceiverReport{{1s, 1024us, 63us, 0us}, 7}}},
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
      // type, entries, bytes, unreadable, left out
      {"0d0380100000"
       "0102",
       End{3, 0x100000, 1, 2}},
      // type, index, bytes charged
      {"0e054400", SourceFailed{5, 0x400}},
      // type, index; (first, count), (distance, count)...
      {"0f0580010000"
       "4400"
       "0201",
       Holes{5, {{0x10000, 0x400}, {0x10402, 1}}}},
      // type, index
      {"1007", Want{7}},
      {"1107", CheckBlocks{7}},
      // type, index, first block, digests...
      {blocks_hex.c_str(), BlockDigests{5, 3, {CountingDigest()}}},
      // type, index; (first, count)...
      {"1305000102"
       "03",
       Repair{5, {{0, 1}, {3, 3}}}},
      // type, index, size of the base, copies, first block; weak, strong
      {"1805"
       "80100000"
       "0203"
       "01020304"
       "05060708090a0b0c",
       Signatures{5, 0x100000, 2, 3, {{0x01020304, 0x05060708090a0b0c}}}},
      {"1805000000", Signatures{5, 0, 0, 0, {}}},
      // type, index, wanted; distance, length, from
      {"1905"
       "4400"
       "014064"
       "0a"
       "000500",
       Copies{5, 1024, {{1, 100, 10}, {101, 5, 0}}}},
      {"190507", Copies{5, 7, {}}},
      // type, index, bytes
      {"1a05"
       "616263",
       Early{5, ToBytes(AsBytes("abc"))}},
      // type, index; (first, bytes), (distance, bytes)...
      {"140500440002"
       "01",
       Have{5, {{0, 0x400}, {0x402, 1}}}},
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
  const auto entries = std::get<Entries>(*Parse(Unhex(Goldens()[4].hex)));
  EXPECT_EQ(entries.first, 2u);
  EXPECT_EQ(entries.entries, std::get<Entries>(Goldens()[4].message).entries);
}

// Messages that are a list may end after any element.
bool IsList(const Message& message) {
  return std::holds_alternative<Entries>(message) ||
         std::holds_alternative<Decisions>(message) ||
         std::holds_alternative<Digests>(message) ||
         std::holds_alternative<FilesDone>(message) ||
         std::holds_alternative<Received>(message) ||
         std::holds_alternative<Holes>(message) ||
         std::holds_alternative<Have>(message) ||
         std::holds_alternative<BlockDigests>(message) ||
         std::holds_alternative<Signatures>(message) ||
         std::holds_alternative<Copies>(message) ||
         std::holds_alternative<Early>(message) ||
         std::holds_alternative<Repair>(message);
}

TEST(Messages, NoTruncatedMessageIsTaken) {
  for (const Golden& golden : Goldens()) {
    const Bytes bytes = Unhex(golden.hex);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      const std::optional<Message> message = Parse(ByteSpan(bytes).first(size));
      if (message && size > 1 && IsList(*message)) {
        EXPECT_EQ(Serialize(*message).size(), size);
        continue;
      }
      EXPECT_FALSE(message.has_value()) << golden.hex << " at " << size;
    }
  }
}

TEST(Messages, OnlyAGreetingAndAnOfferMayBeLonger) {
  for (const Golden& golden : Goldens()) {
    if (std::holds_alternative<Early>(golden.message)) continue;
    Bytes bytes = Unhex(golden.hex);
    bytes.push_back(std::byte{0});
    EXPECT_EQ(Parse(bytes).has_value(),
              std::holds_alternative<Hello>(golden.message) ||
                  std::holds_alternative<Offer>(golden.message))
        << golden.hex;
  }
}

TEST(Messages, MalformedOnesAreRefused) {
  for (const char* hex : {
           "00",
           "14",
           "ff",                        // No such type.
           "01030302",                  // No such role.
           "01020100",                  // Lowest above highest.
           "030002000161040000000705",  // A flag that does not exist.
           "03000500016104000000"
           "07",                      // A folder that may be executed.
           "0300",                    // No entry.
           "03000000ff61",            // A name longer than the message.
           "0400",                    // No decision.
           "1a05",                    // No byte.
           "040004",                  // For none.
           "04000c",                  // No such verdict.
           "08",                      // No run.
           "080100",                  // An empty run.
           "0801010001",              // Runs that touch.
           "0f00ffffffffffffffff02",  // Beyond all offsets.
           "0705",                    // No digest.
           "16",                      // No file.
           "0201001122",              // No id.
       }) {
    EXPECT_FALSE(Parse(Unhex(hex)).has_value()) << hex;
  }
  EXPECT_FALSE(Parse({}).has_value());
  const Bytes end(ReceiptGiver::kMaxEnd + 1);
  EXPECT_FALSE(Parse(Serialize(Receipt{end})).has_value());
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
    entry.up = static_cast<std::uint32_t>(random.Below(64));
    entry.sparse = random.Below(2) == 0;
    entry.data_bytes = random.NextU64() >> (3 + random.Below(60));
    entry.mtime.seconds =
        static_cast<std::int64_t>(random.NextU64() >> random.Below(64)) / 2;
    const std::uint64_t first = random.Below(65536);
    EXPECT_LE(Serialize(Entries{first, {entry}}).size(),
              kEntriesOverhead + EntrySize(entry));
  }
  for (const Golden& golden : Goldens()) {
    if (!IsList(golden.message)) {
      EXPECT_LE(Serialize(golden.message).size(), kMaxSmall);
    }
  }
}

TEST(Messages, GarbageIsRefusedOrSane) {
  SeededRandom random(2);
  for (int i = 0; i < 20'000; ++i) {
    Bytes bytes(random.Below(64));
    random.Fill(bytes);
    if (!bytes.empty()) bytes[0] = static_cast<std::byte>(random.Below(0x15));
    if (const auto message = Parse(bytes)) Serialize(*message);
  }
}

}  // namespace
}  // namespace p2pcp::message

#include "transfer/file/journal_state.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/random.h"
#include "transfer/file/record.h"
#include "transfer/file/test_folder.h"

namespace p2pcp::file {
namespace {

using Type = JournalState::Type;

constexpr BootId kBoot = {std::byte{1}};
constexpr BootId kNextBoot = {std::byte{2}};

// A state together with the file that makes it.
class Writer {
 public:
  Writer() {
    Add(Type::kHeader, JournalState::Header({Bytes(32), Bytes(32), "/srv/in"}));
    Add(Type::kBoot, kBoot);
  }

  bool Try(Type type, ByteSpan payload) {
    return state.Apply({static_cast<std::uint8_t>(type), payload});
  }
  void Add(Type type, ByteSpan payload) {
    ASSERT_TRUE(Try(type, payload)) << static_cast<int>(type);
    records.Append(file.size(), static_cast<std::uint8_t>(type), payload, file);
    ends.push_back(file.size());
  }
  std::uint64_t AddPart(const std::string& path, std::uint64_t size) {
    const std::uint64_t id = state.next_id();
    JournalState::Part part;
    part.key = {path, size, {1'700'000'000, 123'456'789}, false};
    part.part_path = ".p2pcp-" + path + ".part";
    part.inode = 7;
    Add(Type::kPart, JournalState::PartRecord(id, part));
    return id;
  }
  void AddWritten(std::uint64_t id, std::uint64_t begin, std::uint64_t end) {
    Add(Type::kWritten, JournalState::Written(id, begin, end - begin));
  }
  const JournalState::Part& part(std::uint64_t id) const {
    return state.parts().at(id);
  }

  JournalState state;
  Bytes file;
  std::vector<std::size_t> ends;  // Of the records.

 private:
  RecordWriter records;
};

JournalState Replay(ByteSpan file, std::size_t* good = nullptr) {
  JournalState state;
  RecordReader reader(file);
  std::size_t understood = 0;
  while (const auto record = reader.Next()) {
    if (!state.Apply(*record)) break;
    understood = reader.good();
  }
  if (good != nullptr) *good = understood;
  return state;
}

Bytes Compact(const JournalState& state) {
  Bytes file;
  RecordWriter records;
  state.Serialize([&](Type type, ByteSpan payload) {
    records.Append(file.size(), static_cast<std::uint8_t>(type), payload, file);
  });
  return file;
}

void ExpectSame(const JournalState& a, const JournalState& b) {
  EXPECT_EQ(a.owner(), b.owner());
  EXPECT_EQ(a.boot(), b.boot());
  EXPECT_EQ(a.done(), b.done());
  ASSERT_EQ(a.parts().size(), b.parts().size());
  for (const auto& [id, part] : a.parts()) {
    const JournalState::Part& other = b.parts().at(id);
    EXPECT_EQ(part.key, other.key);
    EXPECT_EQ(part.part_path, other.part_path);
    EXPECT_EQ(part.written.list(), other.written.list());
    EXPECT_EQ(part.durable.list(), other.durable.list());
    ASSERT_EQ(part.hash.has_value(), other.hash.has_value());
    if (!part.hash) continue;
    EXPECT_EQ(part.hash->state, other.hash->state);
    EXPECT_EQ(part.hash->earlier_boot, other.hash->earlier_boot);
  }
}

TEST(JournalState, BelievesWhatThisBootWroteAndOnlyWhatEarlierOnesSynced) {
  Writer journal;
  const std::uint64_t id = journal.AddPart("film", 1000);
  journal.AddWritten(id, 0, 300);
  journal.Add(Type::kMark, JournalState::Id(id));
  // Written while it was being synced: not promised.
  journal.AddWritten(id, 300, 500);
  journal.Add(Type::kSynced, JournalState::Id(id));
  journal.AddWritten(id, 600, 700);
  journal.Add(Type::kBoot, kBoot);  // The program began again.
  EXPECT_EQ(journal.part(id).written.list(),
            (std::vector<Interval>{{0, 500}, {600, 700}}));
  EXPECT_EQ(journal.part(id).durable.list(), (std::vector<Interval>{{0, 300}}));

  journal.Add(Type::kBoot, kNextBoot);
  EXPECT_EQ(journal.part(id).written.list(), (std::vector<Interval>{{0, 300}}));
  // A SYNCED that the reboot cut off from its MARK promises nothing.
  journal.Add(Type::kSynced, JournalState::Id(id));
  EXPECT_EQ(journal.part(id).durable.list(), (std::vector<Interval>{{0, 300}}));
}

TEST(JournalState, KeepsAHashOverAReboootOnlyOfWhatWasSynced) {
  Writer journal;
  const std::uint64_t id = journal.AddPart("film", 1000);
  journal.AddWritten(id, 0, 500);
  Hasher hasher;
  hasher.Update(Bytes(400));
  const auto save = [&] {
    journal.Add(Type::kHash, JournalState::Hash(id, false, hasher.Save()));
  };
  save();
  ASSERT_TRUE(journal.part(id).hash);
  EXPECT_EQ(journal.part(id).hash->offset, 400u);
  EXPECT_FALSE(journal.part(id).hash->earlier_boot);
  journal.Add(Type::kBoot, kNextBoot);
  EXPECT_FALSE(journal.part(id).hash);

  // A hash of more than was written is not believed at all.
  save();
  EXPECT_FALSE(journal.part(id).hash);

  journal.AddWritten(id, 0, 500);
  journal.Add(Type::kMark, JournalState::Id(id));
  journal.Add(Type::kSynced, JournalState::Id(id));
  save();
  journal.Add(Type::kBoot, kBoot);
  ASSERT_TRUE(journal.part(id).hash);
  EXPECT_TRUE(journal.part(id).hash->earlier_boot);
}

TEST(JournalState, RefusesWhatMakesNoSense) {
  JournalState empty;
  EXPECT_FALSE(empty.Apply({2, kBoot})) << "no header";
  Writer journal;
  EXPECT_FALSE(journal.Try(Type::kHeader, JournalState::Header({{}, {}, "/"})))
      << "two headers";
  EXPECT_FALSE(journal.Try(Type::kMark, JournalState::Id(0))) << "no part";
  const std::uint64_t id = journal.AddPart("film", 100);
  JournalState::Part part = journal.part(id);
  EXPECT_FALSE(journal.Try(Type::kPart, JournalState::PartRecord(id, part)))
      << "an id twice";
  EXPECT_FALSE(journal.Try(Type::kPart, JournalState::PartRecord(id + 1, part)))
      << "a path twice";
  EXPECT_FALSE(journal.Try(Type::kWritten, JournalState::Written(id, 90, 11)))
      << "behind the end";
  EXPECT_FALSE(journal.Try(Type::kWritten, JournalState::Written(id, 90, 0)));
  EXPECT_FALSE(journal.Try(Type::kDone, Bytes(9)));
  EXPECT_FALSE(journal.Try(static_cast<Type>(99), {}));
  EXPECT_EQ(journal.part(id).written.bytes(), 0u);
}

TEST(JournalState, IsBounded) {
  Writer journal;
  const std::uint64_t id = journal.AddPart("0", 1 << 20);
  for (std::size_t i = 1; i < JournalState::kMaxParts; ++i) {
    journal.AddPart(std::to_string(i), 10);
  }
  JournalState::Part part = journal.part(id);
  part.key.path = "one more";
  EXPECT_FALSE(journal.Try(
      Type::kPart, JournalState::PartRecord(journal.state.next_id(), part)));
  for (std::size_t i = 0; i < 2 * JournalState::kMaxIntervals; ++i) {
    journal.AddWritten(id, 2 * i, 2 * i + 1);
  }
  EXPECT_EQ(journal.part(id).written.intervals(), JournalState::kMaxIntervals);
}

// A journal such as a transfer with trouble writes.
Writer RandomJournal(std::uint64_t seed, int operations) {
  SeededRandom random(seed);
  Writer journal;
  std::vector<std::uint64_t> ids;
  for (int i = 0; i < operations; ++i) {
    if (ids.empty() || random.Below(20) == 0) {
      if (ids.size() < 8) {
        ids.push_back(journal.AddPart("f" + std::to_string(i), 1 << 20));
      }
      continue;
    }
    const std::size_t pick = random.Below(ids.size());
    const std::uint64_t id = ids[pick];
    switch (random.Below(9)) {
      case 0:
        journal.Add(Type::kMark, JournalState::Id(id));
        break;
      case 1:
        journal.Add(Type::kSynced, JournalState::Id(id));
        break;
      case 2: {
        Hasher hasher;
        hasher.Update(Bytes(random.Below(1 << 12)));
        journal.Add(Type::kHash, JournalState::Hash(id, false, hasher.Save()));
        break;
      }
      case 3:
        if (random.Below(4) == 0) {
          journal.Add(Type::kEnd, JournalState::Id(id));
          ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(pick));
        } else if (random.Below(4) == 0) {
          journal.Add(Type::kBoot, random.Below(2) == 0 ? kBoot : kNextBoot);
        } else {
          Bytes done(8 * (1 + random.Below(3)));
          random.Fill(done);
          journal.Add(Type::kDone, done);
        }
        break;
      default: {
        const std::uint64_t begin = random.Below(2) * random.Below(1 << 20);
        const std::uint64_t end = begin + 1 + random.Below((1 << 20) - begin);
        journal.AddWritten(id, begin, end);
      }
    }
  }
  return journal;
}

TEST(JournalState, IsTheSameAfterReplayAndAfterCompaction) {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    SCOPED_TRACE(seed);
    const Writer journal = RandomJournal(seed, 200);
    std::size_t good = 0;
    ExpectSame(Replay(journal.file, &good), journal.state);
    EXPECT_EQ(good, journal.file.size());
    const Bytes compact = Compact(journal.state);
    ExpectSame(Replay(compact), journal.state);
    EXPECT_LE(compact.size(), journal.file.size() + (8 << 10));
  }
}

TEST(JournalState, IsWhatTheWholeRecordsSayWhereverTheFileIsCut) {
  const Writer journal = RandomJournal(77, 60);
  std::size_t whole = 0;
  for (std::size_t cut = 0; cut <= journal.file.size(); ++cut) {
    while (whole < journal.ends.size() && journal.ends[whole] <= cut) ++whole;
    const std::size_t expected = whole == 0 ? 0 : journal.ends[whole - 1];
    std::size_t good = 0;
    const JournalState state = Replay(ByteSpan(journal.file).first(cut), &good);
    ASSERT_EQ(good, expected) << cut;
    if (cut == expected) {
      ExpectSame(state, Replay(ByteSpan(journal.file).first(expected)));
    }
  }
}

// Whichever bit flips, all that is believed is what stood before it.
TEST(JournalState, BelievesNothingFromADamagedRecordOn) {
  const Writer journal = RandomJournal(78, 40);
  std::size_t record = 0;
  for (std::size_t at = 0; at < journal.file.size(); ++at) {
    while (journal.ends[record] <= at) ++record;
    const std::size_t begin = record == 0 ? 0 : journal.ends[record - 1];
    for (int bit = 0; bit < 8; ++bit) {
      Bytes damaged = journal.file;
      damaged[at] ^= static_cast<std::byte>(1 << bit);
      std::size_t good = 0;
      Replay(damaged, &good);
      ASSERT_EQ(good, begin) << at << " bit " << bit;
    }
  }
}

// Records are bound to their place: a block of an older file that shows up at
// the end, as after a power failure, is no news.
TEST(JournalState, DoesNotTakeARecordFromElsewhereInTheFile) {
  const Writer journal = RandomJournal(79, 40);
  Bytes file = journal.file;
  const std::size_t size = journal.ends.back() - *(journal.ends.end() - 2);
  file.insert(file.end(), file.end() - static_cast<std::ptrdiff_t>(size),
              file.end());
  std::size_t good = 0;
  Replay(file, &good);
  EXPECT_EQ(good, journal.file.size());
}

TEST(JournalState, TellsFilesApartByAllThatIsKnownOfThem) {
  const FileKey key{"a/b", 5, {1, 2}, false};
  std::vector<FileKey> others(5, key);
  others[0].path = "a/c";
  others[1].size = 6;
  others[2].mtime.seconds = 2;
  others[3].mtime.nanoseconds = 3;
  others[4].executable = true;
  for (const FileKey& other : others) {
    EXPECT_NE(JournalState::HashOf(other), JournalState::HashOf(key));
  }
  EXPECT_EQ(JournalState::HashOf(key), JournalState::HashOf(FileKey(key)));
}

// Journals keep it, so it must not change; and a path may be long.
TEST(JournalState, TheHashOfAKeyIsThatOfItsBytes) {
  for (const std::size_t size : {1, 40, 490, 491, 492, 4096}) {
    FileKey key{RandomText(size, size), 0x0102, {3, 4}, true};
    Bytes bytes(21 + size);
    ByteWriter writer(bytes);
    writer.WriteU64(key.size);
    writer.WriteU64(3);
    writer.WriteU32(4);
    writer.WriteU8(1);
    writer.WriteBytes(AsBytes(key.path));
    Hasher hasher;
    hasher.Update(bytes);
    EXPECT_EQ(JournalState::HashOf(key),
              ByteReader(hasher.Finish().bytes).ReadU64())
        << size;
  }
}

}  // namespace
}  // namespace p2pcp::file

#include "net/crypto/contact_book.h"

#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "net/base/random.h"
#include "net/crypto/identity.h"
#include "net/crypto/test_folder.h"

namespace p2pcp::crypto {
namespace {

UnixTime At(std::int64_t seconds) {
  return UnixTime(UnixTime::duration(seconds));
}

class ContactBookTest : public testing::Test {
 protected:
  PublicKey NewKey() { return Identity::Generate(random_).public_key(); }

  SeededRandom random_{23};
  const PublicKey bob_ = NewKey();
  const PublicKey carol_ = NewKey();
  const Psk psk_{Key(random_.Array<32>())};
  TestFolder folder_;
  const std::filesystem::path file_ = folder_ / "peers";
};

TEST(ContactName, OnlyPlainOnesAreValid) {
  for (const char* name : {"bob", "B", "9", "_x", "a.b-c_D", "anyone", "a-"}) {
    EXPECT_TRUE(ContactBook::IsValidName(name)) << name;
  }
  EXPECT_TRUE(ContactBook::IsValidName(std::string(64, 'a')));
  EXPECT_FALSE(ContactBook::IsValidName(std::string(65, 'a')));
  for (const char* name : {"", "any", "-x", ".", "..", ".x", "a b", "a/b",
                           "a\n", "b\xc3\xb6", "a:b", "\x1b[2J"}) {
    EXPECT_FALSE(ContactBook::IsValidName(name)) << name;
  }
  EXPECT_FALSE(ContactBook::IsValidName(std::string_view("a\0b", 3)));
}

TEST_F(ContactBookTest, FindsByNameAndKey) {
  ContactBook book;
  ASSERT_TRUE(book.Add("bob", bob_, psk_, At(100)).ok());
  ASSERT_TRUE(book.Add("carol", carol_, std::nullopt, At(200)).ok());
  ASSERT_NE(book.Find("bob"), nullptr);
  EXPECT_EQ(book.Find("bob")->key, bob_);
  EXPECT_EQ(book.Find("bob")->psk, psk_);
  EXPECT_EQ(book.Find("bob")->first_seen, At(100));
  EXPECT_FALSE(book.Find("bob")->last_seen.has_value());
  ASSERT_NE(book.FindByKey(carol_), nullptr);
  EXPECT_EQ(book.FindByKey(carol_)->name, "carol");
  EXPECT_EQ(book.Find("Bob"), nullptr);
  EXPECT_EQ(book.FindByKey(NewKey()), nullptr);
}

// Never replaced, and loudly refused, as ssh does.
TEST_F(ContactBookTest, KnownNameWithAnotherKeyIsRefusedWithBothFingerprints) {
  ContactBook book;
  ASSERT_TRUE(book.Add("bob", bob_, psk_, At(1)).ok());
  const Status added = book.Add("bob", carol_, std::nullopt, At(2));
  ASSERT_FALSE(added.ok());
  EXPECT_EQ(added.error().code, ErrorCode::kAuthenticationFailed);
  const std::string& message = added.error().message;
  EXPECT_NE(message.find(Fingerprint(bob_)), std::string::npos);
  EXPECT_NE(message.find(Fingerprint(carol_)), std::string::npos);
  EXPECT_EQ(book.Find("bob")->key, bob_);
  EXPECT_EQ(book.contacts().size(), 1u);
}

TEST_F(ContactBookTest, SameKeyAgainTakesThePskAndNeverDropsIt) {
  ContactBook book;
  ASSERT_TRUE(book.Add("bob", bob_, std::nullopt, At(1)).ok());
  ASSERT_TRUE(book.Add("bob", bob_, psk_, At(2)).ok());
  EXPECT_EQ(book.Find("bob")->psk, psk_);
  EXPECT_EQ(book.Find("bob")->first_seen, At(1));
  ASSERT_TRUE(book.Add("bob", bob_, std::nullopt, At(3)).ok());
  EXPECT_EQ(book.Find("bob")->psk, psk_);
  EXPECT_EQ(book.contacts().size(), 1u);
}

TEST_F(ContactBookTest, OneKeyHasOneName) {
  ContactBook book;
  ASSERT_TRUE(book.Add("bob", bob_, std::nullopt, At(1)).ok());
  const Status added = book.Add("robert", bob_, std::nullopt, At(2));
  ASSERT_FALSE(added.ok());
  EXPECT_EQ(added.error().code, ErrorCode::kUsage);
  EXPECT_NE(added.error().message.find("'bob'"), std::string::npos);
}

TEST_F(ContactBookTest, BadNamesAreRefused) {
  ContactBook book;
  EXPECT_EQ(book.Add("a b", bob_, std::nullopt, At(1)).error().code,
            ErrorCode::kUsage);
  ASSERT_TRUE(book.Add("bob", bob_, std::nullopt, At(1)).ok());
  EXPECT_EQ(book.Rename("bob", "any").error().code, ErrorCode::kUsage);
  EXPECT_NE(book.Find("bob"), nullptr);
}

TEST_F(ContactBookTest, RenameKeepsEverythingButTheName) {
  ContactBook book;
  ASSERT_TRUE(book.Add("bob", bob_, psk_, At(1)).ok());
  ASSERT_TRUE(book.Add("carol", carol_, std::nullopt, At(1)).ok());
  EXPECT_EQ(book.Rename("bob", "carol").error().code, ErrorCode::kUsage);
  EXPECT_EQ(book.Rename("dave", "eve").error().code, ErrorCode::kUsage);
  ASSERT_TRUE(book.Rename("bob", "bob").ok());
  ASSERT_TRUE(book.Rename("bob", "robert").ok());
  EXPECT_EQ(book.Find("bob"), nullptr);
  ASSERT_NE(book.Find("robert"), nullptr);
  EXPECT_EQ(book.Find("robert")->key, bob_);
  EXPECT_EQ(book.Find("robert")->psk, psk_);
}

TEST_F(ContactBookTest, RemovedNameIsFreeForAnotherKey) {
  ContactBook book;
  ASSERT_TRUE(book.Add("bob", bob_, psk_, At(1)).ok());
  ASSERT_TRUE(book.Remove("bob").ok());
  EXPECT_EQ(book.Remove("bob").error().code, ErrorCode::kUsage);
  EXPECT_TRUE(book.Add("bob", carol_, std::nullopt, At(2)).ok());
}

TEST_F(ContactBookTest, AbsentFileIsAnEmptyBook) {
  const Result<ContactBook> book = ContactBook::Load(file_);
  ASSERT_TRUE(book.ok());
  EXPECT_TRUE(book->contacts().empty());
}

TEST_F(ContactBookTest, UpdateSavesAndLoadReadsTheSame) {
  ASSERT_TRUE(ContactBook::Update(file_, [&](ContactBook& book) -> Status {
                if (Status s = book.Add("bob", bob_, psk_, At(1700000000)); !s)
                  return s;
                book.Touch(bob_, At(1700000005));
                book.Touch(NewKey(), At(1));
                return book.Add("carol", carol_, std::nullopt, At(1700000001));
              }).ok());
  EXPECT_EQ(ModeOf(file_), 0600u);
  const Result<ContactBook> book = ContactBook::Load(file_);
  ASSERT_TRUE(book.ok());
  ASSERT_EQ(book->contacts().size(), 2u);
  const Contact& bob = book->contacts()[0];
  EXPECT_EQ(bob.name, "bob");
  EXPECT_EQ(bob.key, bob_);
  EXPECT_EQ(bob.psk, psk_);
  EXPECT_EQ(bob.first_seen, At(1700000000));
  EXPECT_EQ(bob.last_seen, At(1700000005));
  const Contact& carol = book->contacts()[1];
  EXPECT_EQ(carol.key, carol_);
  EXPECT_FALSE(carol.psk.has_value());
  EXPECT_FALSE(carol.last_seen.has_value());
}

TEST_F(ContactBookTest, FileIsTheDocumentedLine) {
  const std::string line = "bob v1 " + bob_.ToString() + " " + Hex(psk_.key) +
                           " 1700000000 - pinned\n";
  WriteText(file_, line + "carol v1 " + carol_.ToString() + " - 5 6 -\n");
  const Result<ContactBook> book = ContactBook::Load(file_);
  ASSERT_TRUE(book.ok());
  EXPECT_EQ(book->Find("bob")->rules.others,
            std::vector<std::string>{"pinned"});
  EXPECT_EQ(book->Find("carol")->last_seen, At(6));
  // What is not understood is kept as it is.
  ASSERT_TRUE(ContactBook::Update(file_, [](ContactBook& b) {
                return b.Remove("carol");
              }).ok());
  EXPECT_EQ(ReadText(file_), line);
}

TEST_F(ContactBookTest, RulesAreSavedWithTheirContact) {
  ContactRules rules;
  rules.ask = true;
  rules.folder = "/in box";
  ASSERT_TRUE(ContactBook::Update(file_, [&](ContactBook& book) -> Status {
                EXPECT_TRUE(book.Add("bob", bob_, psk_, At(1)).ok());
                EXPECT_TRUE(book.SetRules("bob", rules).ok());
                // Pairing anew, or another name, changes no rule.
                EXPECT_TRUE(book.Add("bob", bob_, psk_, At(2)).ok());
                EXPECT_EQ(book.SetRules("carol", rules).error().code,
                          ErrorCode::kUsage);
                ContactRules long_ones;
                long_ones.folder = std::string(1100, 'x');
                EXPECT_EQ(book.SetRules("bob", long_ones).error().code,
                          ErrorCode::kUsage);
                return book.Rename("bob", "robert");
              }).ok());
  EXPECT_EQ(ContactBook::Load(file_)->Find("robert")->rules, rules);
}

TEST_F(ContactBookTest, AKeyIsReplacedAndAllElseStays) {
  ContactBook book;
  ASSERT_TRUE(book.Add("bob", bob_, psk_, At(1)).ok());
  const PublicKey next = NewKey();
  EXPECT_FALSE(book.ReplaceKey(carol_, next).ok());
  ASSERT_TRUE(book.ReplaceKey(bob_, next).ok());
  EXPECT_EQ(book.FindByKey(bob_), nullptr);
  EXPECT_EQ(book.Find("bob")->key, next);
  EXPECT_EQ(book.Find("bob")->psk, psk_);
  EXPECT_EQ(book.Find("bob")->first_seen, At(1));
  ASSERT_TRUE(book.Add("carol", carol_, psk_, At(1)).ok());
  EXPECT_FALSE(book.ReplaceKey(next, carol_).ok());
  EXPECT_EQ(book.Find("bob")->key, next);
}

TEST_F(ContactBookTest, TimesBefore1970AreWrittenAs1970) {
  ContactBook book;
  ASSERT_TRUE(book.Add("bob", bob_, std::nullopt, At(-5)).ok());
  const Result<ContactBook> again = ContactBook::Parse(book.Serialize(), "x");
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->Find("bob")->first_seen, At(0));
}

TEST_F(ContactBookTest, FullBookRefusesOneMoreAndFitsItsFile) {
  const std::string longest_prefix(60, 'n');
  ASSERT_TRUE(ContactBook::Update(file_, [&](ContactBook& book) -> Status {
                for (std::size_t i = 0; i < ContactBook::kMaxContacts; ++i) {
                  if (Status added =
                          book.Add(longest_prefix + std::to_string(1000 + i),
                                   NewKey(), psk_, At(1700000000));
                      !added) {
                    return added;
                  }
                }
                EXPECT_EQ(book.Add("more", bob_, psk_, At(1)).error().code,
                          ErrorCode::kUsage);
                return {};
              }).ok());
  const Result<ContactBook> book = ContactBook::Load(file_);
  ASSERT_TRUE(book.ok());
  EXPECT_EQ(book->contacts().size(), ContactBook::kMaxContacts);
}

TEST_F(ContactBookTest, DamagedLinesAreRefusedWithTheirNumber) {
  const std::string key = carol_.ToString();
  const std::string good = "bob v1 " + bob_.ToString() + " - 1 - -\n";
  for (const std::string& line :
       {std::string("\n"),
        std::string("carol\n"),
        "carol v2 " + key + " - 1 - -\n",
        "carol v1 " + key.substr(1) + " - 1 - -\n",
        "carol v1 " + key + " 00 1 - -\n",
        "carol v1 " + key + " " + std::string(64, 'g') + " 1 - -\n",
        "carol v1 " + key + " - x - -\n",
        "carol v1 " + key + " - -1 - -\n",
        "carol v1 " + key + " - 1 1x -\n",
        "carol v1 " + key + " - 1 -\n",
        "carol v1 " + key + " - 1 - - -\n",
        "carol  v1 " + key + " - 1 - -\n",
        "carol v1 " + key + " - 1 - \n",
        "carol v1 " + key + " - 1 - a\tb\n",
        "carol v1 " + key + " - 1 - ask,max=x\n",
        "carol v1 " + key + " - 1 - " + std::string(1025, 'x') + "\n",
        "carol v1 " + key + " - 99999999999999999999 - -\n",
        "any v1 " + key + " - 1 - -\n",
        "bob v1 " + key + " - 1 - -\n",
        "carol v1 " + bob_.ToString() + " - 1 - -\n",
        "carol v1 " + key + " - 1 - -"}) {
    WriteText(file_, good + line);
    const Result<ContactBook> book = ContactBook::Load(file_);
    ASSERT_FALSE(book.ok()) << line;
    EXPECT_EQ(book.error().code, ErrorCode::kMalformed) << line;
    EXPECT_NE(book.error().message.find("line 2"), std::string::npos) << line;
  }
}

TEST_F(ContactBookTest, EveryTruncationOfTheLastLineIsRefused) {
  const std::string good = "bob v1 " + bob_.ToString() + " - 1 - -\n";
  for (std::size_t size = 1; size < good.size(); ++size) {
    WriteText(file_, good.substr(0, size));
    EXPECT_FALSE(ContactBook::Load(file_).ok()) << size;
  }
}

TEST_F(ContactBookTest, WrongModesAreRefusedWithTheChmod) {
  WriteText(file_, "");
  ASSERT_EQ(chmod(file_.c_str(), 0644), 0);
  const Result<ContactBook> book = ContactBook::Load(file_);
  ASSERT_FALSE(book.ok());
  EXPECT_NE(book.error().message.find("chmod 600 "), std::string::npos);
}

TEST_F(ContactBookTest, ChangeThatFailsLeavesTheFile) {
  const auto add_bob = [&](ContactBook& book) {
    return book.Add("bob", bob_, psk_, At(1));
  };
  ASSERT_TRUE(ContactBook::Update(file_, add_bob).ok());
  const std::string before = ReadText(file_);
  const Status status =
      ContactBook::Update(file_, [&](ContactBook& book) -> Status {
        if (Status removed = book.Remove("bob"); !removed) return removed;
        return Error{ErrorCode::kOther, "changed my mind"};
      });
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().message, "changed my mind");
  EXPECT_EQ(ReadText(file_), before);
}

TEST_F(ContactBookTest, WriteThatFailsHalfWayLosesNothing) {
  ASSERT_TRUE(ContactBook::Update(file_, [&](ContactBook& book) {
                return book.Add("bob", bob_, psk_, At(1));
              }).ok());
  const std::string before = ReadText(file_);
  signal(SIGXFSZ, SIG_IGN);
  rlimit old_limit;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &old_limit), 0);
  rlimit limit = old_limit;
  limit.rlim_cur = before.size() + 10;
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
  const Status status = ContactBook::Update(file_, [&](ContactBook& book) {
    return book.Add("carol", carol_, std::nullopt, At(2));
  });
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &old_limit), 0);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, ErrorCode::kCannotWrite);
  EXPECT_EQ(ReadText(file_), before);
  EXPECT_EQ(folder_.List().size(), 2u) << "the book and its lock";
}

TEST_F(ContactBookTest, ProcessesDoNotUndoEachOthersChanges) {
  std::vector<PublicKey> keys;
  for (int i = 0; i < 24; ++i) keys.push_back(NewKey());
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      for (int i = thread; i < 24; i += 4) {
        EXPECT_TRUE(ContactBook::Update(file_, [&](ContactBook& book) {
                      return book.Add("peer" + std::to_string(i), keys[i],
                                      std::nullopt, At(i));
                    }).ok());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const Result<ContactBook> book = ContactBook::Load(file_);
  ASSERT_TRUE(book.ok());
  EXPECT_EQ(book->contacts().size(), 24u);
}

}  // namespace
}  // namespace p2pcp::crypto

#include "net/signaling/topic.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>

#include "net/base/bytes.h"
#include "net/base/time.h"
#include "net/crypto/key.h"
#include "net/crypto/public_key.h"
#include "net/signaling/message.h"

namespace p2pcp::signaling {
namespace {

UnixTime At(std::int64_t seconds) {
  return UnixTime(std::chrono::seconds(seconds));
}

TEST(DayOf, CountsWholeDaysDownwards) {
  EXPECT_EQ(DayOf(At(0)), 0);
  EXPECT_EQ(DayOf(At(86399)), 0);
  EXPECT_EQ(DayOf(At(86400)), 1);
  EXPECT_EQ(DayOf(At(-1)), -1);
  EXPECT_EQ(DayOf(At(-86400)), -1);
  EXPECT_EQ(DayOf(At(-86401)), -2);
  EXPECT_EQ(EndOfDay(0), At(86400));
  EXPECT_EQ(EndOfDay(-1), At(0));
}

// The public key of RFC 8032 section 7.1, test 1.
crypto::PublicKey SomeKey() {
  return *crypto::PublicKey::FromBytes(Unhex(
      "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"));
}

// BLAKE2b-160, key 32 times 01, of 0d "p2pcp/1 topic" || key || role || day,
// as Python's hashlib gives it, in base32 and lower case.
TEST(TopicOf, IsTheHashOfTheProtocol) {
  const crypto::Key key(Bytes(32, std::byte{1}));
  EXPECT_EQ(TopicOf(key, SomeKey(), Role::kOfferer, 20516),
            "tccunvmalz4x2pvmfbkxrrortsjsdrfq");
  EXPECT_EQ(TopicOf(key, SomeKey(), Role::kAnswerer, -1),
            "wseeac6vq6vaqekkeudbotj33yqo237e");
}

TEST(TopicOf, DependsOnEverything) {
  std::set<std::string> topics;
  for (const int byte : {1, 2}) {
    const crypto::Key key(Bytes(32, static_cast<std::byte>(byte)));
    for (const Role role : {Role::kOfferer, Role::kAnswerer}) {
      for (const std::int64_t day : {20516, 20517}) {
        EXPECT_TRUE(topics.insert(TopicOf(key, SomeKey(), role, day)).second);
      }
    }
  }
}

}  // namespace
}  // namespace p2pcp::signaling

#include "net/crypto/cpace.h"

#include <gtest/gtest.h>

#include <optional>
#include <string_view>

#include "net/base/bytes.h"
#include "net/base/random.h"
#include "net/crypto/key.h"
#include "net/crypto/test_vectors.h"

namespace p2pcp::crypto {
namespace {

// Gives out one scalar.
class FixedRandom : public Random {
 public:
  explicit FixedRandom(Bytes bytes) : bytes_(std::move(bytes)) {}
  void Fill(MutableByteSpan out) override { CopyBytes(bytes_, out); }

 private:
  const Bytes bytes_;
};

CpacePoint Point(const Bytes& bytes) {
  CpacePoint point{};
  EXPECT_EQ(bytes.size(), point.size());
  CopyBytes(bytes, point);
  return point;
}

std::vector<TestVector> Vectors() {
  return ReadTestVectors("testdata/cpace/ristretto255_sha512.txt");
}

TEST(Cpace, GivesTheKnownAnswersOfAppendixB3) {
  const TestVector vector = Vectors().front();
  const Bytes prs = vector.Get("PRS"), ci = vector.Get("CI"),
              sid = vector.Get("sid");
  const CpaceInputs inputs{prs, ci, sid};
  EXPECT_EQ(Hex(CpaceGenerator(inputs)), vector.Text("generator"));

  FixedRandom ya(vector.Get("ya")), yb(vector.Get("yb"));
  const Cpace a(Cpace::Role::kInitiator, inputs, vector.Get("ADa"), ya);
  const Cpace b(Cpace::Role::kResponder, inputs, vector.Get("ADb"), yb);
  EXPECT_EQ(Hex(a.share()), vector.Text("Ya"));
  EXPECT_EQ(Hex(b.share()), vector.Text("Yb"));

  Key product;
  ASSERT_TRUE(CpaceMultiply(Key(vector.Get("ya")), b.share(), product));
  EXPECT_EQ(Hex(product), vector.Text("K"));
  ASSERT_TRUE(CpaceMultiply(Key(vector.Get("yb")), a.share(), product));
  EXPECT_EQ(Hex(product), vector.Text("K"));

  const auto of_a = a.Finish(b.share(), vector.Get("ADb"));
  const auto of_b = b.Finish(a.share(), vector.Get("ADa"));
  ASSERT_TRUE(of_a && of_b);
  EXPECT_EQ(Hex(of_a->isk()), vector.Text("ISK_IR"));
  EXPECT_EQ(Hex(of_b->isk()), vector.Text("ISK_IR"));
}

TEST(Cpace, MultipliesAsAppendixB310) {
  const TestVector vector = Vectors().back();
  Key product;
  ASSERT_TRUE(
      CpaceMultiply(Key(vector.Get("s")), Point(vector.Get("X")), product));
  EXPECT_EQ(Hex(product), vector.Text("product"));
}

TEST(Cpace, AbortsOnTheInvalidPointsOfAppendixB311) {
  const TestVector vector = Vectors().back();
  const CpaceInputs inputs{AsBytes("secret"), AsBytes("ci"), AsBytes("sid")};
  SeededRandom random(1);
  for (const Cpace::Role role :
       {Cpace::Role::kInitiator, Cpace::Role::kResponder}) {
    const Cpace run(role, inputs, AsBytes("AD"), random);
    for (const char* name : {"invalid_Y1", "invalid_Y2"}) {
      const CpacePoint point = Point(vector.Get(name));
      Key product;
      EXPECT_FALSE(CpaceMultiply(Key(vector.Get("s")), point, product)) << name;
      EXPECT_FALSE(run.Finish(point, AsBytes("AD"))) << name;
    }
    EXPECT_TRUE(run.Finish(Point(vector.Get("X")), AsBytes("AD")));
  }
}

struct Side {
  std::string_view secret = "acid-bagel-crumb";
  std::string_view channel = "channel";
  std::string_view session = "session";
  std::string_view data;

  Cpace Start(Cpace::Role role, Random& random) const {
    return Cpace(role, {AsBytes(secret), AsBytes(channel), AsBytes(session)},
                 AsBytes(data), random);
  }
};

// True if both sides accept each other's tag; they must agree on it.
bool Agree(const Side& a, const Side& b, std::string_view a_sees,
           std::string_view b_sees) {
  SeededRandom random(7);
  const Cpace run_a = a.Start(Cpace::Role::kInitiator, random);
  const Cpace run_b = b.Start(Cpace::Role::kResponder, random);
  const auto of_a = run_a.Finish(run_b.share(), AsBytes(a_sees));
  const auto of_b = run_b.Finish(run_a.share(), AsBytes(b_sees));
  const bool a_accepts =
      of_a->Verify(run_b.share(), AsBytes(a_sees),
                   of_b->Tag(run_b.share(), run_b.associated_data()));
  const bool b_accepts =
      of_b->Verify(run_a.share(), AsBytes(b_sees),
                   of_a->Tag(run_a.share(), run_a.associated_data()));
  EXPECT_EQ(a_accepts, b_accepts);
  EXPECT_EQ(a_accepts, Hex(of_a->isk()) == Hex(of_b->isk()));
  return a_accepts;
}

TEST(Cpace, AnyDifferenceInWhatBothKnowOrSawGivesAnotherKey) {
  const Side a{.data = "ADa"}, b{.data = "ADb"};
  EXPECT_TRUE(Agree(a, b, "ADb", "ADa"));
  EXPECT_FALSE(Agree(a, b, "ADb", "ADx"));
  EXPECT_FALSE(Agree(a, b, "", "ADa"));
  Side other = b;
  other.secret = "acid-bagel-crust";
  EXPECT_FALSE(Agree(a, other, "ADb", "ADa"));
  other = b;
  other.channel = "other";
  EXPECT_FALSE(Agree(a, other, "ADb", "ADa"));
  other = b;
  other.session = "other";
  EXPECT_FALSE(Agree(a, other, "ADb", "ADa"));
}

TEST(Cpace, TwoOfTheSameRoleDoNotAgree) {
  SeededRandom random(7);
  const Side side{.data = "AD"};
  const Cpace x = side.Start(Cpace::Role::kInitiator, random);
  const Cpace y = side.Start(Cpace::Role::kInitiator, random);
  EXPECT_NE(Hex(x.Finish(y.share(), AsBytes("AD"))->isk()),
            Hex(y.Finish(x.share(), AsBytes("AD"))->isk()));
}

TEST(Cpace, ATagServesItsSenderOnly) {
  SeededRandom random(7);
  const Cpace a = Side{.data = "ADa"}.Start(Cpace::Role::kInitiator, random);
  const Cpace b = Side{.data = "ADb"}.Start(Cpace::Role::kResponder, random);
  const auto secret = a.Finish(b.share(), AsBytes("ADb"));
  const CpaceTag own = secret->Tag(a.share(), a.associated_data());
  EXPECT_FALSE(secret->Verify(b.share(), AsBytes("ADb"), own));
  EXPECT_FALSE(secret->Verify(a.share(), AsBytes("ADa"),
                              ByteSpan(own).first(own.size() - 1)));
  CpaceTag flipped = own;
  flipped[63] ^= std::byte{1};
  EXPECT_FALSE(secret->Verify(a.share(), AsBytes("ADa"), flipped));
}

TEST(Cpace, TakesInputsWhoseLengthNeedsTwoDigits) {
  const std::string long_text(300, 'x');
  const Side a{.secret = long_text, .channel = long_text, .data = "ADa"};
  const Side b{.secret = long_text, .channel = long_text, .data = long_text};
  EXPECT_TRUE(Agree(a, b, long_text, "ADa"));
}

}  // namespace
}  // namespace p2pcp::crypto

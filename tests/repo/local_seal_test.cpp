#include "repo/local_seal.h"

#include <set>

#include <gtest/gtest.h>

#include "base/error.h"
#include "repo/index_examples.h"
#include "support/fixed_random.h"

namespace vgerfs::repo {
namespace {

using examples::kRepository;
using vgerfs::testing::FixedRandom;

const Bytes kKey(32, std::byte{7});
const Bytes kPlain = vgerfs::testing::random_bytes(1, 500);

LocalSealing sealing() { return {kRepository, kKey}; }

void expect_corrupt(const LocalSealing& with, std::string_view context, ByteView sealed) {
  try {
    open_local(with, bytes_of(context), sealed);
    FAIL() << "opened";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::corrupt);
  }
}

TEST(LocalSeal, OpensWhatItSealed) {
  for (const Bytes& plain : {kPlain, Bytes{}}) {
    const Bytes sealed = seal_local(sealing(), bytes_of("c"), plain, crypto::system_random());
    EXPECT_EQ(sealed.size(), plain.size() + kLocalSealBytes);
    EXPECT_EQ(open_local(sealing(), bytes_of("c"), sealed), plain);
  }
}

TEST(LocalSeal, ASealedValueDoesNotShowItsContent) {
  const Bytes plain(64, std::byte{'x'});
  const Bytes sealed = seal_local(sealing(), bytes_of("c"), plain, crypto::system_random());
  EXPECT_EQ(text_of(sealed).find("xxxxxxxx"), std::string_view::npos);
}

TEST(LocalSeal, EveryFlippedBitIsNoticed) {
  const Bytes sealed = seal_local(sealing(), bytes_of("c"), Bytes(20), crypto::system_random());
  for (std::size_t bit = 0; bit < sealed.size() * 8; ++bit) {
    Bytes bad = sealed;
    bad[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
    expect_corrupt(sealing(), "c", bad);
  }
}

TEST(LocalSeal, EveryTruncationIsNoticed) {
  const Bytes sealed = seal_local(sealing(), bytes_of("c"), Bytes(20), crypto::system_random());
  for (std::size_t size = 0; size < sealed.size(); ++size) {
    expect_corrupt(sealing(), "c", ByteView{sealed}.first(size));
  }
}

TEST(LocalSeal, OpensInItsOwnContextRepositoryAndKeyOnly) {
  const Bytes sealed = seal_local(sealing(), bytes_of("c"), kPlain, crypto::system_random());
  expect_corrupt(sealing(), "d", sealed);
  expect_corrupt({examples::make_id<RepositoryId>("another"), kKey}, "c", sealed);
  const Bytes other_key(32, std::byte{8});
  expect_corrupt({kRepository, other_key}, "c", sealed);
}

// The state directory copied back and a random source that repeats itself: the same draw meets
// other content.
TEST(LocalSeal, ARepeatedDrawNeverGivesTwoContentsOneSalt) {
  auto random = FixedRandom::constant(std::byte{1});
  std::set<Bytes> salts;
  const auto salt_of = [&](std::string_view context, ByteView plain) {
    const Bytes sealed = seal_local(sealing(), bytes_of(context), plain, random);
    return Bytes{sealed.begin() + 1, sealed.begin() + 33};
  };
  salts.insert(salt_of("c", bytes_of("one")));
  salts.insert(salt_of("c", bytes_of("two")));
  salts.insert(salt_of("d", bytes_of("one")));
  salts.insert(salt_of("co", bytes_of("ne")));
  salts.insert(salt_of("", bytes_of("cone")));
  EXPECT_EQ(salts.size(), 5U);
}

TEST(LocalSeal, EqualContentIsSealedDifferentlyEachTime) {
  const auto seal = [] {
    return seal_local(sealing(), bytes_of("c"), kPlain, crypto::system_random());
  };
  EXPECT_NE(seal(), seal());
}

}  // namespace
}  // namespace vgerfs::repo

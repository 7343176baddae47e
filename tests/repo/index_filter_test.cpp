#include "repo/index_filter.h"

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>
#include <random>

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/log.h"
#include "base/sha256.h"
#include "support/temporary_directory.h"
#include "support/test_seed.h"

namespace vgerfs::repo {
namespace {

constexpr IndexFilter::Generation kGeneration{std::byte{1}};
constexpr std::uint64_t kDirtyOffset = 8;
constexpr std::uint64_t kBootOffset = 32;
constexpr std::uint64_t kCheckOffset = 64;

std::vector<std::uint64_t> make_keys(std::size_t count) {
  std::mt19937_64 random{vgerfs::testing::test_seed()};
  std::vector<std::uint64_t> keys(count);
  for (auto& key : keys) key = random();
  return keys;
}

class IndexFilterTest : public ::testing::Test {
 protected:
  IndexFilterTest() { log::set_level(log::Level::error); }
  ~IndexFilterTest() override { log::set_level(log::Level::warning); }

  std::shared_ptr<IndexFilter> make(std::uint64_t expected = 0) {
    return IndexFilter::make(path_, kGeneration, expected, [](IndexFilter&) {});
  }
  /// Writes into the header, with a right check.
  void change(std::uint64_t offset, ByteView bytes) {
    const Fd fd = open_file(path_, O_RDWR);
    Bytes header(kCheckOffset);
    read_at(fd.get(), header, 0, path_);
    std::copy(bytes.begin(), bytes.end(), header.begin() + static_cast<std::ptrdiff_t>(offset));
    write_all_at(fd.get(), header, 0, path_);
    write_all_at(fd.get(), ByteView{sha256(header)}.first(8), kCheckOffset, path_);
  }

  vgerfs::testing::TemporaryDirectory directory_;
  std::string path_ = directory_ / "index.filter";
};

TEST_F(IndexFilterTest, ContainsEveryKeyThatWasAdded) {
  const auto filter = make();
  const auto keys = make_keys(50'000);
  for (std::size_t i = 0; i < keys.size(); i += 10'000) {
    filter->add({keys.begin() + static_cast<std::ptrdiff_t>(i),
                 keys.begin() + static_cast<std::ptrdiff_t>(i + 10'000)});
  }
  for (const std::uint64_t key : keys) ASSERT_TRUE(filter->may_contain(key));
}

TEST_F(IndexFilterTest, SaysNoToNearlyAllOthersEvenWhenFull) {
  const auto filter = make(100'000);
  const auto keys = make_keys(300'000);
  filter->add({keys.begin(), keys.begin() + 200'000});  // as many as there is room for
  EXPECT_FALSE(filter->has_room(10'000));
  const auto wrong = std::count_if(keys.begin() + 200'000, keys.end(),
                                   [&](std::uint64_t key) { return filter->may_contain(key); });
  EXPECT_LT(wrong, 3000);  // 3 %
}

TEST_F(IndexFilterTest, KeysAtTheEndsOfTheRangeHaveTheirBlocks) {
  const auto filter = make();
  EXPECT_FALSE(filter->may_contain(0));
  EXPECT_FALSE(filter->may_contain(~std::uint64_t{0}));
  filter->add({0, ~std::uint64_t{0}});
  EXPECT_TRUE(filter->may_contain(0));
  EXPECT_TRUE(filter->may_contain(~std::uint64_t{0}));
}

TEST_F(IndexFilterTest, OpensAgainWithWhatWasAdded) {
  make()->add({1, 2, 3});
  const auto filter = IndexFilter::open(path_, kGeneration, 3);
  ASSERT_NE(filter, nullptr);
  EXPECT_TRUE(filter->may_contain(2));
  EXPECT_EQ(IndexFilter::open(path_, kGeneration, 4), nullptr) << "it is behind the database";
  EXPECT_EQ(IndexFilter::open(path_, {std::byte{2}}, 3), nullptr) << "it is of another database";
  EXPECT_EQ(IndexFilter::open(path_ + "x", kGeneration, 0), nullptr);
}

// While the machine runs, a killed program's writes are there; after a power cut only those of a
// clean file are.
TEST_F(IndexFilterTest, AfterAPowerCutOnlyACleanFileCounts) {
  const Bytes other_boot(16, std::byte{9});
  {
    const auto filter = make();
    filter->add({1});
    change(kBootOffset, other_boot);
    EXPECT_EQ(IndexFilter::open(path_, kGeneration, 1), nullptr);
  }
  {
    const auto filter = make();
    filter->add({1});
    filter->close_clean();
    change(kBootOffset, other_boot);
    EXPECT_NE(IndexFilter::open(path_, kGeneration, 1), nullptr);
    filter->add({2});  // dirty again, in this boot
    EXPECT_NE(IndexFilter::open(path_, kGeneration, 2), nullptr);
    change(kBootOffset, other_boot);
    EXPECT_EQ(IndexFilter::open(path_, kGeneration, 2), nullptr);
  }
  {
    make()->add({1});
    change(kBootOffset, Bytes(16));  // a kernel that does not tell its boot id
    EXPECT_EQ(IndexFilter::open(path_, kGeneration, 1), nullptr);
  }
}

TEST_F(IndexFilterTest, NoDamagedHeaderIsOpened) {
  make();
  const Bytes good = read_whole_file(path_, 1 << 20);
  for (std::size_t bit = 0; bit < (kCheckOffset + 8) * 8; ++bit) {
    Bytes bad = good;
    bad[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
    write_all_at(open_file(path_, O_RDWR).get(), ByteView{bad}.first(4096), 0, path_);
    ASSERT_EQ(IndexFilter::open(path_, kGeneration, 0), nullptr) << "bit " << bit;
  }
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{71}, std::size_t{4096}, good.size() - 1}) {
    replace_file(path_, ByteView{good}.first(size), 0600);
    ASSERT_EQ(IndexFilter::open(path_, kGeneration, 0), nullptr) << "size " << size;
  }
  Bytes none(8);
  replace_file(path_, good, 0600);
  change(48, none);  // no blocks at all
  EXPECT_EQ(IndexFilter::open(path_, kGeneration, 0), nullptr);
}

TEST_F(IndexFilterTest, AFileThatVanishesUnderItSaysMaybe) {
  const auto filter = make();
  ASSERT_EQ(::truncate(path_.c_str(), 4096), 0);
  EXPECT_TRUE(filter->may_contain(1));
  EXPECT_THROW(filter->add({1}), Error);
}

TEST_F(IndexFilterTest, AReplacedFileIsNotCurrent) {
  const auto old = make();
  EXPECT_TRUE(old->is_current());
  const auto replacement = make();
  EXPECT_FALSE(old->is_current());
  EXPECT_TRUE(replacement->is_current());
  old->add({1});
  old->close_clean();  // must not touch the other's file
  EXPECT_FALSE(replacement->may_contain(1));
}

TEST_F(IndexFilterTest, AFilterThatCannotBeFilledIsNotSeen) {
  EXPECT_THROW(IndexFilter::make(path_, kGeneration, 0,
                                 [](IndexFilter&) {
                                   throw Error{ErrorCode::io, "no"};
                                 }),
               Error);
  EXPECT_FALSE(std::filesystem::exists(path_));
}

}  // namespace
}  // namespace vgerfs::repo

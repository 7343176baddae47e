#include "repo/maintenance/read_rotation.h"

#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "index_examples.h"
#include "support/temporary_directory.h"

namespace vgerfs::repo {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr auto kEverything = std::numeric_limits<std::uint64_t>::max();

class Rotation : public ::testing::Test {
 protected:
  static PackId pack(std::uint64_t number) { return examples::make_id<PackId>("pack", number); }
  static std::vector<ReadRotation::Pack> packs(std::uint64_t count) {
    std::vector<ReadRotation::Pack> all;
    for (std::uint64_t i = 0; i < count; ++i) all.push_back({pack(i), 100});
    return all;
  }
  ReadRotation open() { return ReadRotation{directory_.path(), examples::kRepository}; }

  testing::TemporaryDirectory directory_;
};

TEST_F(Rotation, ChoosesWholePacksUpToTheBudget) {
  EXPECT_THAT(open().choose(packs(10), 0), IsEmpty());
  EXPECT_THAT(open().choose(packs(10), 1), SizeIs(1));
  EXPECT_THAT(open().choose(packs(10), 100), SizeIs(1));
  EXPECT_THAT(open().choose(packs(10), 101), SizeIs(2));
  EXPECT_THAT(open().choose(packs(10), kEverything), SizeIs(10));
}

TEST_F(Rotation, EveryPackIsReadOnceBeforeOneIsReadAgain) {
  std::vector<PackId> read;
  for (int run = 0; run < 5; ++run) {
    ReadRotation rotation = open();
    for (const PackId& id : rotation.choose(packs(10), 200)) {
      rotation.note(id, true);
      read.push_back(id);
    }
    rotation.keep();
  }
  EXPECT_THAT(read, SizeIs(10));
  std::sort(read.begin(), read.end());
  EXPECT_EQ(std::unique(read.begin(), read.end()), read.end());
}

TEST_F(Rotation, NewPacksComeFirstAndBadOnesBeforeThem) {
  {
    ReadRotation rotation = open();
    for (const PackId& id : rotation.choose(packs(4), kEverything))
      rotation.note(id, id != pack(2));
    rotation.keep();
  }
  ReadRotation rotation = open();
  EXPECT_THAT(rotation.bad_packs(), ElementsAre(pack(2)));
  EXPECT_THAT(rotation.choose(packs(5), 200), ElementsAre(pack(2), pack(4)));
}

TEST_F(Rotation, ForgetsPacksThatAreGone) {
  {
    ReadRotation rotation = open();
    rotation.choose(packs(4), kEverything);
    rotation.note(pack(3), false);
    rotation.keep();
    rotation.choose(packs(3), kEverything);
  }
  EXPECT_THAT(open().bad_packs(), IsEmpty());
}

TEST_F(Rotation, WhatWasNotedIsThereAfterACrash) {
  ReadRotation rotation = open();
  for (std::uint64_t i = 0; i < 100; ++i) rotation.note(pack(i), false);
  EXPECT_THAT(open().bad_packs(), SizeIs(64)) << "it is kept now and then";
}

}  // namespace
}  // namespace vgerfs::repo

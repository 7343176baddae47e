#include "repo/maintenance/pack_examination.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "damage.h"
#include "maintenance_world.h"
#include "repo/pack.h"
#include "support/error_of.h"

namespace vgerfs::repo {
namespace {

using format::ObjectType;
using ::testing::ElementsAre;
using testing::error_of;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::MaintenanceWorld;
using testing::random_files;
using ::testing::SizeIs;

/// One pack of five blocks with a chunk each.
class Examination : public ::testing::Test, protected MaintenanceWorld {
 protected:
  Examination() {
    commit(*repository_, random_files(1, 5));
    name_ = testing::largest(test.store());
    entry_ = repository_->index().find_pack(PackId{name_.id.bytes()}).at(0);
  }

  PackReading examine() {
    good_ = 0;
    return examine_pack(repository_->backend(), repository_->keyring(), entry_.description,
                        entry_.entry, {}, [&](const BlockEntry&, ByteView) { ++good_; });
  }
  PackReading examine_unnamed() {
    good_ = 0;
    return examine_unnamed_pack(repository_->backend(), repository_->keyring(),
                                entry_.description.id, {}, found_,
                                [&](const BlockEntry&, ByteView) { ++good_; });
  }
  static std::vector<std::uint32_t> positions(const PackReading& reading) {
    std::vector<std::uint32_t> all;
    for (const BadBlock& block : reading.bad_blocks) all.push_back(block.position);
    return all;
  }
  const BlockEntry& block(std::size_t at) { return entry_.description.blocks.at(at); }

  std::unique_ptr<Repository> repository_ = open("client");
  format::ObjectName name_;
  IndexedPack entry_;
  PackDescription found_;
  int good_ = 0;
};

TEST_F(Examination, OfAGoodPackFindsWhatItsEntrySays) {
  const PackReading reading = examine();
  EXPECT_TRUE(reading.is_good()) << reading.fault;
  EXPECT_TRUE(reading.intact);
  EXPECT_EQ(reading.read_bytes, entry_.description.stored_bytes);
  EXPECT_EQ(good_, 5);
  EXPECT_TRUE(examine_unnamed().is_good());
  EXPECT_EQ(good_, 5);
  EXPECT_EQ(entry_digest(found_), entry_.entry) << "the same without an index";
}

TEST_F(Examination, AFlipAnywhereIsSeenAndHurtsNoOtherBlock) {
  const std::uint64_t end = entry_.description.stored_bytes;
  const std::uint64_t tail = end - pack_tail_bytes(5);
  struct Case {
    std::uint64_t at;
    std::vector<std::uint32_t> bad;
  };
  const std::uint32_t second = block(1).offset;
  const std::vector<Case> cases = {
      {0, {}},              // magic
      {8, {}},              // version
      {10, {}},             // kind
      {16, {}},             // random
      {second, {1}},        // block magic
      {second + 4, {1}},    // version
      {second + 5, {1}},    // kind
      {second + 6, {1}},    // cipher
      {second + 7, {1}},    // codec
      {second + 8, {1}},    // key epoch
      {second + 12, {1}},   // chunk kind
      {second + 16, {1}},   // directory length
      {second + 20, {1}},   // data length
      {second + 24, {1}},   // salt
      {second + 56, {1}},   // commitment
      {second + 88, {1}},   // data key
      {second + 168, {1}},  // directory
      {second + block(1).stored_bytes - 1, {1}},
      {tail, {}},      // table
      {end - 16, {}},  // count
      {end - 1, {}},   // magic
  };
  for (const Case& each : cases) {
    testing::flip(test.store(), name_, each.at);
    const PackReading reading = examine();
    EXPECT_FALSE(reading.is_good()) << each.at;
    EXPECT_FALSE(reading.intact);
    EXPECT_FALSE(reading.newer);
    EXPECT_EQ(positions(reading), each.bad) << each.at;
    EXPECT_EQ(good_, 5 - static_cast<int>(each.bad.size())) << each.at;
    EXPECT_FALSE(examine_unnamed().is_good()) << each.at;
    EXPECT_GE(good_, each.at >= second && each.at < second + 24 ? 1 : 4) << each.at;
    testing::flip(test.store(), name_, each.at);
  }
  EXPECT_TRUE(examine().is_good());
}

TEST_F(Examination, OfAShortPackTheFirstBlocksAreGood) {
  testing::cut(test.store(), name_, block(2).offset + 10);
  const PackReading reading = examine();
  EXPECT_THAT(positions(reading), ElementsAre(2, 3, 4));
  EXPECT_THAT(reading.fault, HasSubstr("its index record says"));
  examine_unnamed();
  EXPECT_EQ(good_, 2);
  testing::cut(test.store(), name_, 3);
  EXPECT_THAT(positions(examine()), SizeIs(5));
  examine_unnamed();
  EXPECT_EQ(good_, 0);
}

TEST_F(Examination, TellsAMissingPackFromAStoreThatIsAway) {
  test.faulty().order({.fault = testing::Fault::fail, .type = ObjectType::pack});
  EXPECT_EQ(error_of([&] { return examine(); }), "unavailable");
  test.faulty().clear();
  test.faulty().order(
      {.fault = testing::Fault::fail, .code = ErrorCode::io, .type = ObjectType::pack});
  EXPECT_TRUE(examine().store_failed);
  test.faulty().clear();
  test.store().erase(name_);
  const PackReading reading = examine();
  EXPECT_TRUE(reading.missing);
  EXPECT_FALSE(reading.store_failed);
  EXPECT_THAT(positions(reading), SizeIs(5));
}

TEST_F(Examination, APartThatTheStoreCannotReadHurtsNoOtherBlock) {
  // Fails for the large read, and again for the second block by itself.
  test.faulty().order({.fault = testing::Fault::fail,
                       .call = testing::Call::read,
                       .nth = 1,
                       .code = ErrorCode::io,
                       .type = ObjectType::pack});
  test.faulty().order({.fault = testing::Fault::fail,
                       .call = testing::Call::read,
                       .nth = 4,
                       .code = ErrorCode::io,
                       .type = ObjectType::pack});
  const PackReading reading = examine();
  EXPECT_THAT(positions(reading), ElementsAre(1));
  EXPECT_TRUE(reading.store_failed);
  EXPECT_EQ(good_, 4);
}

TEST_F(Examination, ANewerBlockInAnIntactPackIsNotDamage) {
  // A pack as a newer program would write it: its own name, blocks of another version.
  Bytes bytes = *test.store().find(name_)->bytes;
  for (const BlockEntry& each : entry_.description.blocks) bytes[each.offset + 4] = std::byte{2};
  const PackId id{sha256(bytes)};
  test.store().put(format::pack_name(id), {std::make_shared<const Bytes>(bytes), {}});
  entry_.description.id = id;
  const PackReading reading = examine();
  EXPECT_TRUE(reading.intact);
  EXPECT_TRUE(reading.newer);
  EXPECT_TRUE(examine_unnamed().newer);
}

}  // namespace
}  // namespace vgerfs::repo

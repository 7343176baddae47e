#include "format/object_name.h"

#include <set>

#include <gtest/gtest.h>

namespace vgerfs::format {
namespace {

const std::string kHex = "ab112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

TEST(ObjectName, HasThePathOfTheFormat) {
  EXPECT_EQ(config_name().path(), "config");
  EXPECT_EQ(slot_name(*SlotId::parse(kHex)).path(), "keys/" + kHex);
  EXPECT_EQ(pack_name(*PackId::parse(kHex)).path(), "data/ab/" + kHex);
  EXPECT_EQ(record_name(*RecordId::parse(kHex)).path(), "index/" + kHex);
  EXPECT_EQ(snapshot_name(*SnapshotId::parse(kHex)).path(), "snapshots/" + kHex);
  EXPECT_EQ(lease_name(*LeaseId::parse(kHex)).path(), "locks/" + kHex);
}

TEST(ObjectName, DiffersByTypeAndId) {
  const PackId id = *PackId::parse(kHex);
  EXPECT_EQ(pack_name(id), object_name(ObjectType::pack, id));
  EXPECT_NE(pack_name(id), object_name(ObjectType::index, id));
  EXPECT_NE(pack_name(id), pack_name(PackId{}));
}

TEST(ListedTypes, AreAllButTheConfig) {
  const std::set<ObjectType> types{std::begin(kListedTypes), std::end(kListedTypes)};
  EXPECT_EQ(types.size(), 5U);
  EXPECT_FALSE(types.contains(ObjectType::config));
}

}  // namespace
}  // namespace vgerfs::format

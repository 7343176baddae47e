// What a malicious or damaged store can put in the place of tree nodes.
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "base/error.h"
#include "repo/extents.h"
#include "repo/limits.h"
#include "repo/memory_chunks.h"
#include "repo/message.h"
#include "repo/random_bytes.h"
#include "repo/tree.h"
#include "support/test_seed.h"

namespace vgerfs::repo {
namespace {

using format::proto::TreeNode;

void expect_corrupt(const std::function<void()>& work, std::string_view what) {
  try {
    work();
    ADD_FAILURE() << "accepted: " << what;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::corrupt) << what << ": " << error.what();
  }
}

Entry named(std::string_view name, EntryType type = EntryType::ENTRY_FILE) {
  Entry entry;
  entry.set_name(name.data(), name.size());
  entry.set_type(type);
  if (type == EntryType::ENTRY_SYMLINK) entry.set_symlink_target("target");
  return entry;
}

TreeNode leaf(const std::vector<std::string>& names) {
  TreeNode node;
  for (const std::string& name : names) *node.add_entries() = named(name);
  return node;
}

struct Child {
  ChunkId id;
  std::string first_name;
  std::uint64_t entries = 1;
};

TreeNode parent(std::uint32_t level, const std::vector<Child>& children) {
  TreeNode node;
  node.set_level(level);
  for (const Child& child : children) {
    auto& out = *node.add_children();
    out.set_node(child.id.raw());
    out.set_first_name(child.first_name);
    out.set_entries(child.entries);
  }
  return node;
}

class HostileTree : public ::testing::Test {
 protected:
  ChunkId put(const TreeNode& node) { return chunks_.put(ChunkKind::tree, encode_message(node)); }

  /// No way into the directory yields a result or runs away.
  void expect_unreadable(const TreeNode& root, std::string_view what) {
    const ChunkId id = put(root);
    expect_corrupt([&] { read_all(id); }, what);
  }

  std::size_t read_all(const ChunkId& root) {
    DirectoryReader reader{chunks_, root};
    std::size_t count = 0;
    while (reader.next() != nullptr) ++count;
    return count;
  }

  MemoryChunks chunks_;
};

struct BadEntry {
  std::string what;
  std::function<void(Entry&)> spoil;
};

const std::vector<BadEntry>& bad_files() {
  static const std::vector<BadEntry> all = {
      {"no name", [](Entry& e) { e.clear_name(); }},
      {"dot", [](Entry& e) { e.set_name("."); }},
      {"dot dot", [](Entry& e) { e.set_name(".."); }},
      {"slash", [](Entry& e) { e.set_name("a/b"); }},
      {"only slash", [](Entry& e) { e.set_name("/"); }},
      {"NUL",
       [](Entry& e) {
         e.set_name(std::string{"a\0b", 3});
       }},
      {"long name", [](Entry& e) { e.set_name(std::string(256, 'n')); }},
      {"no type", [](Entry& e) { e.clear_type(); }},
      {"unknown type", [](Entry& e) { e.set_type(static_cast<EntryType>(8)); }},
      {"negative type", [](Entry& e) { e.set_type(static_cast<EntryType>(-1)); }},
      {"mode", [](Entry& e) { e.set_mode(0100644); }},
      {"mtime", [](Entry& e) { e.set_mtime_ns(1'000'000'000); }},
      {"ctime", [](Entry& e) { e.set_ctime_ns(0xFFFFFFFF); }},
      {"size without content", [](Entry& e) { e.set_size(1); }},
      {"content without size", [](Entry& e) { e.add_extents()->set_bytes(5); }},
      {"empty extent", [](Entry& e) { e.add_extents(); }},
      {"sum overflows",
       [](Entry& e) {
         e.set_size(4);
         e.add_extents()->set_bytes(~std::uint64_t{0});
         e.add_extents()->set_bytes(5);
       }},
      {"size beyond off_t",
       [](Entry& e) {
         e.set_size(std::uint64_t{1} << 63);
         e.add_extents()->set_bytes(std::uint64_t{1} << 63);
       }},
      {"too many extents",
       [](Entry& e) {
         e.set_size(17);
         for (int i = 0; i < 17; ++i) e.add_extents()->set_bytes(1);
       }},
      {"short chunk id",
       [](Entry& e) {
         e.set_size(1);
         e.add_extents()->set_bytes(1);
         e.mutable_extents(0)->set_chunk("short");
       }},
      {"slice outside of any chunk",
       [](Entry& e) {
         e.set_size(1);
         e.add_extents()->set_bytes(1);
         e.mutable_extents(0)->set_chunk(std::string(32, 'c'));
         e.mutable_extents(0)->set_chunk_offset(kMaxChunkBytes);
       }},
      {"slice offset wraps",
       [](Entry& e) {
         e.set_size(2);
         e.add_extents()->set_bytes(2);
         e.mutable_extents(0)->set_chunk(std::string(32, 'c'));
         e.mutable_extents(0)->set_chunk_offset(0xFFFFFFFF);
       }},
      {"hole with offset",
       [](Entry& e) {
         e.set_size(1);
         e.add_extents()->set_bytes(1);
         e.mutable_extents(0)->set_chunk_offset(1);
       }},
      {"short extent root",
       [](Entry& e) {
         e.set_size(1);
         e.set_extents_root("short");
       }},
      {"extent root of an empty file", [](Entry& e) { e.set_extents_root(std::string(32, 'r')); }},
      {"two lists of extents",
       [](Entry& e) {
         e.set_size(1);
         e.add_extents()->set_bytes(1);
         e.set_extents_root(std::string(32, 'r'));
       }},
      {"target of a file", [](Entry& e) { e.set_symlink_target("x"); }},
      {"subtree of a file", [](Entry& e) { e.set_subtree(std::string(32, 's')); }},
      {"device number of a file", [](Entry& e) { e.set_device_minor(1); }},
      {"xattr without name", [](Entry& e) { e.add_xattrs()->set_value("v"); }},
      {"xattr name with NUL",
       [](Entry& e) {
         e.add_xattrs()->set_name(std::string{"u\0", 2});
       }},
      {"xattr name too long", [](Entry& e) { e.add_xattrs()->set_name(std::string(256, 'x')); }},
      {"xattr twice",
       [](Entry& e) {
         e.add_xattrs()->set_name("user.a");
         e.add_xattrs()->set_name("user.a");
       }},
      {"xattr too long",
       [](Entry& e) {
         e.add_xattrs()->set_name("user.a");
         e.mutable_xattrs(0)->set_value(std::string(1025, 'v'));
       }},
      {"xattr with two values",
       [](Entry& e) {
         e.add_xattrs()->set_name("user.a");
         e.mutable_xattrs(0)->set_value("v");
         e.mutable_xattrs(0)->set_value_chunk(std::string(32, 'v'));
       }},
      {"xattr with a short id",
       [](Entry& e) {
         e.add_xattrs()->set_name("user.a");
         e.mutable_xattrs(0)->set_value_chunk("short");
       }},
  };
  return all;
}

TEST_F(HostileTree, BadEntriesAreCorrupt) {
  for (const BadEntry& bad : bad_files()) {
    Entry entry = named("name");
    bad.spoil(entry);
    expect_corrupt([&] { check_entry(entry); }, bad.what);
    TreeNode node;
    *node.add_entries() = entry;
    expect_unreadable(node, bad.what);
  }
}

TEST_F(HostileTree, FieldsOfOtherTypesAreCorrupt) {
  const auto expect_fault = [](EntryType type, const std::function<void(Entry&)>& spoil) {
    Entry entry = named("name", type);
    check_entry(entry);
    spoil(entry);
    expect_corrupt([&] { check_entry(entry); }, EntryType_Name(type));
  };
  for (const EntryType type :
       {EntryType::ENTRY_DIRECTORY, EntryType::ENTRY_SYMLINK, EntryType::ENTRY_FIFO,
        EntryType::ENTRY_SOCKET, EntryType::ENTRY_BLOCK_DEVICE}) {
    expect_fault(type, [](Entry& e) { e.set_size(1); });
    expect_fault(type, [](Entry& e) { e.add_extents()->set_bytes(1); });
    expect_fault(type, [](Entry& e) { e.set_extents_root(std::string(32, 'r')); });
  }
  expect_fault(EntryType::ENTRY_DIRECTORY, [](Entry& e) { e.set_link_group(1); });
  expect_fault(EntryType::ENTRY_DIRECTORY, [](Entry& e) { e.set_subtree("short"); });
  expect_fault(EntryType::ENTRY_DIRECTORY, [](Entry& e) { e.set_device_major(1); });
  expect_fault(EntryType::ENTRY_FIFO, [](Entry& e) { e.set_subtree(std::string(32, 's')); });
  expect_fault(EntryType::ENTRY_FIFO, [](Entry& e) { e.set_device_major(1); });
  expect_fault(EntryType::ENTRY_CHARACTER_DEVICE, [](Entry& e) { e.set_symlink_target("x"); });
  expect_fault(EntryType::ENTRY_SYMLINK, [](Entry& e) { e.clear_symlink_target(); });
  expect_fault(EntryType::ENTRY_SYMLINK,
               [](Entry& e) { e.set_symlink_target(std::string(4096, 't')); });
  expect_fault(EntryType::ENTRY_SYMLINK, [](Entry& e) {
    e.set_symlink_target(std::string{"a\0b", 3});
  });
}

TEST_F(HostileTree, OnlyARootHasNoName) {
  Entry root = named("", EntryType::ENTRY_DIRECTORY);
  EXPECT_NO_THROW(check_entry(root, true));
  root.set_name("x");
  expect_corrupt([&] { check_entry(root, true); }, "root with a name");
  expect_corrupt([&] { check_entry(named(""), true); }, "root that is a file");
}

TEST_F(HostileTree, UnsortedAndRepeatedNamesAreCorrupt) {
  expect_unreadable(leaf({"b", "a"}), "unsorted");
  expect_unreadable(leaf({"a", "a"}), "repeated");
  const std::string high{"\xff"};
  expect_unreadable(leaf({high, "a"}), "bytes are unsigned");
  EXPECT_EQ(read_all(put(leaf({"a", high}))), 2U);
}

TEST_F(HostileTree, NamesThatCrossTheirNodesAreCorrupt) {
  const ChunkId ac = put(leaf({"a", "c"}));
  const ChunkId b = put(leaf({"b"}));
  const ChunkId c = put(leaf({"c", "d"}));
  expect_unreadable(parent(1, {{ac, "a", 2}, {b, "b"}}), "a leaf reaches beyond the next");
  expect_unreadable(parent(1, {{ac, "a", 2}, {c, "c", 2}}), "a name in two leaves");
  expect_unreadable(parent(1, {{b, "b"}, {ac, "a", 2}}), "leaves out of order");
  expect_unreadable(parent(1, {{b, "b"}, {b, "b"}}), "one leaf twice");
  expect_unreadable(parent(1, {{b, "b"}, {b, "c"}}), "one leaf twice under another name");
  // The same one level up, where the bound comes from the grandparent.
  const ChunkId left = put(parent(1, {{ac, "a", 2}}));
  const ChunkId right = put(parent(1, {{b, "b"}}));
  expect_unreadable(parent(2, {{left, "a", 2}, {right, "b"}}), "a leaf reaches beyond its uncle");
  const ChunkId wide = put(parent(1, {{put(leaf({"a"})), "a"}, {c, "c", 2}}));
  expect_unreadable(parent(2, {{wide, "a", 3}, {right, "b"}}), "a node reaches beyond the next");
}

TEST_F(HostileTree, LookUpsRejectCrossedNodesToo) {
  const ChunkId ac = put(leaf({"a", "c"}));
  const ChunkId b = put(leaf({"b"}));
  const ChunkId root = put(parent(1, {{ac, "a", 2}, {b, "b"}}));
  expect_corrupt([&] { (void)find_entry(chunks_, root, "a"); }, "find");
  DirectoryReader reader{chunks_, root};
  expect_corrupt([&] { reader.seek_after("aa"); }, "seek");
}

TEST_F(HostileTree, LiesAboutChildrenAreCorrupt) {
  const ChunkId b = put(leaf({"b", "c"}));
  EXPECT_EQ(read_all(put(parent(1, {{b, "b", 2}}))), 2U);
  expect_unreadable(parent(1, {{b, "a", 2}}), "first name");
  expect_unreadable(parent(1, {{b, "bb", 2}}), "first name");
  expect_unreadable(parent(1, {{b, "b", 1}}), "too few entries");
  expect_unreadable(parent(1, {{b, "b", 3}}), "too many entries");
  expect_unreadable(parent(1, {{b, "b", 0}}), "no entries");
  expect_unreadable(parent(1, {{b, "", 2}}), "no first name");
  expect_unreadable(parent(1, {{b, "../x", 2}}), "first name that is no name");
  const ChunkId d = put(leaf({"d"}));
  const TreeNode overflow = parent(1, {{b, "b", ~std::uint64_t{0}}, {d, "d", 3}});
  expect_unreadable(overflow, "numbers of entries overflow");
  expect_corrupt([&] { (void)count_entries(chunks_, put(overflow)); }, "nor are they counted");
  TreeNode short_id = parent(1, {{b, "b", 2}});
  short_id.mutable_children(0)->set_node("short");
  expect_unreadable(short_id, "short id");
}

TEST_F(HostileTree, LiesAboutLevelsAreCorrupt) {
  const ChunkId a = put(leaf({"a"}));
  const ChunkId one = put(parent(1, {{a, "a"}}));
  EXPECT_EQ(read_all(put(parent(2, {{one, "a"}}))), 1U);
  expect_unreadable(parent(2, {{a, "a"}}), "a level is left out");
  expect_unreadable(parent(1, {{one, "a"}}), "a level repeats");
  expect_unreadable(parent(17, {{one, "a"}}), "too high");
  expect_unreadable(parent(0xFFFFFFFF, {{one, "a"}}), "far too high");
  TreeNode both = parent(1, {{a, "a"}});
  *both.add_entries() = named("a");
  expect_unreadable(both, "children and entries");
  both.set_level(0);
  expect_unreadable(both, "entries and children");
  expect_unreadable(parent(1, {}), "no children");
  expect_unreadable(TreeNode{}, "nothing");
}

TEST_F(HostileTree, ACycleEndsAtItsLevels) {
  // A store cannot make a cycle of honest ids; a broken hash or cache could.
  ChunkId self;
  TreeNode node = parent(3, {{self, "a"}});
  chunks_.replace(ChunkKind::tree, self, encode_message(node));
  expect_corrupt([&] { read_all(self); }, "cycle");
  expect_corrupt([&] { (void)find_entry(chunks_, self, "a"); }, "cycle");
  DirectoryReader reader{chunks_, self};
  expect_corrupt([&] { reader.seek_after("a"); }, "cycle");
  EXPECT_LE(chunks_.gets(), 8U);
}

TEST_F(HostileTree, SixteenLevelsAreRead) {
  ChunkId id = put(leaf({"a"}));
  for (std::uint32_t level = 1; level <= kMaxTreeLevel; ++level)
    id = put(parent(level, {{id, "a"}}));
  EXPECT_EQ(read_all(id), 1U);
  EXPECT_TRUE(find_entry(chunks_, id, "a"));
  expect_unreadable(parent(kMaxTreeLevel + 1, {{id, "a"}}), "a level more");
}

TEST_F(HostileTree, TooManyItemsAreCorruptBeforeTheyAreDecoded) {
  // 500 000 empty entries in 1 MB would decode to 150 MB.
  Bytes many;
  for (int i = 0; i < 500'000; ++i) many.insert(many.end(), {std::byte{0x12}, std::byte{0}});
  expect_corrupt([&] { decode_tree_node(many); }, "empty entries");
  TreeNode node;
  for (std::size_t i = 0; i <= kMaxNodeEntries; ++i)
    *node.add_entries() = named(fmt::format("{:05}", i));
  ASSERT_LT(node.ByteSizeLong(), kMaxNodeBytes);
  expect_corrupt([&] { decode_tree_node(encode_message(node)); }, "one entry too many");
  node.mutable_entries()->RemoveLast();
  EXPECT_NO_THROW(decode_tree_node(encode_message(node)));
}

TEST_F(HostileTree, SizesOutOfRangeAreCorrupt) {
  expect_corrupt([] { decode_tree_node(ByteView{}); }, "empty");
  expect_corrupt([] { decode_tree_node(Bytes(kMaxNodeBytes + 1)); }, "too large");
  Entry entry = named("a");
  entry.set_user(std::string(kMaxNodeBytes - 100, 'u'));
  TreeNode node;
  *node.add_entries() = entry;
  EXPECT_NO_THROW(decode_tree_node(encode_message(node)));
}

TEST_F(HostileTree, ChunksOfOtherKindsAreNotTreeNodes) {
  ExtentListBuilder extents{chunks_};
  for (std::uint64_t i = 0; i < 40; ++i) {
    extents.add({.bytes = 10, .chunk = ChunkId{{std::byte{1}}}, .chunk_offset = 0});
  }
  Entry file = named("f");
  extents.finish(file);
  const ChunkId id = ChunkId::from_bytes(file.extents_root());
  EXPECT_THROW(read_all(id), Error);  // the source asks for kind and id
  const Bytes bytes = chunks_.get(ChunkKind::extents, id);
  expect_corrupt([&] { decode_tree_node(bytes); }, "extent node");
  expect_corrupt([&] { decode_tree_node(bytes_of("just some file's data, not a node")); }, "data");
}

TEST_F(HostileTree, DamagedBytesNeverDoMoreThanThrow) {
  TestRandom random{testing::test_seed()};
  TreeNode node = leaf({"a", "b", "c"});
  node.mutable_entries(1)->add_xattrs()->set_name("user.x");
  const Bytes good = encode_message(node);
  for (std::size_t length = 0; length < good.size(); ++length) {
    try {
      decode_tree_node(ByteView{good}.first(length));  // may end between two entries
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::corrupt);
    }
  }
  for (int i = 0; i < 20'000; ++i) {
    Bytes bad = good;
    for (std::size_t flips = pick(random, 1, 4); flips > 0; --flips) {
      bad[pick(random, 0, bad.size() - 1)] = static_cast<std::byte>(random());
    }
    try {
      const TreeNode read = decode_tree_node(bad);
      for (const Entry& entry : read.entries()) check_entry(entry);
    } catch (const Error& error) {
      EXPECT_TRUE(error.code() == ErrorCode::corrupt || error.code() == ErrorCode::unsupported);
    }
  }
}

}  // namespace
}  // namespace vgerfs::repo

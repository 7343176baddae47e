// Directory trees as chunks: nodes, the builder that splits directories by their names, and readers
// (docs/FORMAT.md section 10).
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "format/tree.pb.h"
#include "repo/chunk.h"

namespace vgerfs::repo {

using Entry = format::proto::Entry;
using format::proto::EntryType;

/// What in the entry breaks FORMAT.md section 10, or null; `is_root`: a snapshot's root, without a
/// name.
const char* fault_of(const Entry& entry, bool is_root = false);
/// Throws corrupt if there is a fault.
void check_entry(const Entry& entry, bool is_root = false);

/// Decodes and checks one node by itself; its place among others is the reader's to check. The
/// second form reuses the message's memory. Throws corrupt, unsupported.
format::proto::TreeNode decode_tree_node(ByteView bytes);
void decode_tree_node(ByteView bytes, format::proto::TreeNode& node);

/// The name of a node's first entry or child.
const std::string& first_name_of(const format::proto::TreeNode& node);
/// Number of entries in and below a decoded node.
std::uint64_t entries_of(const format::proto::TreeNode& node);

/// Builds one directory from entries that come in ascending order of names. Memory: one open node
/// per level. One thread at a time.
class DirectoryBuilder {
 public:
  DirectoryBuilder(ChunkSink& sink, const std::array<std::byte, 16>& split_key);
  ~DirectoryBuilder();

  /// Throws usage when names do not ascend or the entry is not valid or does not fit into a node.
  /// Long xattr values must be chunks already (add_xattr).
  void add(const Entry& entry);
  /// The directory's root node, or nullopt if it has no entries. The builder is spent afterwards.
  std::optional<ChunkId> finish();
  std::uint64_t entries() const noexcept { return entries_; }

 private:
  struct Level;
  void insert(std::size_t level, const google::protobuf::MessageLite& item, std::string_view name,
              std::uint64_t entries);
  void close_level(std::size_t level);

  ChunkSink& sink_;
  std::array<std::byte, 16> split_key_;
  std::vector<std::unique_ptr<Level>> levels_;
  std::string last_name_;
  std::uint64_t entries_ = 0;
};

/// Adds an xattr to an entry, its value as a chunk if it is long or the entry has many. Call in
/// ascending order of names. Throws usage for names or values that the format does not allow.
void add_xattr(Entry& entry, ChunkSink& sink, std::string_view name, ByteView value);
/// A stored xattr's value. Throws corrupt, and what the source throws.
Bytes xattr_value(const format::proto::Xattr& xattr, ChunkSource& source);

/// Reads one directory. Bounded by FORMAT.md's limits whatever the bytes say: names ascend strictly
/// over the whole directory, so no node is met twice. One thread at a time.
class DirectoryReader {
 public:
  /// `root` nullopt: an empty directory. Reads nothing yet.
  DirectoryReader(ChunkSource& source, std::optional<ChunkId> root);
  ~DirectoryReader();

  /// The next entry in order of names, or null at the end. Valid until the next call. Throws
  /// corrupt naming the node, and what the source throws; calling it again then goes on behind the
  /// subtree that could not be read.
  const Entry* next();
  /// Continues with the first entry whose name is > `name`, before or behind the current one. Nodes
  /// at hand are not read again.
  void seek_after(std::string_view name);

 private:
  struct Position;
  Position& push();

  ChunkSource& source_;
  std::optional<ChunkId> root_;
  // The path from the root to the current leaf: the first depth_ elements; the others keep their
  // memory.
  std::vector<std::unique_ptr<Position>> path_;
  std::size_t depth_ = 0;
};

/// One entry by name; reads O(log n) nodes.
std::optional<Entry> find_entry(ChunkSource& source, std::optional<ChunkId> root,
                                std::string_view name);
/// Number of entries of a directory; reads one node.
std::uint64_t count_entries(ChunkSource& source, std::optional<ChunkId> root);

/// The `subtree` field as an optional id.
std::optional<ChunkId> subtree_of(const Entry& entry);

}  // namespace vgerfs::repo

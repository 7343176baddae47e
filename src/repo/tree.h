// Directory trees as chunks: nodes, the builder that splits directories by their names, and readers (docs/FORMAT.md section 10).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "format/tree.pb.h"
#include "repo/chunk.h"

namespace vgerfs::repo {

using Entry = format::proto::Entry;
using format::proto::EntryType;

/// Throws corrupt if the entry breaks FORMAT.md section 10; `is_root`: a snapshot's root, without a name.
void check_entry(const Entry& entry, bool is_root = false);

/// Decodes and checks one node. Throws corrupt, unsupported.
format::proto::TreeNode decode_tree_node(ByteView bytes);
format::proto::ExtentNode decode_extent_node(ByteView bytes);

/// Builds one directory from entries that come in ascending order of names. Memory: one open node per level.
class DirectoryBuilder {
 public:
  DirectoryBuilder(ChunkSink& sink, const std::array<std::byte, 16>& split_key);
  ~DirectoryBuilder();

  /// Throws usage when names do not ascend or the entry is not valid. Long xattr values must be chunks already (store_xattr).
  void add(Entry entry);
  /// The directory's root node, or nullopt if it has no entries.
  std::optional<ChunkId> finish();
  std::uint64_t entries() const noexcept;

 private:
  struct Level;
  void close_level(std::size_t level);

  ChunkSink& sink_;
  std::array<std::byte, 16> split_key_;
  std::vector<std::unique_ptr<Level>> levels_;
  std::string last_name_;
  std::uint64_t entries_ = 0;
};

/// Adds an xattr to an entry, its value as a chunk if it is long. Call in ascending order of names.
void add_xattr(Entry& entry, ChunkSink& sink, std::string_view name, ByteView value);
/// A stored xattr's value.
Bytes xattr_value(const format::proto::Xattr& xattr, ChunkSource& source);

/// Reads one directory. Bounded by FORMAT.md's limits whatever the bytes say. One thread at a time.
class DirectoryReader {
 public:
  /// `root` nullopt: an empty directory.
  DirectoryReader(ChunkSource& source, std::optional<ChunkId> root);
  ~DirectoryReader();

  /// The next entry in order of names, or null at the end. Valid until the next call.
  const Entry* next();
  /// Continues with the first entry whose name is > `name`.
  void seek_after(std::string_view name);

 private:
  struct Position;
  ChunkSource& source_;
  std::optional<ChunkId> root_;
  std::vector<Position> stack_;
  std::string last_name_;
  bool started_ = false;
};

/// One entry by name; reads O(log n) nodes. Number of entries of a directory: reads one node.
std::optional<Entry> find_entry(ChunkSource& source, std::optional<ChunkId> root, std::string_view name);
std::uint64_t count_entries(ChunkSource& source, std::optional<ChunkId> root);

/// The `subtree` field as an optional id.
std::optional<ChunkId> subtree_of(const Entry& entry);

}  // namespace vgerfs::repo

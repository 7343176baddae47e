// Puts a tree together from entries that are known in another order than that of their names: files
// are read several at a time, and directories wait for them.
#pragma once

#include <array>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "repo/chunk.h"
#include "repo/file_entry.h"
#include "repo/tree.h"

namespace vgerfs::repo {

/// Places in a directory are taken in order of names and filled in any order; what is before the
/// first empty place goes into the directory's builder, a directory without empty places into its
/// parent. One thread.
class TreeAssembler {
 public:
  class Directory;
  /// A place that waits for its entry. Valid until it is filled or dropped.
  struct Place {
    explicit Place(Directory& in);
    ~Place();
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;

    Directory& directory;
    bool empty = true;
    bool dropped = false;
    Entry entry;
    std::unique_ptr<Directory> child;  // while it is being assembled
  };

  /// What the format refuses is handed to `rejected` and left out.
  using Rejected = std::function<void(const Directory& directory, const std::string& name,
                                      const std::string& reason)>;
  /// `sink` and `split_key` must outlive the assembler.
  TreeAssembler(ChunkSink& sink, const std::array<std::byte, 16>& split_key, Rejected rejected);
  ~TreeAssembler();

  /// Where a directory's times come from.
  enum class Times { own, newest_inside };

  /// Begins a directory; `entry` without its subtree. It takes the next place of its parent, null:
  /// it is the root. `path` is for messages.
  Directory& open(Directory* parent, Entry entry, std::string path, Times times);
  static const std::string& path_of(const Directory& directory);
  /// All places are taken.
  void close(Directory& directory);

  Place& take_place(Directory& directory);
  void fill(Place& place, Entry entry);
  /// Nothing comes.
  void drop(Place& place);
  /// Takes and fills a place at once.
  void add(Directory& directory, Entry entry);

  /// Entries in memory.
  std::size_t pending() const noexcept { return pending_; }
  /// The root with its subtree, once every directory is closed and every place filled.
  Entry take_root();

 private:
  void settle(Directory* directory);
  void insert(Directory& directory, const Entry& entry);

  ChunkSink& sink_;
  const std::array<std::byte, 16>& split_key_;
  const Rejected rejected_;
  std::unique_ptr<Directory> root_;
  Entry finished_root_;
  bool finished_ = false;
  std::size_t pending_ = 0;
};

}  // namespace vgerfs::repo

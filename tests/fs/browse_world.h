// Snapshots in memory for tests of the browse view.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "fs/browse_source.h"
#include "repo/extents.h"
#include "repo/memory_chunks.h"
#include "repo/tree.h"

namespace vgerfs::testing {

/// Names of snapshots.
inline constexpr const char* kTime = "2026-11-20T23.10.05Z";
inline constexpr const char* kLater = "2026-11-21T23.10.05Z";

/// A source of snapshots that a test makes, damages and lists. Thread-safe where the view is.
class BrowseWorld final : public fs::BrowseSource {
 public:
  // What a test makes.

  static repo::Entry entry(const std::string& name, repo::EntryType type, unsigned mode) {
    repo::Entry made;
    made.set_name(name);
    made.set_type(type);
    made.set_mode(mode);
    made.set_uid(1000);
    made.set_gid(100);
    made.set_mtime_s(1'700'000'000);
    made.set_mtime_ns(123'456'789);
    made.set_ctime_s(1'700'000'001);
    return made;
  }

  /// Pieces: text, or a number of bytes of hole.
  struct Piece {
    std::string text;
    std::uint64_t hole = 0;
  };
  repo::Entry file(const std::string& name, const std::vector<Piece>& pieces) {
    repo::Entry made = entry(name, repo::EntryType::ENTRY_FILE, 0644);
    repo::ExtentListBuilder extents{chunks_};
    for (const Piece& piece : pieces) {
      if (piece.hole != 0) {
        extents.add({.bytes = piece.hole});
      } else {
        extents.add({.bytes = piece.text.size(),
                     .chunk = chunks_.put(repo::ChunkKind::data, bytes_of(piece.text))});
      }
    }
    extents.finish(made);
    return made;
  }
  repo::Entry file(const std::string& name, const std::string& text) {
    return text.empty() ? file(name, std::vector<Piece>{}) : file(name, std::vector<Piece>{{text}});
  }
  repo::Entry directory(const std::string& name, std::vector<repo::Entry> entries) {
    repo::Entry made = entry(name, repo::EntryType::ENTRY_DIRECTORY, 0755);
    std::sort(entries.begin(), entries.end(),
              [](const auto& a, const auto& b) { return a.name() < b.name(); });
    repo::DirectoryBuilder builder{chunks_, {}};
    for (const repo::Entry& each : entries) builder.add(each);
    if (const auto root = builder.finish()) made.set_subtree(root->raw());
    return made;
  }

  /// The newest of its line; its id is a function of the arguments.
  SnapshotId add(const std::string& host, const std::string& source, const std::string& time_name,
                 std::vector<repo::Entry> entries, bool belongs_to_line = true) {
    auto snapshot = std::make_shared<repo::Snapshot>();
    snapshot->id = SnapshotId{sha256(bytes_of(host + source + time_name))};
    snapshot->host = host;
    snapshot->source = source;
    snapshot->time = {1'700'000'000, 0};
    snapshot->root = directory("", std::move(entries));
    snapshot->belongs_to_line = belongs_to_line;
    const SnapshotId id = snapshot->id;
    store_.snapshots.push_back({.snapshot = std::move(snapshot), .time_name = time_name});
    std::stable_sort(store_.snapshots.begin(), store_.snapshots.end(),
                     [](const auto& a, const auto& b) {
                       return std::tie(a.snapshot->host, a.snapshot->source) <
                              std::tie(b.snapshot->host, b.snapshot->source);
                     });
    return id;
  }
  void remove(const SnapshotId& id) {
    std::erase_if(store_.snapshots, [&](const auto& listed) { return listed.snapshot->id == id; });
  }
  void add_unreadable(const SnapshotId& id, const std::string& reason) {
    store_.unreadable.push_back({id, reason});
  }

  repo::MemoryChunks& chunks() { return chunks_; }
  /// Reading this text fails from now on.
  void damage(const std::string& text) {
    const std::lock_guard lock{mutex_};
    damaged_.insert(chunks_.put(repo::ChunkKind::data, bytes_of(text)));
  }
  void fail_refresh(std::optional<Error> error) { refresh_error_ = std::move(error); }

  /// Chunks that prefetch was called for.
  std::size_t prefetched() const {
    const std::lock_guard lock{mutex_};
    return prefetched_.size();
  }
  std::size_t refreshes() const {
    const std::lock_guard lock{mutex_};
    return refreshes_;
  }

  // What the view asks.

  std::shared_ptr<const repo::SnapshotList> list() override {
    const std::lock_guard lock{mutex_};
    return listed_;
  }
  void refresh() override {
    const std::lock_guard lock{mutex_};
    ++refreshes_;
    if (refresh_error_) throw Error{*refresh_error_};
    listed_ = std::make_shared<repo::SnapshotList>(store_);
  }
  Bytes get(repo::ChunkKind kind, const ChunkId& id) override { return chunks_.get(kind, id); }
  repo::ChunkView view(repo::ChunkKind kind, const ChunkId& id) override {
    {
      const std::lock_guard lock{mutex_};
      if (damaged_.contains(id))
        throw Error{ErrorCode::corrupt, "data/damaged: the tag does not match"};
    }
    auto block = std::make_shared<repo::DecodedBlock>();
    block->plain = chunks_.get(kind, id);
    const ByteView bytes = block->plain;
    return {std::move(block), bytes};
  }
  void prefetch(repo::ChunkKind /*kind*/, const ChunkId& id) override {
    const std::lock_guard lock{mutex_};
    prefetched_.push_back(id);
  }

 private:
  repo::MemoryChunks chunks_;
  repo::SnapshotList store_;
  std::optional<Error> refresh_error_;

  mutable std::mutex mutex_;
  std::shared_ptr<const repo::SnapshotList> listed_ =
      std::make_shared<repo::SnapshotList>();  // guarded by mutex_, as below
  std::set<ChunkId> damaged_;
  std::vector<ChunkId> prefetched_;
  std::size_t refreshes_ = 0;
};

}  // namespace vgerfs::testing

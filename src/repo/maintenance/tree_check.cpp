#include "repo/maintenance/tree_check.h"

#include <chrono>
#include <memory>
#include <utility>

#include "base/error.h"
#include "repo/maintenance/stops_work.h"
#include "repo/worker_pool.h"

namespace vgerfs::repo {
namespace {

struct Looked {
  TreeCounts counts;
  std::vector<ChunkId> directories;  // found in it, not visited before
};

/// One directory after another, in one thread.
class DirectoryCheck {
 public:
  DirectoryCheck(CheckedSource& source, ChunkTable& table, std::stop_token stop)
      : source_(source), table_(table), stop_(std::move(stop)), entries_(source, source) {}

  Looked look(const ChunkId& directory) {
    Looked looked;
    ++looked.counts.directories;
    DirectoryReader reader{source_, directory};
    std::string failure;
    for (;;) {
      throw_if_stopped(stop_);
      const Entry* entry = nullptr;
      try {
        entry = reader.next();
      } catch (const Error& error) {
        if (stops_work(error.code())) throw;
        looked.counts.damaged = true;
        // What the reader throws twice it does not get beyond.
        if (error.message() == failure) break;
        failure = error.message();
        continue;
      }
      if (entry == nullptr) break;
      look_at(*entry, looked);
    }
    return looked;
  }

  void look_at(const Entry& entry, Looked& looked) {
    if (const auto subtree = subtree_of(entry)) {
      if (table_.set(*subtree, ChunkTable::Flag::visited)) {
        looked.directories.push_back(*subtree);
      } else if (table_.find(*subtree).state == ChunkTable::State::unknown) {
        looked.counts.damaged = true;
      }
    }
    try {
      if (!entries_.is_good(entry, looked.counts)) looked.counts.damaged = true;
    } catch (const Error& error) {
      if (stops_work(error.code())) throw;
      looked.counts.damaged = true;
    }
  }

 private:
  CheckedSource& source_;
  ChunkTable& table_;
  const std::stop_token stop_;
  EntryCheck entries_;
};

}  // namespace

TreeCounts& TreeCounts::operator+=(const TreeCounts& other) noexcept {
  directories += other.directories;
  files += other.files;
  chunk_references += other.chunk_references;
  damaged = damaged || other.damaged;
  return *this;
}

bool EntryCheck::is_good(const Entry& entry, TreeCounts& counts, const BadChunk& bad) {
  bool good = true;
  const auto refuse = [&](ChunkKind kind, const ChunkId& id, const char* what) {
    good = false;
    if (bad) bad(kind, id, what);
    return false;
  };
  for (const auto& xattr : entry.xattrs()) {
    if (xattr.value_chunk().empty()) continue;
    const ChunkId id = ChunkId::from_bytes(xattr.value_chunk());
    ++counts.chunk_references;
    if (!source_.plain_bytes(ChunkKind::blob, id)) {
      refuse(ChunkKind::blob, id, "an attribute's value is lost");
    }
  }
  if (entry.type() != format::proto::ENTRY_FILE) return good;
  ++counts.files;
  // Each node once: a hostile list that shares nodes claims more extents than anybody can visit.
  for_each_new_extent(nodes_, entry, good_extents_, [&](const Extent& extent) {
    if (!extent.chunk) return true;
    ++counts.chunk_references;
    const auto bytes = source_.plain_bytes(ChunkKind::data, *extent.chunk);
    if (!bytes) return refuse(ChunkKind::data, *extent.chunk, "content is lost");
    if (extent.chunk_offset + extent.bytes > *bytes) {
      return refuse(ChunkKind::data, *extent.chunk, "an extent reaches beyond its chunk");
    }
    return true;
  });
  return good;
}

TreeCounts check_trees(CheckedSource& source, ChunkTable& table, const std::vector<Entry>& roots,
                       unsigned threads, const std::stop_token& stop,
                       const std::function<void(const TreeCounts&)>& progress) {
  constexpr std::size_t kMaxOutstanding = 512;
  TreeCounts total;
  std::vector<ChunkId> waiting;
  {
    DirectoryCheck roots_check{source, table, stop};
    for (const Entry& root : roots) {
      Looked looked;
      roots_check.look_at(root, looked);
      total += looked.counts;
      waiting.insert(waiting.end(), looked.directories.begin(), looked.directories.end());
    }
  }
  using Pool = WorkerPool<ChunkId, Looked>;
  Pool pool{{.thread_name = "vgerfs-check", .threads = threads, .batch_weight = 32},
            stop,
            [&](const std::stop_token& token) -> Pool::Worker {
              auto check = std::make_shared<DirectoryCheck>(source, table, token);
              return [check](const ChunkId& directory) { return check->look(directory); };
            }};
  while (!waiting.empty() || pool.outstanding() > 0) {
    throw_if_stopped(stop);
    while (!waiting.empty() && pool.outstanding() < kMaxOutstanding) {
      pool.submit(waiting.back(), 1);
      waiting.pop_back();
    }
    for (Looked& looked : pool.take(std::chrono::milliseconds{200})) {
      total += looked.counts;
      waiting.insert(waiting.end(), looked.directories.begin(), looked.directories.end());
    }
    progress(total);
  }
  return total;
}

}  // namespace vgerfs::repo

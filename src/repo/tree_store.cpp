#include "repo/tree_store.h"

#include <map>
#include <mutex>
#include <optional>
#include <type_traits>
#include <vector>

#include "base/log.h"
#include "repo/client_database.h"
#include "repo/limits.h"
#include "repo/local_seal.h"

namespace vgerfs::repo {
namespace {

constexpr DatabaseKind kKind{
    .name = "tree store",
    .schema =
        "CREATE TABLE chunk(id BLOB NOT NULL PRIMARY KEY, kind INTEGER NOT NULL, "
        "sealed BLOB NOT NULL) STRICT",
    .version = 1,
    .disposable = true,
    .shrinks = true,
};
constexpr DatabaseOptions kOptions{.durability = Durability::full, .cache_kib = 2 * 1024};
constexpr std::size_t kIdleConnections = 4;
constexpr std::size_t kBatchBytes = std::size_t{4} << 20;
constexpr std::int64_t kRetainBatch = 4096;  // ids

struct SealedChunk {
  ChunkKind kind{};
  Bytes sealed;
};
using Batch = std::map<ChunkId, SealedChunk>;

Bytes context_of(ChunkKind kind, const ChunkId& id) {
  Bytes context;
  append(context, bytes_of("tree store"));
  context.push_back(static_cast<std::byte>(kind));
  append(context, id.view());
  return context;
}

class SqliteTreeStore final : public TreeStore {
 public:
  SqliteTreeStore(std::unique_ptr<Database> database, crypto::Secret local_key,
                  const RepositoryId& repository, crypto::Random& random)
      : key_(std::move(local_key)),
        repository_(repository),
        random_(random),
        writer_(std::move(database)),
        readers_(writer_->path(), kOptions, kIdleConnections),
        watch_(writer_->path(), kKind, read_generation(*writer_)) {}

  void put(ChunkKind kind, const ChunkId& id, ByteView bytes) override {
    VGERFS_CHECK(bytes.size() <= kMaxChunkBytes);
    if (contains(id)) return;
    SealedChunk chunk{kind, seal_local(sealing(), context_of(kind, id), bytes, random_)};
    const std::size_t size = chunk.sealed.size();
    bool full = false;
    {
      const std::lock_guard lock{mutex_};
      if (waiting_.try_emplace(id, std::move(chunk)).second) waiting_bytes_ += size;
      full = waiting_bytes_ >= kBatchBytes;
    }
    if (full) flush();
  }

  bool contains(const ChunkId& id) override {
    {
      const std::lock_guard lock{mutex_};
      if (waiting_.contains(id) || flushing_.contains(id)) return true;
    }
    return read([&](Database& database) {
      auto query = database.query("SELECT 1 FROM chunk WHERE id = ?1");
      return query.bind(id).step();
    });
  }

  Bytes get(ChunkKind kind, const ChunkId& id) override {
    const auto sealed = find(kind, id);
    if (!sealed) throw Error{ErrorCode::not_found, "the tree store has no chunk " + id.hex()};
    try {
      return open_local(sealing(), context_of(kind, id), *sealed);
    } catch (Error& error) {
      error.add_context(fmt::format("chunk {} in the tree store {}", id.hex(), writer_->path()));
      drop_damaged(id);
      throw;
    }
  }

  void flush() override {
    const std::lock_guard writer_lock{writer_mutex_};
    {
      const std::lock_guard lock{mutex_};
      if (waiting_.empty()) return;
      flushing_ = std::exchange(waiting_, {});
      waiting_bytes_ = 0;
    }
    try {
      write(flushing_);
    } catch (...) {
      const std::lock_guard lock{mutex_};
      for (const auto& [id, chunk] : flushing_) waiting_bytes_ += chunk.sealed.size();
      waiting_.merge(flushing_);
      flushing_.clear();
      throw;
    }
    const std::lock_guard lock{mutex_};
    flushing_.clear();
  }

  void retain(const std::function<bool(const ChunkId&)>& keep) override {
    flush();
    std::int64_t last = 0;
    for (;;) {
      std::vector<ChunkId> ids;
      read([&](Database& database) {
        auto rows =
            database.query("SELECT rowid, id FROM chunk WHERE rowid > ?1 ORDER BY rowid LIMIT ?2");
        rows.bind(last, kRetainBatch);
        while (rows.step()) {
          last = rows.integer(0);
          ids.push_back(rows.id<ChunkId>(1));
        }
      });
      if (ids.empty()) break;
      std::erase_if(ids, keep);
      drop(ids);
    }
    const std::lock_guard lock{writer_mutex_};
    watch_.run([&] { writer_->execute("PRAGMA incremental_vacuum"); });
  }

 private:
  LocalSealing sealing() const { return {repository_, key_.view()}; }

  template <class Work>
  std::invoke_result_t<Work, Database&> read(Work work) {
    return watch_.run([&] {
      const auto lease = readers_.take();
      return work(*lease);
    });
  }

  std::optional<Bytes> find(ChunkKind kind, const ChunkId& id) {
    {
      const std::lock_guard lock{mutex_};
      for (const Batch* batch : {&waiting_, &flushing_}) {
        const auto found = batch->find(id);
        if (found == batch->end()) continue;
        return found->second.kind == kind ? std::optional{found->second.sealed} : std::nullopt;
      }
    }
    return read([&](Database& database) -> std::optional<Bytes> {
      auto row = database.query("SELECT sealed FROM chunk WHERE id = ?1 AND kind = ?2");
      if (!row.bind(id, static_cast<std::uint8_t>(kind)).step()) return std::nullopt;
      const ByteView sealed = row.blob(0);
      return Bytes{sealed.begin(), sealed.end()};
    });
  }

  void write(const Batch& batch) {
    watch_.run([&] {
      Transaction transaction{*writer_, Transaction::Mode::write};
      auto insert =
          writer_->query("INSERT OR IGNORE INTO chunk(id, kind, sealed) VALUES (?1, ?2, ?3)");
      for (const auto& [id, chunk] : batch) {
        insert.bind(id, static_cast<std::uint8_t>(chunk.kind), chunk.sealed).run();
      }
      transaction.commit();
    });
  }

  void drop_damaged(const ChunkId& id) noexcept {
    try {
      drop({id});
    } catch (const std::exception& error) {
      log::warning("a damaged chunk stays in the tree store: {}", error.what());
    }
  }

  void drop(const std::vector<ChunkId>& ids) {
    if (ids.empty()) return;
    const std::lock_guard lock{writer_mutex_};
    watch_.run([&] {
      Transaction transaction{*writer_, Transaction::Mode::write};
      auto remove = writer_->query("DELETE FROM chunk WHERE id = ?1");
      for (const ChunkId& id : ids) remove.bind(id).run();
      transaction.commit();
    });
  }

  const crypto::Secret key_;
  const RepositoryId repository_;
  crypto::Random& random_;
  std::mutex mutex_;
  Batch waiting_;                  // guarded by mutex_, as all until writer_mutex_
  std::size_t waiting_bytes_ = 0;  // sealed
  Batch flushing_;                 // changed only with writer_mutex_ too, which may read it alone
  std::mutex writer_mutex_;        // held during a write transaction; taken before mutex_
  std::unique_ptr<Database> writer_;  // guarded by writer_mutex_
  DatabasePool readers_;
  DamageWatch watch_;
};

}  // namespace

std::unique_ptr<TreeStore> TreeStore::open(const std::string& path, crypto::Secret local_key,
                                           const RepositoryId& repository, crypto::Random& random) {
  auto database = open_client_database(path, kOptions, kKind, repository);
  return std::make_unique<SqliteTreeStore>(std::move(database), std::move(local_key), repository,
                                           random);
}

}  // namespace vgerfs::repo

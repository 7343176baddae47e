#include "repo/index_cache.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <mutex>
#include <type_traits>
#include <utility>

#include "base/fd.h"
#include "base/log.h"
#include "repo/index_filter.h"
#include "repo/index_fold.h"
#include "repo/index_rows.h"
#include "repo/sqlite.h"

namespace vgerfs::repo {
namespace {

constexpr DatabaseOptions kWriterOptions{.durability = Durability::normal, .cache_kib = 32 * 1024};
constexpr DatabaseOptions kReaderOptions{.durability = Durability::normal, .cache_kib = 4 * 1024};
constexpr std::size_t kIdleReaders = 8;          // with the writer's 64 MiB of page cache
constexpr std::size_t kFilterBatch = 64 * 1024;  // keys
constexpr std::int64_t kPackBatch = 256;         // packs without blocks read at once

std::string database_path(const std::string& directory) { return directory + "/index.sqlite"; }

IndexTotals read_totals(Database& database) {
  auto row =
      database.query("SELECT records, packs, blocks, chunks, stored_bytes, plain_bytes FROM total");
  if (!row.step()) throw Error{ErrorCode::corrupt, "the index cache has lost its totals"};
  return {row.number<std::uint64_t>(0), row.number<std::uint64_t>(1), row.number<std::uint64_t>(2),
          row.number<std::uint64_t>(3), row.number<std::uint64_t>(4), row.number<std::uint64_t>(5)};
}

IndexFilter::Generation read_generation(Database& database) {
  auto row = database.query("SELECT generation FROM total");
  if (!row.step()) throw Error{ErrorCode::corrupt, "the index cache has lost its generation"};
  return row.array<16>(0);
}

// The number of chunks as a size for the filter. A damaged number would claim the whole disk; no
// entry takes less than 36 bytes of the database.
std::uint64_t count_keys(Database& database) {
  auto pages = database.query("PRAGMA page_count");
  pages.step();
  auto page_size = database.query("PRAGMA page_size");
  page_size.step();
  const std::uint64_t chunks = read_totals(database).chunks;
  if (chunks > pages.number<std::uint64_t>(0) * page_size.number<std::uint64_t>(0) / 36) {
    throw Error{ErrorCode::corrupt, "the index cache has a wrong number of chunks"};
  }
  return chunks;
}

// Where `id` stands among ids of 32 bytes each; nullopt if it is not there. Throws corrupt if not
// even its prefix is: then the row that led here is wrong.
std::optional<std::uint32_t> position_in(ByteView ids, const ChunkId& id) {
  bool same_prefix = false;
  for (std::size_t at = 0; at + ChunkId::kSize <= ids.size(); at += ChunkId::kSize) {
    if (std::memcmp(&ids[at], id.bytes().data(), sizeof(std::uint64_t)) != 0) continue;
    if (std::memcmp(&ids[at], id.bytes().data(), ChunkId::kSize) == 0) {
      return static_cast<std::uint32_t>(at / ChunkId::kSize);
    }
    same_prefix = true;
  }
  if (!same_prefix) throw Error{ErrorCode::corrupt, "the index cache leads to a wrong block"};
  return std::nullopt;
}

class SqliteIndexCache final : public IndexCache {
 public:
  SqliteIndexCache(const std::string& directory, OpenedDatabase opened)
      : filter_path_(directory + "/index.filter"),
        writer_(std::move(opened.database)),
        readers_(writer_->path(), kReaderOptions, kIdleReaders) {
    watch([&] { load_filter(); });
  }

  ~SqliteIndexCache() override {
    try {
      const std::lock_guard lock{writer_mutex_};
      if (const auto filter = current_filter()) {
        // Taken as a lock, never committed.
        const Transaction transaction{*writer_, Transaction::Mode::write};
        filter->close_clean();
      }
    } catch (const std::exception& error) {
      log::debug("index filter not closed: {}",
                 error.what());  // it is made anew after the next boot
    }
  }

  std::array<std::byte, 16> generation() override {
    return read([&](Database& database) { return read_generation(database); });
  }

  bool has_record(const RecordId& id) override {
    return read([&](Database& database) {
      follow_filter(database);
      return is_folded(database, id);
    });
  }

  std::vector<RecordId> records() override {
    return read([&](Database& database) {
      follow_filter(database);
      return read_ids<RecordId>(database.query("SELECT name FROM record"));
    });
  }

  void apply(const RecordId& id, const IndexRecord& record, std::uint64_t stored_bytes) override {
    if (has_record(id)) return;
    const std::lock_guard lock{writer_mutex_};
    watch([&] {
      Transaction transaction{*writer_, Transaction::Mode::write};
      if (is_folded(*writer_, id)) return;
      auto keys = fold_record(*writer_, id, record, stored_bytes);
      add_to_filter(std::move(keys));
      transaction.commit();
    });
  }

  std::vector<ChunkPlace> find(const ChunkId& id) override {
    return read([&](Database& database) {
      // Left joins: a row that leads nowhere is damage, not absence.
      auto rows = database.query(
          "SELECT p.name, p.trusted, a.key, " VGERFS_BLOCK_COLUMNS
          " FROM chunk c LEFT JOIN block b ON b.id = c.block LEFT JOIN pack p ON p.id = b.pack "
          "LEFT JOIN author a ON a.id = p.author WHERE c.prefix = ?1 ORDER BY c.block");
      rows.bind(row_prefix(id));
      std::vector<ChunkPlace> places;
      while (rows.step()) {
        const auto position = position_in(rows.blob(7), id);
        if (!position) continue;
        ChunkPlace place{rows.id<PackId>(0), read_block(rows, 3), *position};
        for (std::uint32_t i = 0; i < *position; ++i)
          place.offset += place.block.chunks[i].plain_bytes;
        place.trusted = rows.integer(1) != 0;
        place.author = rows.array<32>(2);
        places.push_back(std::move(place));
      }
      std::stable_partition(places.begin(), places.end(),
                            [](const ChunkPlace& place) { return place.trusted; });
      return places;
    });
  }

  bool knows(const ChunkId& id, const crypto::PublicKey& author, DedupPolicy policy) override {
    if (const auto filter = current_filter();
        filter != nullptr && !filter->may_contain(id.prefix()))
      return false;
    return read([&](Database& database) {
      auto rows = database.query(
          "SELECT b.ids FROM chunk c CROSS JOIN block b ON b.id = c.block CROSS JOIN pack p ON "
          "p.id = b.pack "
          "WHERE c.prefix = ?1 AND (?2 OR p.trusted OR p.author = (SELECT id FROM author WHERE key "
          "= ?3))");
      rows.bind(row_prefix(id), policy == DedupPolicy::all, author);
      while (rows.step()) {
        if (position_in(rows.blob(0), id)) return true;
      }
      return false;
    });
  }

  std::vector<RecordId> record_heads() override {
    return read([&](Database& database) {
      return read_ids<RecordId>(database.query("SELECT name FROM record WHERE head ORDER BY name"));
    });
  }

  std::vector<SnapshotId> snapshot_heads(const std::vector<SnapshotId>& listed) override {
    return read([&](Database& database) {
      std::vector<SnapshotId> heads;
      auto claimed = database.query("SELECT 1 FROM claim WHERE name = ?1 AND snapshot = 1");
      for (const SnapshotId& id : listed) {
        if (!claimed.bind(id).step()) heads.push_back(id);
        claimed.reset();
      }
      return heads;
    });
  }

  std::vector<Claim> claims() override {
    return read([&](Database& database) {
      std::vector<Claim> claims;
      auto rows = database.query("SELECT name, snapshot, trusted FROM claim");
      while (rows.step())
        claims.push_back({rows.id<ObjectId>(0), rows.integer(1) != 0, rows.integer(2) != 0});
      return claims;
    });
  }

  std::vector<SnapshotId> removed_snapshots() override {
    return read([&](Database& database) {
      return read_ids<SnapshotId>(database.query("SELECT DISTINCT snapshot FROM removal"));
    });
  }

  IndexTotals totals() override {
    return read([&](Database& database) { return read_totals(database); });
  }

  void for_each_pack(bool with_blocks,
                     const std::function<void(const PackDescription&, const RecordId&,
                                              bool trusted)>& each) override {
    // Read in steps: neither a connection nor a transaction is held while `each` runs.
    std::int64_t last = 0;
    for (;;) {
      const auto packs = read([&](Database& database) {
        return read_packs(database, last, with_blocks ? 1 : kPackBatch, with_blocks);
      });
      if (packs.empty()) return;
      for (const PackRow& pack : packs) each(pack.description, pack.record, pack.trusted);
      last = packs.back().row;
    }
  }

 private:
  struct PackRow {
    std::int64_t row = 0;
    PackDescription description;
    RecordId record;
    bool trusted = false;
  };

  template <class IdType>
  static std::vector<IdType> read_ids(Statement rows) {
    std::vector<IdType> ids;
    while (rows.step()) ids.push_back(rows.id<IdType>(0));
    return ids;
  }

  static std::vector<PackRow> read_packs(Database& database, std::int64_t after, std::int64_t count,
                                         bool with_blocks) {
    std::vector<PackRow> packs;
    auto rows = database.query(
        "SELECT p.id, p.name, p.kind, p.stored_bytes, p.trusted, r.name, p.first_block, p.blocks "
        "FROM pack p "
        "LEFT JOIN record r ON r.id = p.record WHERE p.id > ?1 ORDER BY p.id LIMIT ?2");
    rows.bind(after, count);
    while (rows.step()) {
      PackRow pack;
      pack.row = rows.integer(0);
      pack.description = {rows.id<PackId>(1),
                          PackKind{rows.number<std::uint8_t>(2)},
                          rows.number<std::uint64_t>(3),
                          {}};
      pack.trusted = rows.integer(4) != 0;
      pack.record = rows.id<RecordId>(5);
      if (with_blocks)
        pack.description.blocks = read_blocks(database, rows.integer(6), rows.integer(7));
      packs.push_back(std::move(pack));
    }
    return packs;
  }

  static std::vector<BlockEntry> read_blocks(Database& database, std::int64_t first,
                                             std::int64_t count) {
    std::vector<BlockEntry> blocks;
    auto rows = database.query("SELECT " VGERFS_BLOCK_COLUMNS
                               " FROM block b WHERE b.id >= ?1 AND b.id < ?2 ORDER BY b.id");
    rows.bind(first, first + count);
    while (rows.step()) blocks.push_back(read_block(rows, 0));
    if (!std::cmp_equal(blocks.size(), count))
      throw Error{ErrorCode::corrupt, "a pack's blocks are not all there"};
    return blocks;
  }

  // Once damage has shown, no answer is given any more: absence would pass for truth.
  template <class Work>
  std::invoke_result_t<Work> watch(Work work) {
    if (damaged_.load()) {
      Error error{ErrorCode::corrupt, "it is damaged"};
      note_damage(writer_->path(), kIndexDatabase, error);
      throw error;
    }
    try {
      return watch_damage(writer_->path(), kIndexDatabase, work);
    } catch (const Error& error) {
      if (error.code() == ErrorCode::corrupt) damaged_.store(true);
      throw;
    }
  }

  // Runs `work` on a connection of its own, in one state of the database.
  template <class Work>
  std::invoke_result_t<Work, Database&> read(Work work) {
    return watch([&] {
      const auto lease = readers_.take();
      const Transaction transaction{*lease, Transaction::Mode::read};
      return work(*lease);
    });
  }

  std::shared_ptr<IndexFilter> current_filter() {
    const std::lock_guard lock{filter_mutex_};
    return filter_;
  }
  void set_filter(std::shared_ptr<IndexFilter> filter) {
    const std::lock_guard lock{filter_mutex_};
    filter_ = std::move(filter);
  }

  // Another process may have replaced the file.
  void follow_filter(Database& database) {
    const auto filter = current_filter();
    if (filter == nullptr || filter->is_current()) return;
    set_filter(IndexFilter::open(filter_path_, read_generation(database), count_keys(database)));
  }

  void load_filter() {
    {
      const Transaction transaction{*writer_, Transaction::Mode::read};
      set_filter(IndexFilter::open(filter_path_, read_generation(*writer_), count_keys(*writer_)));
    }
    if (current_filter() != nullptr) return;
    const Transaction transaction{*writer_, Transaction::Mode::write};  // as a lock
    add_to_filter({});
  }

  // Within a write transaction. The filter saves time only: without one every question goes to the
  // database.
  void add_to_filter(std::vector<std::uint64_t> keys) {
    try {
      auto filter = current_filter();
      if (filter == nullptr || !filter->is_current()) {
        filter = IndexFilter::open(filter_path_, read_generation(*writer_),
                                   count_keys(*writer_) - keys.size());
      }
      if (filter != nullptr && filter->has_room(keys.size())) {
        filter->add(std::move(keys));
      } else {
        filter = make_filter();
      }
      set_filter(std::move(filter));
    } catch (const Error& error) {
      if (error.code() == ErrorCode::corrupt)
        throw;  // the database's: the filter has no such error
      log::warning("going on without the index filter: {}", error.message());
      set_filter(nullptr);
      ::unlink(filter_path_.c_str());  // other processes must not trust it either
    }
  }

  std::shared_ptr<IndexFilter> make_filter() {
    return IndexFilter::make(
        filter_path_, read_generation(*writer_), count_keys(*writer_), [&](IndexFilter& filter) {
          std::vector<std::uint64_t> keys;
          auto rows = writer_->query("SELECT prefix FROM chunk ORDER BY prefix");
          while (rows.step()) {
            keys.push_back(static_cast<std::uint64_t>(rows.integer(0)));
            if (keys.size() == kFilterBatch) filter.add(std::exchange(keys, {}));
          }
          filter.add(std::move(keys));
        });
  }

  const std::string filter_path_;
  std::mutex filter_mutex_;
  std::shared_ptr<IndexFilter> filter_;  // guarded by filter_mutex_; null: none
  std::mutex writer_mutex_;           // held during a write transaction; taken before filter_mutex_
  std::unique_ptr<Database> writer_;  // guarded by writer_mutex_
  DatabasePool readers_;
  std::atomic<bool> damaged_{false};
};

}  // namespace

std::unique_ptr<IndexCache> IndexCache::open(const std::string& directory,
                                             const RepositoryId& repository) {
  make_directories(directory, 0700);
  return std::make_unique<SqliteIndexCache>(
      directory,
      open_client_database(database_path(directory), kWriterOptions, kIndexDatabase, repository));
}

void IndexCache::discard(const std::string& directory) {
  discard_database(database_path(directory));
}

}  // namespace vgerfs::repo

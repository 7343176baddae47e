#include "repo/index_cache.h"

#include <unistd.h>

#include <algorithm>
#include <mutex>
#include <type_traits>
#include <utility>

#include "base/fd.h"
#include "base/log.h"
#include "base/sqlite.h"
#include "repo/index_fact_rows.h"
#include "repo/index_filter.h"
#include "repo/index_fold.h"
#include "repo/index_query.h"
#include "repo/index_rows.h"

namespace vgerfs::repo {
namespace {

constexpr DatabaseOptions kWriterOptions{.durability = Durability::normal, .cache_kib = 32 * 1024};
constexpr DatabaseOptions kReaderOptions{.durability = Durability::normal, .cache_kib = 4 * 1024};
constexpr std::size_t kIdleReaders = 8;          // with the writer's 64 MiB of page cache
constexpr std::size_t kFilterBatch = 64 * 1024;  // keys
constexpr std::int64_t kPackBatch = 256;         // packs without blocks read at once
constexpr std::int64_t kCheckBatch = 1024;       // blocks

std::string database_path(const std::string& directory) { return directory + "/index.sqlite"; }

class SqliteIndexCache final : public IndexCache {
 public:
  SqliteIndexCache(const std::string& directory, std::unique_ptr<Database> database)
      : filter_path_(directory + "/index.filter"),
        writer_(std::move(database)),
        readers_(writer_->path(), kReaderOptions, kIdleReaders),
        watch_(writer_->path(), kIndexDatabase, read_generation(*writer_)) {
    watch_.run([&] { load_filter(); });
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
      return read_records(database);
    });
  }

  std::vector<IndexedRecord> record_list() override {
    return read([](Database& database) { return read_record_list(database); });
  }

  Supported supported() override {
    return read([](Database& database) { return read_supported(database); });
  }

  void apply(const RecordId& id, const IndexRecord& record, std::uint64_t stored_bytes) override {
    if (has_record(id)) return;
    const std::lock_guard lock{writer_mutex_};
    watch_.run([&] {
      Transaction transaction{*writer_, Transaction::Mode::write};
      if (is_folded(*writer_, id)) return;
      auto keys = fold_record(*writer_, id, record, stored_bytes);
      add_to_filter(std::move(keys));
      transaction.commit();
    });
  }

  std::vector<ChunkPlace> find(const ChunkId& id) override {
    return read([&](Database& database) { return find_places(database, blocks_, id); });
  }

  std::optional<PackId> find_usable(const ChunkId& id, const crypto::PublicKey& author,
                                    DedupPolicy policy) override {
    const auto filter = current_filter();
    if (filter != nullptr && !filter->may_contain(id.prefix())) return std::nullopt;
    return read([&](Database& database) { return find_usable_pack(database, id, author, policy); });
  }

  void check_once() override {
    const std::lock_guard lock{check_mutex_};
    if (checked_) return;
    read([](Database& database) {
      check_packs(database);
      check_facts(database);
    });
    std::optional<std::int64_t> last = 0;
    while (last) {
      last = read([&](Database& database) { return check_blocks(database, *last, kCheckBatch); });
    }
    checked_ = true;
  }

  std::vector<RecordId> record_heads() override {
    return read([&](Database& database) { return read_record_heads(database); });
  }

  std::vector<SnapshotId> snapshot_heads(const std::vector<SnapshotId>& listed,
                                         Role writer) override {
    return read([&](Database& database) {
      return unclaimed_snapshots(database, listed, writer == Role::full);
    });
  }

  std::vector<Claim> claims() override {
    return read([](Database& database) { return read_claims(database); });
  }

  std::vector<SnapshotId> removed_snapshots() override {
    std::vector<SnapshotId> removed;
    for (const SnapshotRemoval& removal :
         read([](Database& database) { return read_removals(database); })) {
      if (removed.empty() || removed.back() != removal.snapshot)
        removed.push_back(removal.snapshot);
    }
    return removed;
  }

  FactState facts() override {
    return read([](Database& database) {
      return FactState{read_removals(database), read_condemnations(database),
                       read_annotations(database), read_revocations(database)};
    });
  }

  Facts all_facts() override {
    return read([](Database& database) { return read_all_facts(database); });
  }

  std::vector<PackId> buried_packs() override {
    return read([](Database& database) { return read_buried(database); });
  }

  std::vector<RecordId> superseded_records() override {
    return read([](Database& database) { return read_superseded(database); });
  }

  bool is_buried(const PackId& pack) override {
    return read(
        [&](Database& database) { return is_fact(database, FactKind::buried, pack.view()); });
  }

  bool is_superseded(const RecordId& record) override {
    return read(
        [&](Database& database) { return is_fact(database, FactKind::superseded, record.view()); });
  }

  std::vector<IndexedPack> find_pack(const PackId& id) override {
    return read([&](Database& database) { return find_pack_entries(database, id); });
  }

  void for_each_repeated(const std::function<void(std::uint64_t prefix)>& each) override {
    std::optional<std::int64_t> last;
    for (;;) {
      const auto step = read([&](Database& database) { return read_repeated(database, last); });
      for (const std::int64_t prefix : step.repeated) each(static_cast<std::uint64_t>(prefix));
      if (!step.last) return;
      last = step.last;
    }
  }

  IndexTotals totals() override {
    return read([&](Database& database) { return read_totals(database); });
  }

  void for_each_pack(bool with_blocks,
                     const std::function<void(const IndexedPack&)>& each) override {
    // Read in steps: neither a connection nor a transaction is held while `each` runs.
    std::int64_t last = 0;
    for (;;) {
      const auto packs = read([&](Database& database) {
        return read_packs(database, last, with_blocks ? 1 : kPackBatch, with_blocks);
      });
      if (packs.empty()) return;
      for (const PackRow& row : packs) each(row.pack);
      last = packs.back().row;
    }
  }

 private:
  // Runs `work` on a connection of its own, in one state of the database.
  template <class Work>
  std::invoke_result_t<Work, Database&> read(Work work) {
    return watch_.run([&] {
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

  std::mutex check_mutex_;
  bool checked_ = false;  // guarded by check_mutex_
  const std::string filter_path_;
  std::mutex filter_mutex_;
  std::shared_ptr<IndexFilter> filter_;  // guarded by filter_mutex_; null: none
  std::mutex writer_mutex_;           // held during a write transaction; taken before filter_mutex_
  std::unique_ptr<Database> writer_;  // guarded by writer_mutex_
  DatabasePool readers_;
  BlockRowCache blocks_;
  DamageWatch watch_;
};

}  // namespace

std::unique_ptr<IndexCache> IndexCache::open(const std::string& directory,
                                             const RepositoryId& repository) {
  make_directories(directory, 0700);
  const std::string path = database_path(directory);
  return open_or_remake(path, [&] {
    return std::make_unique<SqliteIndexCache>(
        directory, open_client_database(path, kWriterOptions, kIndexDatabase, repository));
  });
}

void IndexCache::discard(const std::string& directory) {
  discard_database(database_path(directory));
}

}  // namespace vgerfs::repo

#include "repo/session.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <iterator>
#include <mutex>
#include <set>
#include <thread>
#include <utility>

#include "base/log.h"
#include "base/thread.h"
#include "repo/lease_keeper.h"
#include "repo/limits.h"
#include "repo/maintenance/grace.h"
#include "repo/program_name.h"
#include "repo/required_features.h"

namespace vgerfs::repo {
namespace {

// From the look at the index to the visible snapshot: less than half of the shortest grace time
// that maintenance takes (maintenance/grace.h), so that nothing which was alive at the look is
// deleted before the snapshot is seen.
constexpr std::int64_t kMaxPublishing_ns = kMinGrace_s * std::int64_t{1'000'000'000} / 2;

Repository& refreshed(Repository& repository) {
  repository.refresh();
  return repository;
}

std::string lock_holder(int fd) {
  std::byte text[32];
  const std::size_t count = read_at(fd, text, 0, "lock");
  std::string pid{text_of(ByteView{text}.first(count))};
  while (!pid.empty() && (pid.back() == '\n' || pid.back() == '\0')) pid.pop_back();
  return pid.empty() ? "unknown" : pid;
}

}  // namespace

SourceLock SourceLock::acquire(const std::string& source_directory, std::int64_t wait_ms) {
  SourceLock lock;
  lock.fd_ = open_file(source_directory + "/lock", O_RDWR | O_CREAT, 0600);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(wait_ms);
  while (::flock(lock.fd_.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR)
      throw system_error(errno, "locking " + source_directory + "/lock");
    if (std::chrono::steady_clock::now() >= deadline) {
      throw Error{ErrorCode::busy,
                  fmt::format("another session on this source is running (process {})",
                              lock_holder(lock.fd_.get())),
                  "wait until it has committed, or stop it"};
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  const std::string pid = std::to_string(::getpid()) + "\n";
  if (::ftruncate(lock.fd_.get(), 0) != 0)
    throw system_error(errno, "writing " + source_directory + "/lock");
  write_all_at(lock.fd_.get(), bytes_of(pid), 0, source_directory + "/lock");
  return lock;
}

struct Session::Impl {
  Impl(Repository& repository_in, const SessionOptions& options_in);
  ~Impl();

  void checkpoint();
  ListedSnapshot commit(const SnapshotDraft& draft);
  /// Does `work` unless the store takes nothing from this session any more: then the session is
  /// over, and this throws busy.
  template <class Work>
  auto under_lease(const Work& work);
  void require_accepted();
  void checkpoint_loop(const std::stop_token& stop);
  void count_unnamed(std::size_t chunks);
  void publish_packs();
  /// Whether all that the snapshot will need is in the index and stays. Throws busy, and ends the
  /// session, if maintenance took some of it.
  void check_closure(const std::optional<SnapshotId>& parent);
  /// Packs of a failed barrier, which no record names: the store need not account for them any
  /// more.
  void forget(const std::vector<PackDescription>& packs);

  Repository& repository;
  const SessionOptions& options;
  const SessionId id;
  const std::shared_ptr<const DataKey> data_key;
  LeaseKeeper lease;
  std::optional<ChunkWriter> writer;

  std::mutex publish_mutex;  // one checkpoint or commit at a time; held across I/O by design, see
                             // docs/LOCKING.md
  std::vector<RecordId> records;         // of this session; guarded by publish_mutex, as the next
  std::vector<PackId> own_packs;         // that they name
  std::vector<PackDescription> written;  // handed to the store, not yet known to be durable
  std::vector<PackDescription> unpublished;  // durable packs whose record is still to be written
  // Put, and named by no record yet; below 0 while what was just named is still to be counted.
  std::atomic<std::int64_t> unnamed_chunks = 0;
  std::mutex timer_mutex;  // leaf; guards nothing but the wait
  std::condition_variable_any timer;
  std::jthread thread;
};

void Session::Impl::require_accepted() {
  try {
    lease.require_accepted();
  } catch (const Error&) {
    writer->abandon(std::current_exception());
    throw;
  }
}

template <class Work>
auto Session::Impl::under_lease(const Work& work) {
  require_accepted();
  try {
    return work();
  } catch (...) {
    require_accepted();
    throw;
  }
}

Session::Impl::Impl(Repository& repository_in, const SessionOptions& options_in)
    : repository(repository_in),
      options(options_in),
      id(crypto::random_array<16>(*repository_in.options().random)),
      data_key(repository_in.keyring().make_data_key(*repository_in.options().random)),
      // What maintenance condemns from now on stays while the lease holds; what it names is not
      // relied on.
      lease(refreshed(repository), new_lease(repository, LeaseKind::shared, id, options_in.host)) {
  repository.refresh();
  require_features(repository, Work::add);
  repository.keyring().remember(data_key);
  writer.emplace(lease.backend(), repository.index(), repository.keyring(), data_key,
                 repository.cipher(), *repository.options().random,
                 ChunkWriterOptions{.compression_level = options.compression_level,
                                    .pack_bytes = options.pack_bytes,
                                    .threads = options.threads,
                                    .dedup = repository.options().dedup});
  repository.reader().add_pending(&*writer);
  if (options.checkpoint_interval_s > 0) {
    thread = start_thread("vgerfs-chkpoint",
                          [this](const std::stop_token& stop) { checkpoint_loop(stop); });
  }
}

Session::Impl::~Impl() {
  if (thread.joinable()) {
    thread.request_stop();
    thread.join();
  }
  if (writer) repository.reader().remove_pending(&*writer);
  writer.reset();
  repository.keyring().forget(data_key->sealed);
}

void Session::Impl::checkpoint_loop(const std::stop_token& stop) {
  const auto interval = std::chrono::seconds(options.checkpoint_interval_s);
  bool failed = false;  // then only time makes the next one due
  for (;;) {
    {
      std::unique_lock lock{timer_mutex};
      timer.wait_for(lock, stop, interval,
                     [&] { return !failed && unnamed_chunks >= options.checkpoint_chunks; });
      if (stop.stop_requested()) return;
    }
    failed = true;
    try {
      under_lease([&] { checkpoint(); });
      failed = false;
    } catch (const std::exception& error) {
      // The failure stays in the writer or comes again at commit; here it is only news.
      log::warning("checkpoint failed: {}", error.what());
    }
  }
}

void Session::Impl::count_unnamed(std::size_t chunks) {
  const auto count = static_cast<std::int64_t>(chunks);
  const std::int64_t before = unnamed_chunks.fetch_add(count);
  if (before >= options.checkpoint_chunks || before + count < options.checkpoint_chunks) return;
  const std::lock_guard lock{timer_mutex};
  timer.notify_one();
}

void Session::Impl::publish_packs() {
  while (!unpublished.empty()) {
    IndexRecord record;
    record.time = repository.options().clock->now();
    record.session = id;
    repository.add_heads(record);
    std::size_t weight =
        64 * 1024 + 32 * (record.after_records.size() + record.after_snapshots.size());
    std::size_t count = 0;
    do {
      weight += record_weight(unpublished[count]);
      record.packs.push_back(unpublished[count++]);
    } while (count < unpublished.size() &&
             weight + record_weight(unpublished[count]) <= kMaxRecordBytes);
    const Bytes stored = seal_record(record, repository.keyring(), repository.cipher(),
                                     *repository.options().random);
    const auto name = backends::write_object(lease.backend(), format::ObjectType::index, stored);
    lease.backend().barrier();
    const RecordId record_id{name.id.bytes()};
    record.author = repository.keyring().certificate();
    repository.seen().add({record_id}, {});
    repository.index().apply(record_id, record, stored.size());
    records.push_back(record_id);
    for (const PackDescription& pack : record.packs) own_packs.push_back(pack.id);
    unnamed_chunks -= static_cast<std::int64_t>(writer->settle(record.packs));
    unpublished.erase(unpublished.begin(),
                      unpublished.begin() + static_cast<std::ptrdiff_t>(count));
  }
}

void Session::Impl::forget(const std::vector<PackDescription>& packs) {
  for (const PackDescription& pack : packs) {
    try {
      lease.backend().remove(format::pack_name(pack.id));
    } catch (const std::exception& error) {
      log::warning("pack {} of the failed session could not be removed: {}", pack.id.short_hex(),
                   error.what());
    }
  }
}

void Session::Impl::checkpoint() {
  const std::lock_guard lock{publish_mutex};
  std::vector<PackDescription> packs = writer->flush();
  std::move(packs.begin(), packs.end(), std::back_inserter(written));
  if (!written.empty()) {
    try {
      lease.backend().barrier();
    } catch (const Error& error) {
      // A store that is away keeps account of what it was given: the next barrier holds for that
      // too. After any other failure the bytes of some packs are gone: this session cannot promise
      // anything any more.
      if (error.code() == ErrorCode::unavailable) throw;
      writer->abandon(std::current_exception());
      forget(written);
      throw;
    }
    std::move(written.begin(), written.end(), std::back_inserter(unpublished));
    written.clear();
    // Not in the order in which threads stored them: what a session publishes can be repeated.
    std::sort(unpublished.begin(), unpublished.end(),
              [](const PackDescription& a, const PackDescription& b) { return a.id < b.id; });
  }
  publish_packs();
}

void Session::Impl::check_closure(const std::optional<SnapshotId>& parent) {
  repository.refresh();
  std::vector<PackId> gone;
  std::vector<PackId> relied = writer->relied_packs();
  relied.insert(relied.end(), own_packs.begin(), own_packs.end());
  for (const PackId& pack : relied) {
    if (repository.index().is_buried(pack)) gone.push_back(pack);
  }
  bool parent_gone = false;
  if (!lease.held()) {
    // Maintenance took this session for dead: it may delete at any time what it has condemned.
    std::set<PackId> condemned;
    for (const Condemnation& condemnation : repository.index().facts().condemnations) {
      condemned.insert(condemnation.pack);
    }
    std::copy_if(relied.begin(), relied.end(), std::back_inserter(gone),
                 [&](const PackId& pack) { return condemned.contains(pack); });
    const auto removed = repository.index().removed_snapshots();
    parent_gone = parent && std::binary_search(removed.begin(), removed.end(), *parent);
  }
  if (gone.empty() && !parent_gone) return;
  const Error error{
      ErrorCode::busy,
      parent_gone ? std::string{"the snapshot that this session builds upon was removed while the "
                                "session slept"}
                  : fmt::format("maintenance removed {} packs that this session relies on, for "
                                "instance {}: the session slept for longer than its lease",
                                gone.size(), gone.front().short_hex()),
      "nothing was published; run it again, it sends what is missing"};
  writer->abandon(std::make_exception_ptr(error));
  throw Error{error};
}

ListedSnapshot Session::Impl::commit(const SnapshotDraft& draft) {
  checkpoint();
  const std::lock_guard lock{publish_mutex};
  const Clock& clock = *repository.options().clock;
  const std::int64_t checked_ns = clock.boot_ns();
  check_closure(draft.parent);
  Snapshot snapshot;
  snapshot.host = options.host;
  snapshot.source = options.source;
  snapshot.time = draft.time.value_or(clock.now());
  snapshot.paths = draft.paths;
  snapshot.root = draft.root;
  snapshot.parent = draft.parent;
  snapshot.tags = draft.tags;
  snapshot.statistics = draft.statistics;
  const SessionCounters counters = writer->counters();
  snapshot.statistics.set_added_bytes(counters.added_bytes);
  snapshot.statistics.set_stored_bytes(counters.stored_bytes);
  snapshot.program = kProgramName;
  snapshot.trigger = draft.trigger;
  snapshot.session = id;
  snapshot.after_records = repository.index().record_heads();
  for (const RecordId& record : records) {
    if (std::find(snapshot.after_records.begin(), snapshot.after_records.end(), record) ==
        snapshot.after_records.end()) {
      snapshot.after_records.push_back(record);
    }
  }
  const Bytes stored = seal_snapshot(snapshot, repository.keyring(), *data_key, repository.cipher(),
                                     *repository.options().random);
  const auto name = backends::write_object(lease.backend(), format::ObjectType::snapshot, stored);
  lease.backend().barrier();
  const SnapshotId snapshot_id{name.id.bytes()};
  repository.seen().add({}, {snapshot_id});
  if (clock.boot_ns() - checked_ns >= kMaxPublishing_ns) {
    try {
      check_closure(draft.parent);
    } catch (Error& error) {
      error.add_context(fmt::format("snapshot {} was published too late and lacks data",
                                    snapshot_id.short_hex()));
      throw;
    }
  }
  return repository.adopt_snapshot(open_snapshot(snapshot_id, stored, repository.keyring()));
}

Session::Session(Repository& repository, SessionOptions options) : options_(std::move(options)) {
  if (!is_valid_name(options_.host) || !is_valid_name(options_.source)) {
    throw Error{ErrorCode::usage,
                fmt::format("'{}/{}' is not a valid HOST/SOURCE", options_.host, options_.source),
                "names have 1 to 128 characters of A-Z a-z 0-9 . _ - and do not begin with a dot"};
  }
  if (!repository.keyring().certificate().may_write_for(options_.host)) {
    throw Error{ErrorCode::denied,
                fmt::format("this key may not write snapshots for host '{}'", options_.host),
                "its certificate names the hosts it may write for: see `vgerfs-admin key list`"};
  }
  impl_ = std::make_unique<Impl>(repository, options_);
}

Session::~Session() = default;

PutResult Session::put_chunk(ChunkKind kind, ByteView bytes) {
  const PutResult result = impl_->under_lease([&] { return impl_->writer->put(kind, bytes); });
  if (result.added) impl_->count_unnamed(1);
  return result;
}
PutResult Session::put_again(ChunkKind kind, ByteView bytes) {
  const PutResult result =
      impl_->under_lease([&] { return impl_->writer->put_again(kind, bytes); });
  if (result.added) impl_->count_unnamed(1);
  return result;
}
void Session::adopt_block(BlockEntry entry, ByteView sealed) {
  const std::size_t chunks = entry.chunks.size();
  impl_->under_lease([&] { impl_->writer->adopt(std::move(entry), sealed); });
  impl_->count_unnamed(chunks);
}
bool Session::rely_on(const ChunkId& id) {
  const auto pack = impl_->repository.index().find_usable(
      id, impl_->repository.keyring().certificate().author, DedupPolicy::all);
  if (pack) impl_->writer->rely_on(*pack);
  return pack.has_value();
}
bool Session::is_over() const noexcept { return impl_->writer->failed() || impl_->lease.is_over(); }
bool Session::is_blocked() const noexcept { return impl_->writer->blocked(); }
void Session::checkpoint() {
  impl_->under_lease([&] { impl_->checkpoint(); });
}
ListedSnapshot Session::commit(const SnapshotDraft& draft) {
  return impl_->under_lease([&] { return impl_->commit(draft); });
}
SessionCounters Session::counters() const { return impl_->writer->counters(); }

bool same_root(const format::proto::Entry& a, const format::proto::Entry& b) {
  // Not ctime: it moves with every change of an attribute and back, and cannot be restored.
  const auto content = [](format::proto::Entry entry) {
    entry.clear_ctime_s();
    entry.clear_ctime_ns();
    return entry.SerializeAsString();
  };
  return content(a) == content(b);
}

}  // namespace vgerfs::repo

#include "repo/backup.h"

#include <chrono>
#include <mutex>
#include <unordered_set>
#include <utility>

#include "base/log.h"
#include "repo/backup_roots.h"
#include "repo/backup_walk.h"
#include "repo/chunker.h"
#include "repo/file_capture.h"
#include "repo/leaving_chunks.h"
#include "repo/session.h"
#include "repo/snapshot_list.h"
#include "repo/source_memory.h"

namespace vgerfs::repo {
namespace {

constexpr std::int64_t kDay_s = 24 * 60 * 60;

/// Finds out what would be stored.
class DrySink final : public ChunkSink {
 public:
  explicit DrySink(Repository& repository) : repository_(repository) {}

  ChunkId put(ChunkKind kind, ByteView bytes) override {
    const Keyring& keyring = repository_.keyring();
    const ChunkId id = keyring.chunk_id(kind, bytes);
    if (repository_.index().knows(id, keyring.certificate().author, repository_.options().dedup))
      return id;
    const std::lock_guard lock{mutex_};
    if (would_be_added_.insert(id).second) added_bytes_ += bytes.size();
    return id;
  }
  std::uint64_t added_bytes() const {
    const std::lock_guard lock{mutex_};
    return added_bytes_;
  }

 private:
  Repository& repository_;
  mutable std::mutex mutex_;
  std::unordered_set<ChunkId> would_be_added_;  // guarded by mutex_, as the next
  std::uint64_t added_bytes_ = 0;
};

/// One file from a pipe as a tree.
WalkResult read_stream(const StreamSource& stream, const WalkContext& context) {
  WalkResult result;
  OwnerNames names;
  std::atomic<std::uint64_t> bytes_read = 0;
  const CaptureContext capture{.sink = context.sink,
                               .chunker = context.chunker,
                               .names = names,
                               .stop = context.options.stop,
                               .bytes_read = bytes_read};
  Entry file = FileCapture{capture}.capture_stream(stream.fd).entry;
  file.set_name(stream.name);
  result.statistics.set_files(1);
  result.statistics.set_files_new(1);
  result.statistics.set_logical_bytes(file.size());
  // A root as if the file lay in a directory of its own.
  Entry& root = result.root;
  root.set_type(EntryType::ENTRY_DIRECTORY);
  root.set_mode(0700);
  root.set_uid(file.uid());
  root.set_gid(file.gid());
  root.set_user(file.user());
  root.set_group(file.group());
  root.set_mtime_s(file.mtime_s());
  root.set_mtime_ns(file.mtime_ns());
  root.set_ctime_s(file.ctime_s());
  root.set_ctime_ns(file.ctime_ns());
  DirectoryBuilder builder{context.sink, context.split_key};
  builder.add(file);
  root.set_subtree(builder.finish()->raw());
  OperationCounts counts = context.expected;
  counts.items = 1;
  counts.bytes = file.size();
  context.progress.update(counts, stream.name);
  return result;
}

class Backup {
 public:
  Backup(Repository& repository, const BackupOptions& options, OperationProgress& progress)
      : repository_(repository),
        options_(options),
        progress_(progress),
        memory_(repository, options.host, options.source),
        started_(std::chrono::steady_clock::now()) {}

  BackupResult run();
  /// Why `run` failed: maintenance took what it rests on, or its lease was over. Made again it
  /// would send what is missing.
  bool was_overtaken() const noexcept { return overtaken_; }

 private:
  ListedSnapshot commit(Session& session, const WalkResult& walk);
  WalkResult read(ChunkSink& sink);
  bool is_unchanged(const WalkResult& walk) const;
  void keep_in_mind(const LastSnapshot& snapshot, WalkResult& walk);

  Repository& repository_;
  const BackupOptions& options_;
  OperationProgress& progress_;
  SourceMemory memory_;
  const std::chrono::steady_clock::time_point started_;
  std::optional<LastSnapshot> last_;
  BackupResult result_;
  bool overtaken_ = false;
};

WalkResult Backup::read(ChunkSink& sink) {
  const Chunker chunker{repository_.config().chunker, repository_.keyring().gear_table()};
  WalkContext context{.options = options_,
                      .sink = sink,
                      .chunker = chunker,
                      .split_key = repository_.keyring().split_key(),
                      .progress = progress_,
                      .expected = {}};
  last_ = memory_.last();
  if (last_) {
    const auto list = repository_.snapshots();
    for (const ListedSnapshot& each : list->snapshots) {
      if (each.snapshot->id != last_->id) continue;
      const auto& statistics = each.snapshot->statistics;
      context.expected.total_items =
          statistics.files() + statistics.directories() + statistics.others();
      context.expected.total_bytes = statistics.logical_bytes();
    }
  }
  if (options_.stream) return read_stream(*options_.stream, context);
  const BackupRoots roots = plan_roots(options_.paths);
  if (!last_) return walk_files(roots, std::nullopt, context);
  const auto fingerprints = memory_.fingerprints(last_->id);
  const LeavingChunks leaving{repository_.index(), repository_.keyring().certificate().author,
                              repository_.options().dedup};
  const WalkBase base{.root = last_->root,
                      .trees = memory_.trees(),
                      .fingerprints = *fingerprints,
                      .leaving = leaving};
  return walk_files(roots, base, context);
}

bool Backup::is_unchanged(const WalkResult& walk) const {
  return last_ && !options_.force_snapshot && same_root(last_->root, walk.root) &&
         repository_.options().clock->now().s - last_->time.s < kDay_s;
}

void Backup::keep_in_mind(const LastSnapshot& snapshot, WalkResult& walk) {
  try {
    if (!result_.unchanged) {
      memory_.remember(snapshot, &walk.fingerprints);
    } else {
      memory_.flush();  // they may have been lost
      if (walk.has_new_fingerprints) memory_.remember_fingerprints(snapshot.id, walk.fingerprints);
    }
  } catch (const Error& error) {
    result_.warnings.push_back(fmt::format(
        "the next backup of this source will read every file again: {}", error.message()));
  }
}

ListedSnapshot Backup::commit(Session& session, const WalkResult& walk) {
  try {
    return session.commit(
        {.root = walk.root,
         .paths = options_.stream ? std::vector{options_.stream->name} : options_.paths,
         .parent = last_ ? std::optional{last_->id} : std::nullopt,
         .tags = options_.tags,
         .statistics = result_.statistics,
         .trigger = options_.trigger});
  } catch (const Error& error) {
    overtaken_ = error.code() == ErrorCode::busy && session.is_over();
    throw;
  }
}

BackupResult Backup::run() {
  std::optional<SourceLock> lock;
  std::optional<Session> session;
  std::optional<DrySink> dry;
  std::unique_ptr<ChunkSink> kept;
  if (options_.dry_run) {
    repository_.refresh();
    dry.emplace(repository_);
  } else {
    lock = SourceLock::acquire(repository_.source_directory(options_.host, options_.source),
                               options_.lock_wait_ms);
    session.emplace(repository_,
                    SessionOptions{.host = options_.host,
                                   .source = options_.source,
                                   .compression_level = options_.compression_level,
                                   .checkpoint_interval_s = options_.checkpoint_interval_s,
                                   .threads = options_.seal_threads});
    kept = memory_.sink(*session);
  }
  WalkResult walk;
  try {
    walk = read(dry ? static_cast<ChunkSink&>(*dry) : *kept);
  } catch (const Error& error) {
    overtaken_ = error.code() == ErrorCode::busy && session && session->is_over();
    throw;
  }
  result_.unchanged = is_unchanged(walk);
  result_.failures = std::move(walk.failures);
  result_.statistics = walk.statistics;
  const auto elapsed = std::chrono::steady_clock::now() - started_;
  result_.statistics.set_duration_ms(static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(elapsed).count()));
  if (dry) result_.statistics.set_added_bytes(dry->added_bytes());
  if (result_.unchanged) {
    // What maintenance had condemned was stored again: it may heal snapshots.
    if (!dry && session->counters().added_chunks > 0) session->checkpoint();
    result_.snapshot = last_->id;
    result_.time = last_->time;
    const auto list = repository_.snapshots();
    result_.time_name = snapshot_time_name(last_->time);
    for (const ListedSnapshot& each : list->snapshots) {
      if (each.snapshot->id == last_->id) result_.time_name = each.time_name;
    }
    if (!dry) keep_in_mind(*last_, walk);
  } else if (!dry) {
    const ListedSnapshot made = commit(*session, walk);
    result_.snapshot = made.snapshot->id;
    result_.time = made.snapshot->time;
    result_.time_name = made.time_name;
    result_.statistics = made.snapshot->statistics;
    keep_in_mind({made.snapshot->id, made.snapshot->time, made.snapshot->root}, walk);
  }
  return std::move(result_);
}

}  // namespace

BackupResult run_backup(Repository& repository, const BackupOptions& options,
                        OperationProgress& progress) {
  if (!is_valid_name(options.host) || !is_valid_name(options.source)) {
    throw Error{ErrorCode::usage,
                fmt::format("'{}/{}' is not a valid HOST/SOURCE", options.host, options.source),
                kNameRule};
  }
  std::string reason;
  {
    Backup backup{repository, options, progress};
    try {
      return backup.run();
    } catch (const Error& error) {
      if (!backup.was_overtaken() || options.stream) throw;
      reason = error.message();
    }
  }
  BackupResult result = Backup{repository, options, progress}.run();
  result.warnings.push_back("the backup was made twice: " + reason);
  return result;
}

}  // namespace vgerfs::repo

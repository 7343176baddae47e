#include "repo/restore.h"

#include <chrono>
#include <memory>
#include <optional>
#include <utility>

#include "repo/restore_directories.h"
#include "repo/restore_links.h"
#include "repo/restore_removal.h"
#include "repo/restore_report.h"
#include "repo/tree_walk.h"
#include "repo/worker_pool.h"

namespace vgerfs::repo {
namespace {

/// Files at work or waiting: they hold descriptors.
constexpr std::size_t kMaxOutstanding = 1024;
constexpr auto kPatience = std::chrono::milliseconds{100};
/// Failures in a row to read a directory, before the walk is given up.
constexpr int kMaxReadFailures = 1000;

struct Result {
  RestoreTask task;
  FileRestorer::Made made;
  std::optional<FileError> failure;
};

class Restore {
 public:
  Restore(ChunkReader& reader, const RestoreOptions& options, OperationProgress& progress,
          const RestoreListener& listener, crypto::Random& random);
  RestoreResult run(const Entry& entry);

 private:
  using Pool = WorkerPool<RestoreTask, Result>;

  RestorerContext restorer_context(std::stop_token stop);
  Pool::Worker make_worker(std::stop_token stop);
  void walk(const Entry& entry);
  void visit(TreeWalk& walk);
  void remove_others(const Entry& directory, const std::string& path);
  void restore(const Entry& entry, const std::string& path);
  void submit(RestoreTask task);
  void collect(std::chrono::milliseconds timeout);
  void finish(const Result& result);

  ChunkReader& reader_;
  const RestoreOptions& options_;
  crypto::Random& random_;
  RestoreReport report_;
  RestoreLimits limits_;
  InodeClaims claims_;
  const AttributeWriter attributes_;
  const FileRestorer restorer_;
  RestoreDirectories directories_;
  RestoreLinks links_;
  RestoreRemoval removal_;
  Pool pool_;  // last: its threads use what is above
};

Restore::Restore(ChunkReader& reader, const RestoreOptions& options, OperationProgress& progress,
                 const RestoreListener& listener, crypto::Random& random)
    : reader_(reader),
      options_(options),
      random_(random),
      report_(options.expected, progress, listener),
      attributes_(reader, limits_),
      restorer_(restorer_context(options.stop)),
      directories_(options, attributes_, restorer_, report_),
      links_(directories_, restorer_, report_,
             [this](RestoreTask task) { submit(std::move(task)); }),
      removal_(reader, options, report_),
      pool_(Pool::Options{.thread_name = "vgerfs-restore", .threads = options.threads},
            options.stop, [this](std::stop_token stop) { return make_worker(std::move(stop)); }) {}

RestorerContext Restore::restorer_context(std::stop_token stop) {
  return {.reader = reader_,
          .attributes = attributes_,
          .limits = limits_,
          .claims = claims_,
          .random = random_,
          .in_place = options_.in_place,
          .verify = options_.verify,
          .dry_run = options_.dry_run,
          .stop = std::move(stop),
          .bytes = report_.bytes()};
}

Restore::Pool::Worker Restore::make_worker(std::stop_token stop) {
  return [restorer = std::make_shared<FileRestorer>(restorer_context(std::move(stop)))](
             RestoreTask& task) {
    Result result;
    try {
      // Without a directory nothing is there yet: only in a dry run.
      if (task.directory)
        result.made = restorer->restore(task.directory->get(), task.entry, task.path);
    } catch (const FileError& error) {
      result.failure = error;
    }
    task.directory.reset();
    result.task = std::move(task);
    return result;
  };
}

RestoreResult Restore::run(const Entry& entry) {
  directories_.open_target(entry);
  if (entry.type() == EntryType::ENTRY_DIRECTORY) {
    remove_others(entry, {});
    walk(entry);
  } else {
    restore(entry, entry.name());
    directories_.leave();
  }
  while (pool_.outstanding() > 0) collect(kPatience);
  report_.show(true);
  return report_.take(limits_.list());
}

void Restore::walk(const Entry& entry) {
  TreeWalk walk{reader_, entry, {}};
  for (int failures = 0;;) {
    collect({});
    while (pool_.outstanding() >= kMaxOutstanding || directories_.are_too_many_held())
      collect(kPatience);
    TreeWalk::Event event{};
    try {
      event = walk.next();
      failures = 0;
    } catch (const Error& error) {
      if (!is_damage(error) || ++failures > kMaxReadFailures) throw;
      report_.failed(directories_.path(), FailureKind::corrupt, error.message());
      continue;
    }
    switch (event) {
      case TreeWalk::Event::entry: visit(walk); break;
      case TreeWalk::Event::leave: directories_.leave(); break;
      case TreeWalk::Event::end: directories_.leave(); return;
    }
  }
}

void Restore::visit(TreeWalk& walk) {
  const Entry& entry = walk.entry();
  const bool is_directory = entry.type() == EntryType::ENTRY_DIRECTORY;
  report_.at(walk.path());
  report_.show();
  if (directories_.is_broken()) return;
  if (options_.exclude.verdict(walk.path(), is_directory).value_or(false)) return;
  bool selected = directories_.is_selected();
  if (!options_.include.empty())
    selected = options_.include.verdict(walk.path(), is_directory).value_or(selected);
  if (!is_directory) {
    if (selected && directories_.make()) restore(entry, walk.path());
    return;
  }
  try {
    walk.enter();
  } catch (const Error& error) {
    report_.failed(walk.path(), FailureKind::corrupt, error.message());
    return;
  }
  directories_.enter(entry, walk.path(), selected);
  remove_others(entry, walk.path());
}

void Restore::remove_others(const Entry& directory, const std::string& path) {
  if (!options_.remove_others) return;
  try {
    // Nothing is under way in it yet: no temporary name is taken for a stranger.
    if (const auto at = directories_.current()) removal_.clear(at->get(), directory, path);
  } catch (const FileError& error) {
    report_.failed(path, error);
  }
}

void Restore::restore(const Entry& entry, const std::string& path) {
  RestoreTask task = directories_.begin(entry, path);
  if (task.entry.link_group() == 0 || links_.is_first_name(task)) submit(std::move(task));
}

void Restore::submit(RestoreTask task) {
  const std::uint64_t bytes = task.entry.size();
  pool_.submit(std::move(task), bytes);
}

void Restore::collect(std::chrono::milliseconds timeout) {
  if (options_.stop.stop_requested())
    throw Error{ErrorCode::interrupted, "the restore was stopped"};
  for (const Result& result : pool_.take(timeout)) finish(result);
  report_.show();
}

void Restore::finish(const Result& result) {
  const RestoreTask& task = result.task;
  auto outcome = RestoreLinks::Outcome::made;
  if (result.failure) {
    outcome = RestoreLinks::Outcome::failed;
    report_.failed(task.path, *result.failure);
  } else {
    if (result.made.skipped) outcome = RestoreLinks::Outcome::skipped;
    if (result.made.problem) report_.failed(task.path, *result.made.problem);
    if (!result.made.skipped) report_.made(result.made.action, task.path, task.entry);
    if (result.made.action != RestoreAction::keep) report_.add_bytes(task.entry.size());
  }
  if (task.entry.link_group() != 0) links_.finish(task.entry.link_group(), outcome, result.made);
  directories_.done(task);
}

}  // namespace

RestoreResult run_restore(ChunkReader& reader, const Entry& entry, const RestoreOptions& options,
                          OperationProgress& progress, const RestoreListener& listener,
                          crypto::Random& random) {
  if (options.remove_others &&
      (!options.in_place || !options.include.empty() || !options.exclude.empty() ||
       entry.type() != EntryType::ENTRY_DIRECTORY)) {
    throw Error{ErrorCode::usage,
                "what else is in the target is removed only where a whole directory is restored in "
                "place"};
  }
  return Restore{reader, options, progress, listener, random}.run(entry);
}

}  // namespace vgerfs::repo

// Running backups and restores in tests.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "repo/backup.h"
#include "repo/restore.h"
#include "repository_fixture.h"

namespace vgerfs::testing {

/// What a progress was told.
class RecordedProgress final : public repo::OperationProgress {
 public:
  void update(const repo::OperationCounts& counts, std::string_view current) override {
    last = counts;
    if (on_update) on_update(current);
  }
  void failed(const repo::FileFailure& failure) override { failures[failure.path] = failure.kind; }

  repo::OperationCounts last;
  std::map<std::string, repo::FailureKind> failures;
  std::function<void(std::string_view current)> on_update;
};

inline repo::BackupOptions backup_options(std::vector<std::string> paths) {
  repo::BackupOptions options;
  options.host = "host";
  options.source = "home";
  options.paths = std::move(paths);
  options.checkpoint_interval_s = 0;
  // Tests cannot wait until files are old.
  options.file_clock = [] { return Timestamp{repo::file_clock().s + 3600, 0}; };
  return options;
}

inline repo::BackupResult backup(repo::Repository& repository, const repo::BackupOptions& options) {
  repo::NoProgress progress;
  return repo::run_backup(repository, options, progress);
}

inline const repo::Snapshot& latest(repo::Repository& repository) {
  repository.refresh();
  const auto list = repository.snapshots();
  EXPECT_FALSE(list->snapshots.empty());
  const repo::Snapshot* newest = list->snapshots.front().snapshot.get();
  for (const auto& each : list->snapshots) {
    if (each.snapshot->time > newest->time) newest = each.snapshot.get();
  }
  return *newest;
}

inline repo::RestoreResult restore(repo::Repository& repository, const repo::Entry& entry,
                                   repo::RestoreOptions options) {
  repo::NoProgress progress;
  return repo::run_restore(repository.reader(), entry, options, progress);
}

}  // namespace vgerfs::testing

#include "repo/backup_tally.h"

#include <utility>

namespace vgerfs::repo {
namespace {

constexpr auto kUpdateInterval = std::chrono::milliseconds{100};

}  // namespace

void BackupTally::count(const Entry& entry, Change change) {
  if (entry.type() == EntryType::ENTRY_DIRECTORY) {
    statistics.set_directories(statistics.directories() + 1);
    return;
  }
  if (entry.type() != EntryType::ENTRY_FILE) {
    statistics.set_others(statistics.others() + 1);
    return;
  }
  statistics.set_files(statistics.files() + 1);
  if (entry.link_group() == 0 || link_groups_.insert(entry.link_group())) {
    statistics.set_logical_bytes(statistics.logical_bytes() + entry.size());
  }
  switch (change) {
    case Change::unchanged:
      statistics.set_files_unchanged(statistics.files_unchanged() + 1);
      bytes_unchanged_ += entry.size();
      break;
    case Change::changed: statistics.set_files_changed(statistics.files_changed() + 1); break;
    case Change::is_new: statistics.set_files_new(statistics.files_new() + 1); break;
  }
}

void BackupTally::fail(std::string path, FailureKind kind, std::string reason) {
  FileFailure failure{std::move(path), kind, std::move(reason)};
  progress_.failed(failure);
  failures.add(std::move(failure));
  statistics.set_failed(failures.count);
}

void BackupTally::show(std::string_view path) {
  if (std::chrono::steady_clock::now() >= next_update_) show_now(path);
}

void BackupTally::show_now(std::string_view path) {
  next_update_ = std::chrono::steady_clock::now() + kUpdateInterval;
  OperationCounts counts = expected_;
  counts.items = statistics.files() + statistics.directories() + statistics.others();
  counts.bytes = bytes_unchanged_ + bytes_read;
  progress_.update(counts, path);
}

}  // namespace vgerfs::repo

#include "repo/restore_report.h"

#include <utility>

namespace vgerfs::repo {
namespace {

constexpr auto kUpdateInterval = std::chrono::milliseconds{100};

}  // namespace

void RestoreReport::made(RestoreAction action, const std::string& path, const Entry& entry) {
  ++items_;
  if (action == RestoreAction::keep) {
    ++result_.kept;
  } else if (action == RestoreAction::remove) {
    ++result_.removed;
  } else if (entry.type() == EntryType::ENTRY_DIRECTORY) {
    ++result_.directories;
  } else if (entry.type() == EntryType::ENTRY_FILE) {
    ++result_.files;
  } else {
    ++result_.others;
  }
  if (listener_) listener_(action, path, entry);
}

void RestoreReport::failed(const std::string& path, FailureKind kind, std::string reason) {
  FileFailure failure{path, kind, std::move(reason)};
  progress_.failed(failure);
  result_.failures.add(std::move(failure));
}

void RestoreReport::show(bool now) {
  const auto time = std::chrono::steady_clock::now();
  if (!now && time < next_update_) return;
  next_update_ = time + kUpdateInterval;
  OperationCounts counts = expected_;
  counts.items = items_;
  counts.bytes = bytes_;
  progress_.update(counts, current_);
}

RestoreResult RestoreReport::take(std::vector<RestoreLimit> limits) {
  result_.limits = std::move(limits);
  return std::move(result_);
}

}  // namespace vgerfs::repo

// How far a long operation is (backup, restore, check), told to whoever shows it.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "repo/file_failure.h"

namespace vgerfs::repo {

struct OperationCounts {
  std::uint64_t items = 0;  // files, directories…; check: objects and entries
  std::uint64_t bytes = 0;
  std::optional<std::uint64_t> total_items;  // where it is known or may be guessed
  std::optional<std::uint64_t> total_bytes;
};

/// Called by the thread that runs the operation, `update` a few times a second.
class OperationProgress {
 public:
  virtual ~OperationProgress() = default;
  /// `current`: the path or object at work; valid during the call.
  virtual void update(const OperationCounts& counts, std::string_view current) = 0;
  /// A file failed; it is also in the operation's result.
  virtual void failed(const FileFailure& failure) = 0;
};

/// Shows nothing.
class NoProgress final : public OperationProgress {
 public:
  void update(const OperationCounts&, std::string_view) override {}
  void failed(const FileFailure&) override {}
};

}  // namespace vgerfs::repo

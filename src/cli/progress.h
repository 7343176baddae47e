// A line on the terminal that shows how far a long command is. Counts and bytes done, rate, and the
// time that is left where the total is known.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "cli/io.h"
#include "cli/output.h"

namespace vgerfs::cli {

struct ProgressCounts {
  std::uint64_t items = 0;
  std::uint64_t bytes = 0;
  std::optional<std::uint64_t> total_items;
  std::optional<std::uint64_t> total_bytes;
};

/// Redraws at most five times a second, on standard error, if that is a terminal and neither
/// --quiet nor --json is given. With `--json --verbose` it writes one JSON object per second and
/// line instead: {"progress": {…}}. Otherwise it prints nothing. Thread-safe; workers call `update`
/// as often as they like. A terminal that went away is not an error.
///
///     Progress progress{"backup", "file", context.output, context.io};
///     … progress.update({.items = files, .bytes = bytes});
class Progress {
 public:
  /// `noun` is what `items` counts, in the singular.
  Progress(std::string activity, std::string noun, const Output& output, const Io& io);
  /// Clears the line.
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// `current`: what is being worked on, shown if there is room.
  void update(const ProgressCounts& counts, std::string_view current = {});
  /// Clears the line, so that something else can be printed; the next update draws it again.
  void clear();

 private:
  enum class Style { none, line, json };

  std::string line(const ProgressCounts& counts, std::string_view current) const;
  std::string json(const ProgressCounts& counts) const;

  const std::string activity_;
  const std::string noun_;
  const Io& io_;
  const Style style_;
  const std::int64_t started_ns_;
  mutable std::mutex mutex_;
  std::int64_t next_ns_ = 0;  // guarded by mutex_, as all below
  bool drawn_ = false;
};

}  // namespace vgerfs::cli

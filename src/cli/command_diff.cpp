// diff: what differs between two snapshots, or directories in them, or a directory of this machine.
#include <functional>
#include <optional>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/location.h"
#include "cli/quantity.h"
#include "cli/snapshot_entry.h"
#include "cli/snapshot_output.h"
#include "repo/live_diff.h"
#include "repo/tree_diff.h"

namespace vgerfs::cli {
namespace {

struct DiffOptions {
  std::string before;
  std::string after;
  std::vector<std::string> excludes;
  bool read_data = false;
  bool one_file_system = false;

  /// Snapshots are never written like that.
  bool is_live() const {
    return after.starts_with('/') || after.starts_with("./") || after.starts_with("../") ||
           after == "." || after == "..";
  }
};

struct DiffTotals {
  std::uint64_t added = 0;
  std::uint64_t removed = 0;
  std::uint64_t modified = 0;
  std::uint64_t metadata = 0;
  std::uint64_t added_bytes = 0;
  std::uint64_t removed_bytes = 0;
};

struct ChangeName {
  char mark;
  std::string_view name;
};

ChangeName name_of(const repo::TreeDifference& difference) {
  if (difference.before == nullptr) return {'+', "added"};
  if (difference.after == nullptr) return {'-', "removed"};
  if (difference.difference.type) return {'T', "type"};
  if (difference.difference.content) return {'M', "modified"};
  return {'m', "metadata"};
}

std::vector<std::string> parts_of(const repo::EntryDifference& difference) {
  std::vector<std::string> parts;
  if (difference.type) parts.emplace_back("type");
  if (difference.content) parts.emplace_back("content");
  if (difference.mode) parts.emplace_back("mode");
  if (difference.owner) parts.emplace_back("owner");
  if (difference.mtime) parts.emplace_back("mtime");
  if (difference.xattrs) parts.emplace_back("xattrs");
  return parts;
}

void count(DiffTotals& totals, const repo::TreeDifference& difference) {
  if (difference.before == nullptr) {
    ++totals.added;
    totals.added_bytes += difference.after->size();
  } else if (difference.after == nullptr) {
    ++totals.removed;
    totals.removed_bytes += difference.before->size();
  } else if (difference.difference.type || difference.difference.content) {
    ++totals.modified;
  } else {
    ++totals.metadata;
  }
}

Json difference_json(const repo::TreeDifference& difference) {
  Json json;
  set_bytes(json, "path", difference.path);
  json["change"] = name_of(difference).name;
  json["parts"] = parts_of(difference.difference);
  const auto side = [&](const repo::Entry* entry) {
    return entry == nullptr ? Json{} : entry_json(difference.path, *entry);
  };
  json["before"] = side(difference.before);
  json["after"] = side(difference.after);
  return json;
}

std::string difference_line(const repo::TreeDifference& difference) {
  const repo::Entry& any = difference.after != nullptr ? *difference.after : *difference.before;
  const bool is_directory = any.type() == repo::EntryType::ENTRY_DIRECTORY;
  std::string line = fmt::format("{} {}{}", name_of(difference).mark, printable(difference.path),
                                 is_directory ? "/" : "");
  if (difference.before != nullptr && difference.after != nullptr) {
    line += fmt::format("  ({})", fmt::join(parts_of(difference.difference), ", "));
    if (difference.before->size() != difference.after->size()) {
      line += fmt::format("  {} -> {}", format_size(difference.before->size()),
                          format_size(difference.after->size()));
    }
  } else if (any.type() == repo::EntryType::ENTRY_FILE) {
    line += fmt::format("  {}", format_size(any.size()));
  }
  return line + '\n';
}

void require_directory(const SnapshotEntry& wanted) {
  if (wanted.entry.type() == repo::EntryType::ENTRY_DIRECTORY) return;
  throw Error{ErrorCode::usage,
              fmt::format("{} is a {}, not a directory", printable(wanted.at.path),
                          type_name(wanted.entry.type()))};
}

repo::FileFailures compare_live(Context& context, repo::Repository& repository,
                                const repo::Entry& before, const DiffOptions& options,
                                const std::function<void(const repo::TreeDifference&)>& visit) {
  repo::LiveDiffOptions live;
  live.directory = absolute_path(options.after, working_directory());
  for (const std::string& line : options.excludes) live.exclude.add(line);
  live.read_content = options.read_data;
  live.one_file_system = options.one_file_system;
  live.stop = context.io.stop;
  repo::FileFailures failures =
      repo::compare_with_directory(repository.reader(), before, live, visit);
  for (const repo::FileFailure& failure : failures.first) {
    context.output.warning(fmt::format("{}: {}", printable(failure.path), failure.reason));
  }
  return failures;
}

void check_options(const DiffOptions& options) {
  if (options.is_live()) return;
  if (options.read_data || options.one_file_system || !options.excludes.empty()) {
    throw Error{ErrorCode::usage,
                "--read-data, --one-file-system and --exclude are for a directory of this machine",
                "write it with a slash: /home or ./here"};
  }
}

ExitCode diff(Context& context, const DiffOptions& options) {
  check_options(options);
  const auto repository = context.open_readable_repository();
  const SnapshotEntry before = find_snapshot_entry(*repository, options.before);
  require_directory(before);
  std::optional<SnapshotEntry> after;
  if (!options.is_live()) {
    after = find_snapshot_entry(*repository, options.after);
    require_directory(*after);
  }
  JsonArray array{context.output};
  DiffTotals totals;
  const auto show = [&](const repo::TreeDifference& each) {
    check_interrupted(context.io);
    count(totals, each);
    if (context.output.options().json) {
      array.add(difference_json(each));
    } else {
      context.output.result(difference_line(each));
    }
  };
  repo::FileFailures failures;
  if (after) {
    repo::for_each_difference(repository->reader(), before.entry, after->entry, show);
  } else {
    failures = compare_live(context, *repository, before.entry, options, show);
  }
  array.finish();
  context.output.line(
      fmt::format("{} added ({}), {} removed ({}), {} modified, {} with other attributes",
                  totals.added, format_size(totals.added_bytes), totals.removed,
                  format_size(totals.removed_bytes), totals.modified, totals.metadata));
  return failures.count > 0 ? ExitCode::partial : ExitCode::ok;
}

}  // namespace

Run add_diff(CLI::App& app) {
  auto options = std::make_shared<DiffOptions>();
  app.add_option("BEFORE", options->before, "A snapshot, with a directory if wanted")
      ->type_name("[:PATH]")
      ->required();
  app.add_option("AFTER", options->after,
                 "What it is compared with: another one, or a directory of this machine (/home)")
      ->type_name("[:PATH]")
      ->required();
  app.add_flag("--read-data", options->read_data,
               "Compare the content of a directory's files, not only their sizes");
  app.add_option("-e,--exclude", options->excludes,
                 "Leave out what matches, of a directory; may be repeated")
      ->type_name("PATTERN")
      ->allow_extra_args(false);
  app.add_flag("-x,--one-file-system", options->one_file_system,
               "Stay on the directory's file system");
  return [options](Context& context) { return diff(context, *options); };
}

}  // namespace vgerfs::cli

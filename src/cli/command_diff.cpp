// diff: what differs between two snapshots, or directories in them.
#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/quantity.h"
#include "cli/snapshot_entry.h"
#include "cli/snapshot_output.h"
#include "repo/tree_diff.h"

namespace vgerfs::cli {
namespace {

struct DiffOptions {
  std::string before;
  std::string after;
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

ExitCode diff(Context& context, const DiffOptions& options) {
  const auto repository = context.open_readable_repository();
  const SnapshotEntry before = find_snapshot_entry(*repository, options.before);
  const SnapshotEntry after = find_snapshot_entry(*repository, options.after);
  require_directory(before);
  require_directory(after);
  JsonArray array{context.output};
  DiffTotals totals;
  repo::for_each_difference(repository->reader(), before.entry, after.entry,
                            [&](const repo::TreeDifference& each) {
                              check_interrupted(context.io);
                              count(totals, each);
                              if (context.output.options().json) {
                                array.add(difference_json(each));
                              } else {
                                context.output.result(difference_line(each));
                              }
                            });
  array.finish();
  context.output.line(
      fmt::format("{} added ({}), {} removed ({}), {} modified, {} with other attributes",
                  totals.added, format_size(totals.added_bytes), totals.removed,
                  format_size(totals.removed_bytes), totals.modified, totals.metadata));
  return ExitCode::ok;
}

}  // namespace

Run add_diff(CLI::App& app) {
  auto options = std::make_shared<DiffOptions>();
  app.add_option("BEFORE", options->before, "A snapshot, with a directory if wanted")
      ->type_name("[:PATH]")
      ->required();
  app.add_option("AFTER", options->after, "What it is compared with")
      ->type_name("[:PATH]")
      ->required();
  return [options](Context& context) { return diff(context, *options); };
}

}  // namespace vgerfs::cli

// restore: a snapshot, or a part of one, into a directory.
#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/location.h"
#include "cli/operation_display.h"
#include "cli/quantity.h"
#include "cli/snapshot_entry.h"
#include "cli/snapshot_output.h"
#include "repo/restore.h"

namespace vgerfs::cli {
namespace {

struct RestoreCommandOptions {
  std::string snapshot;
  std::string target;
  std::vector<std::string> includes;
  std::vector<std::string> excludes;
  bool in_place = false;
  bool remove_others = false;
  bool verify = false;
  bool dry_run = false;
};

repo::Patterns patterns_of(const std::vector<std::string>& lines) {
  repo::Patterns patterns;
  for (const std::string& line : lines) patterns.add(line);
  return patterns;
}

/// "owners of 12 files could not be restored: Operation not permitted (first: a/b)"
std::string describe(const repo::RestoreLimit& limit) {
  return fmt::format("{} of {} could not be restored: {} (first: {})", limit.what,
                     format_count(limit.files, "file"), limit.reason, limit.first_path);
}

Json limits_json(const std::vector<repo::RestoreLimit>& limits) {
  Json array = Json::array();
  for (const repo::RestoreLimit& limit : limits) {
    Json entry{{"what", limit.what}, {"files", limit.files}, {"reason", limit.reason}};
    set_bytes(entry, "first_path", limit.first_path);
    array.push_back(std::move(entry));
  }
  return array;
}

/// The totals that the progress counts towards: known only of whole snapshots.
repo::OperationCounts expected(const repo::SnapshotPath& wanted,
                               const RestoreCommandOptions& options) {
  repo::OperationCounts counts;
  if (!wanted.path.empty() || !options.includes.empty() || !options.excludes.empty()) return counts;
  const auto& statistics = wanted.snapshot.snapshot->statistics;
  counts.total_items = statistics.files() + statistics.directories() + statistics.others();
  counts.total_bytes = statistics.logical_bytes();
  return counts;
}

Json result_json(const RestoreCommandOptions& options, const repo::SnapshotPath& wanted,
                 const std::string& target, const repo::RestoreResult& result) {
  Json json{{"snapshot", wanted.snapshot.snapshot->id.hex()}};
  set_bytes(json, "path", wanted.path);
  set_bytes(json, "target", target);
  json["dry_run"] = options.dry_run;
  json["verified"] = options.verify && !options.dry_run;
  json["files"] = result.files;
  json["directories"] = result.directories;
  json["others"] = result.others;
  json["kept"] = result.kept;
  json["removed"] = result.removed;
  json["bytes"] = result.bytes;
  json["failed"] = result.failures.count;
  json["failures"] = failures_json(result.failures);
  json["limits"] = limits_json(result.limits);
  return json;
}

void print_summary(Output& output, const RestoreCommandOptions& options,
                   const repo::RestoreResult& result) {
  std::string text = fmt::format(
      "{} {}, {} and {} ({})", options.dry_run ? "would restore" : "restored",
      format_count(result.files, "file"),
      result.directories == 1 ? "1 directory" : fmt::format("{} directories", result.directories),
      format_count(result.others, "other"), format_size(result.bytes));
  if (result.kept > 0) text += fmt::format("; {} kept", result.kept);
  if (options.remove_others) text += fmt::format("; {} removed", result.removed);
  if (result.failures.count > 0) text += fmt::format("; {} failed", result.failures.count);
  output.line(text);
}

/// What --delete would mean with these is anybody's guess.
void check_delete(const RestoreCommandOptions& options) {
  if (!options.remove_others) return;
  if (!options.in_place)
    throw Error{ErrorCode::usage, "--delete needs --in-place", "try it with --dry-run first"};
  if (!options.includes.empty() || !options.excludes.empty()) {
    throw Error{ErrorCode::usage, "--delete does not go with --include and --exclude",
                "name a directory instead: SNAPSHOT:PATH"};
  }
}

ExitCode restore(Context& context, const RestoreCommandOptions& options) {
  check_delete(options);
  const auto repository = context.open_readable_repository();
  const auto [wanted, entry] = find_snapshot_entry(*repository, options.snapshot);
  if (options.remove_others && entry.type() != repo::EntryType::ENTRY_DIRECTORY) {
    throw Error{ErrorCode::usage, fmt::format("--delete needs a directory, and {} is a {}",
                                              printable(wanted.path), type_name(entry.type()))};
  }
  repo::RestoreOptions restore;
  restore.target = absolute_path(options.target, working_directory());
  restore.include = patterns_of(options.includes);
  restore.exclude = patterns_of(options.excludes);
  restore.in_place = options.in_place;
  restore.remove_others = options.remove_others;
  restore.verify = options.verify;
  restore.dry_run = options.dry_run;
  restore.stop = context.io.stop;
  restore.expected = expected(wanted, options);

  // A dry run is asked for to see what would happen; else each file is told with --verbose only.
  const bool tell =
      !context.options.output.json && (options.dry_run || context.options.output.verbose > 0);
  const auto listener = [&](repo::RestoreAction action, const std::string& path,
                            const repo::Entry&) {
    context.output.result(fmt::format("{:<8}{}\n", repo::to_string(action), printable(path)));
  };
  repo::RestoreResult result;
  {
    OperationDisplay display{"restore", context.output, context.io};
    result = repo::run_restore(repository->reader(), entry, restore, display,
                               tell ? repo::RestoreListener{listener} : repo::RestoreListener{});
  }
  for (const repo::RestoreLimit& limit : result.limits) context.output.warning(describe(limit));
  print_summary(context.output, options, result);
  context.output.json(result_json(options, wanted, restore.target, result));
  if (result.failures.corrupt > 0) return ExitCode::corrupt;
  return result.failures.count > 0 ? ExitCode::partial : ExitCode::ok;
}

}  // namespace

Run add_restore(CLI::App& app) {
  auto options = std::make_shared<RestoreCommandOptions>();
  app.add_option("SNAPSHOT", options->snapshot,
                 "Which one, with a path if wanted: latest:home:documents")
      ->type_name("[:PATH]")
      ->required();
  app.add_option("TARGET", options->target, "Directory to restore into; made if it is not there")
      ->type_name("")
      ->required();
  app.add_option("-i,--include", options->includes,
                 "Only what matches, in gitignore syntax; may be repeated")
      ->type_name("PATTERN")
      ->allow_extra_args(false);
  app.add_option("-e,--exclude", options->excludes, "Leave out what matches; may be repeated")
      ->type_name("PATTERN")
      ->allow_extra_args(false);
  app.add_flag("--in-place", options->in_place,
               "The target may hold files: those that differ are replaced, others stay");
  app.add_flag("--delete", options->remove_others,
               "With --in-place: what the snapshot does not have is removed");
  app.add_flag("--verify", options->verify, "Read back what was written");
  app.add_flag("-n,--dry-run", options->dry_run, "Change nothing; say what would be");
  return [options](Context& context) { return restore(context, *options); };
}

}  // namespace vgerfs::cli

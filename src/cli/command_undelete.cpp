// undelete: brings removed snapshots back.
#include <algorithm>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/quantity.h"
#include "cli/removed_snapshots.h"
#include "cli/snapshot_choice.h"
#include "cli/snapshot_output.h"
#include "repo/maintenance/undelete.h"

namespace vgerfs::cli {
namespace {

struct UndeleteCommandOptions {
  std::vector<std::string> snapshots;
  std::string grace;
  bool list = false;
};

/// Why a name is none of a removed snapshot that is there.
[[noreturn]] void explain(const Error& error, const std::string& name, repo::Repository& repository,
                          const std::vector<repo::RemovedSnapshot>& removed) {
  if (error.code() == ErrorCode::not_found) {
    const auto list = repository.snapshots();
    const auto has_name = [&](const SnapshotId& id) { return id.hex().starts_with(name); };
    if (std::any_of(list->snapshots.begin(), list->snapshots.end(),
                    [&](const auto& listed) { return has_name(listed.snapshot->id); })) {
      throw Error{ErrorCode::not_found, fmt::format("snapshot {} is not removed", printable(name))};
    }
    if (std::any_of(removed.begin(), removed.end(),
                    [&](const auto& gone) { return has_name(gone.id); })) {
      throw Error{
          ErrorCode::not_found,
          fmt::format("snapshot {} is gone: maintenance deleted its object, or it cannot be "
                      "opened",
                      printable(name)),
          "a copy of the repository may still have it"};
    }
  }
  throw Error{error.code(), error.message(),
              error.code() == ErrorCode::not_found ? "`vgerfs-admin undelete --list` shows them"
                                                   : error.hint()};
}

std::vector<SnapshotId> choose(repo::Repository& repository,
                               const std::vector<std::string>& names) {
  const std::vector<repo::RemovedSnapshot> removed = repository.removed_snapshots();
  const repo::SnapshotList list = removed_list(repository, removed);
  std::vector<SnapshotId> ids;
  for (const std::string& name : names) {
    try {
      for (const SnapshotId& id :
           ids_of(choose_snapshots(list, {name}, repository.options().host))) {
        if (std::find(ids.begin(), ids.end(), id) == ids.end()) ids.push_back(id);
      }
    } catch (const Error& error) {
      explain(error, name, repository, removed);
    }
  }
  return ids;
}

ExitCode bring_back(Context& context, const UndeleteCommandOptions& options) {
  if (options.list == !options.snapshots.empty()) {
    throw Error{ErrorCode::usage, "undelete takes either snapshots or --list"};
  }
  repo::UndeleteOptions undelete;
  if (!options.grace.empty()) {
    undelete.grace_s = duration_option("--grace", options.grace).count();
  }
  undelete.stop = context.io.stop;
  const auto repository = context.open_readable_repository();
  if (options.list) {
    print_removed(context, *repository, undelete.grace_s, [](const auto&) { return true; });
    return ExitCode::ok;
  }
  const std::vector<SnapshotId> chosen = choose(*repository, options.snapshots);
  JsonArray document{context.output};
  for (const SnapshotId& id : chosen) {
    check_interrupted(context.io);
    const repo::ListedSnapshot listed = repo::undelete(*repository, id, undelete);
    document.add(snapshot_json(listed));
    context.output.line("brought back " + snapshot_line(listed));
  }
  document.finish();
  context.output.line("`vgerfs-admin hold` keeps the next prune from removing it again");
  return ExitCode::ok;
}

}  // namespace

Run add_undelete(CLI::App& app) {
  auto options = std::make_shared<UndeleteCommandOptions>();
  app.add_option("SNAPSHOT", options->snapshots, "Removed ones: ids, times or latest:SOURCE")
      ->type_name("");
  app.add_option("--grace", options->grace,
                 "How long compact keeps what was removed (default: 24h)")
      ->type_name("DURATION");
  app.add_flag("--list", options->list, "Show which ones can be brought back");
  return [options](Context& context) { return bring_back(context, *options); };
}

}  // namespace vgerfs::cli

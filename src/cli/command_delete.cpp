// delete: removes snapshots from the lists. Their data stays until the repository is compacted.
#include <algorithm>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/snapshot_choice.h"
#include "cli/snapshot_output.h"
#include "repo/maintenance/removal.h"

namespace vgerfs::cli {
namespace {

struct DeleteOptions {
  std::vector<std::string> snapshots;
  bool dry_run = false;
};

ExitCode delete_snapshots(Context& context, const DeleteOptions& options) {
  const auto repository = context.open_readable_repository();
  const auto list = repository->snapshots();
  std::vector<std::string> names;
  std::vector<SnapshotId> ids;  // of those that are not shown, then of the others
  for (const std::string& name : options.snapshots) {
    const auto hidden = find_hidden(*list, name);
    if (!hidden) {
      names.push_back(name);
    } else if (std::find(ids.begin(), ids.end(), *hidden) == ids.end()) {
      ids.push_back(*hidden);
    }
  }
  const std::vector<SnapshotId> hidden = ids;
  const std::vector<repo::ListedSnapshot> chosen =
      choose_snapshots(*list, names, repository->options().host);
  const std::vector<SnapshotId> shown = ids_of(chosen);
  ids.insert(ids.end(), shown.begin(), shown.end());
  require_not_held(*list, shown);
  check_interrupted(context.io);
  if (!options.dry_run) ids = remove_snapshots(*repository, ids);
  const char* const verb = options.dry_run ? "would delete " : "deleted ";
  Json document = Json::array();
  for (const SnapshotId& id : hidden) {
    document.push_back({{"id", id.hex()}});
    context.output.line(verb + id.short_hex());
  }
  for (const repo::ListedSnapshot& listed : chosen) {
    if (std::find(ids.begin(), ids.end(), listed.snapshot->id) == ids.end()) continue;
    document.push_back(snapshot_json(listed));
    context.output.line(verb + snapshot_line(listed));
  }
  context.output.json(document);
  // What was not removed was held by somebody meanwhile.
  require_not_held(*repository->snapshots(), shown);
  return ExitCode::ok;
}

}  // namespace

Run add_delete(CLI::App& app) {
  auto options = std::make_shared<DeleteOptions>();
  app.add_option("SNAPSHOT", options->snapshots, "Which ones: ids, times or latest:SOURCE")
      ->type_name("")
      ->required();
  app.add_flag("-n,--dry-run", options->dry_run, "Only show what would be deleted");
  return [options](Context& context) { return delete_snapshots(context, *options); };
}

}  // namespace vgerfs::cli

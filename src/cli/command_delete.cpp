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
  const ChosenSnapshots chosen =
      choose_any_snapshots(*repository->snapshots(), options.snapshots, repository->options().host);
  require_not_held(*repository, chosen.ids());
  check_interrupted(context.io);
  const std::vector<SnapshotId> removed =
      options.dry_run ? chosen.ids() : remove_snapshots(*repository, chosen.ids());
  const auto is_removed = [&](const SnapshotId& id) {
    return std::find(removed.begin(), removed.end(), id) != removed.end();
  };
  const std::string verb = options.dry_run ? "would delete " : "deleted ";
  Json document = Json::array();
  for (const repo::ListedSnapshot& listed : chosen.shown) {
    if (!is_removed(listed.snapshot->id)) continue;
    document.push_back(snapshot_json(listed));
    context.output.line(verb + snapshot_line(listed));
  }
  for (const SnapshotId& id : chosen.hidden) {
    if (!is_removed(id)) continue;
    document.push_back({{"id", id.hex()}});
    context.output.line(verb + id.short_hex());
  }
  context.output.json(document);
  // What was not removed was held by somebody meanwhile.
  require_not_held(*repository, chosen.ids());
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

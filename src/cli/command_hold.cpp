// hold, release: whether maintenance may remove a snapshot.
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/snapshot_choice.h"
#include "cli/snapshot_output.h"
#include "repo/maintenance/annotation.h"

namespace vgerfs::cli {
namespace {

ExitCode set_held(Context& context, const std::vector<std::string>& names, bool held) {
  const auto repository = context.open_readable_repository();
  ChosenSnapshots chosen =
      choose_any_snapshots(*repository->snapshots(), names, repository->options().host);
  std::vector<repo::PropertyChange> changes;
  for (const repo::ListedSnapshot& listed : chosen.shown) {
    if (listed.held != held) changes.push_back({listed.snapshot->id, repo::Hold{held}});
  }
  for (const SnapshotId& id : chosen.hidden) changes.push_back({id, repo::Hold{held}});
  check_interrupted(context.io);
  repo::set_properties(*repository, changes);
  const std::string verb = held ? "held " : "released ";
  Json document = Json::array();
  for (repo::ListedSnapshot& listed : chosen.shown) {
    const std::string changed = listed.held == held ? "already " : "";
    listed.held = held;
    document.push_back(snapshot_json(listed));
    context.output.line(changed + verb + snapshot_line(listed));
  }
  for (const SnapshotId& id : chosen.hidden) {
    document.push_back({{"id", id.hex()}, {"held", held}});
    context.output.line(verb + id.short_hex());
  }
  context.output.json(document);
  return ExitCode::ok;
}

Run add(CLI::App& app, bool held) {
  auto names = std::make_shared<std::vector<std::string>>();
  app.add_option("SNAPSHOT", *names, "Which ones: ids, times or latest:SOURCE")
      ->type_name("")
      ->required();
  return [names, held](Context& context) { return set_held(context, *names, held); };
}

}  // namespace

Run add_hold(CLI::App& app) { return add(app, true); }

Run add_release(CLI::App& app) { return add(app, false); }

}  // namespace vgerfs::cli

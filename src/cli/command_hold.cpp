// hold, release: whether maintenance may remove a snapshot.
#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/snapshot_choice.h"
#include "cli/snapshot_output.h"
#include "repo/maintenance/annotation.h"

namespace vgerfs::cli {
namespace {

ExitCode set_held(Context& context, const std::vector<std::string>& names, bool held) {
  const auto repository = context.open_readable_repository();
  std::vector<repo::ListedSnapshot> chosen =
      choose_snapshots(*repository->snapshots(), names, repository->options().host);
  std::vector<repo::PropertyChange> changes;
  for (const repo::ListedSnapshot& listed : chosen) {
    if (listed.held != held) changes.push_back({listed.snapshot->id, repo::Hold{held}});
  }
  check_interrupted(context.io);
  repo::set_properties(*repository, changes);
  Json document = Json::array();
  for (repo::ListedSnapshot& listed : chosen) {
    const bool changed = listed.held != held;
    listed.held = held;
    document.push_back(snapshot_json(listed));
    context.output.line(fmt::format("{}{} {}", changed ? "" : "already ",
                                    held ? "held" : "released", snapshot_line(listed)));
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

// rebuild-index: names again the packs whose index records are lost.
#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/progress.h"
#include "cli/quantity.h"
#include "cli/rebuild_output.h"
#include "repo/maintenance/rebuild_index.h"

namespace vgerfs::cli {
namespace {

ExitCode rebuild_index(Context& context, bool dry_run) {
  const auto repository = context.open_readable_repository();
  const auto lease = repo::ExclusiveLease::acquire(*repository);
  const repo::RebuildPlan plan = repo::plan_rebuild(*repository, *lease, {}, context.io.stop);
  repo::RebuildResult result;
  if (!dry_run) {
    Progress progress{"rebuild-index", "pack", context.output, context.io};
    result = repo::execute(
        plan, *repository, *lease, {},
        [&](const repo::RebuildProgress& at) {
          progress.update({.items = at.done,
                           .bytes = at.bytes,
                           .total_items = at.total,
                           .total_bytes = at.total_bytes},
                          "reading packs");
        },
        context.io.stop);
  }
  print_rebuild_plan(context.output, plan);
  if (!dry_run) print_rebuild_result(context.output, plan, result);
  Json json = rebuild_json(plan, result);
  json["dry_run"] = dry_run;
  context.output.json(json);
  if (result.stopped) throw Error{ErrorCode::interrupted, "stopped; what was done counts"};
  return result.unreadable.empty() ? ExitCode::ok : ExitCode::partial;
}

}  // namespace

Run add_rebuild_index(CLI::App& app) {
  auto dry_run = std::make_shared<bool>(false);
  app.add_flag("-n,--dry-run", *dry_run, "Only say what would be done; reads no pack");
  return [dry_run](Context& context) { return rebuild_index(context, *dry_run); };
}

}  // namespace vgerfs::cli

// repair: mends what a check finds, as far as it can be.
#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/finding_output.h"
#include "cli/ids_json.h"
#include "cli/progress.h"
#include "cli/quantity.h"
#include "cli/rebuild_output.h"
#include "repo/maintenance/repair.h"

namespace vgerfs::cli {
namespace {

struct RepairCommandOptions {
  bool dry_run = false;
  bool read_data = false;
};

void print_plan(Output& output, const repo::RepairPlan& plan) {
  if (!plan.rebuild.empty()) print_rebuild_plan(output, plan.rebuild);
  for (const SnapshotId& id : plan.lost_snapshots) {
    output.result(fmt::format("lost: {}: go on without it\n", format::snapshot_name(id).path()));
  }
  for (const SnapshotId& id : plan.unreadable_snapshots) {
    output.result(fmt::format("damaged: {}: nothing makes it anew, it is left alone\n",
                              format::snapshot_name(id).path()));
  }
  const auto line = [&](const PackId& id, const char* what) {
    output.result(fmt::format("{}: {}{}\n", format::pack_name(id).path(), what,
                              plan.condemned.contains(id) ? " (done before)" : ""));
  };
  for (const PackId& id : plan.missing) line(id, "nothing new rests on it");
  for (const PackId& id : plan.damaged) {
    line(id, "what is good is stored again, nothing new rests on it");
  }
}

void print_outcome(Output& output, const repo::RepairResult& result) {
  if (!result.plan.rebuild.empty()) {
    print_rebuild_result(output, result.plan.rebuild, result.rebuild);
  }
  output.line(
      fmt::format("gave {} up, stored {} again ({})", format_count(result.condemned_packs, "pack"),
                  format_count(result.saved_chunks, "chunk"), format_size(result.saved_bytes)));
}

Json result_json(const repo::RepairResult& result) {
  return {{"dry_run", !result.executed},
          {"rebuild", rebuild_json(result.plan.rebuild, result.rebuild)},
          {"lost_snapshots", ids_json(result.plan.lost_snapshots)},
          {"unreadable_snapshots", ids_json(result.plan.unreadable_snapshots)},
          {"missing_packs", ids_json(result.plan.missing)},
          {"damaged_packs", ids_json(result.plan.damaged)},
          {"condemned_packs", result.condemned_packs},
          {"saved_chunks", result.saved_chunks},
          {"saved_bytes", result.saved_bytes},
          {"findings", findings_json(result.plan.check.findings)},
          {"lost_data", result.lost_data()}};
}

/// What only the user can do.
void print_losses(Output& output, const repo::RepairResult& result) {
  if (result.lost_files()) {
    output.warning(
        "files have lost data: all others can be restored; back up the same data again, and these "
        "come back");
  }
  if (const auto count = result.plan.unreadable_snapshots.size(); count > 0) {
    output.warning(fmt::format(
        "{} cannot be read, since the object itself is damaged: put it back from a copy of the "
        "repository, or give the snapshot up: `vgerfs-admin delete` with its full id; until then "
        "`vgerfs-admin compact` stops",
        format_count(count, "snapshot")));
  }
  if (const auto count = result.plan.lost_snapshots.size(); count > 0) {
    output.warning(fmt::format(
        "{} lost, since the object itself is missing: a repair takes such a snapshot for deleted; "
        "put the object back from a copy of the repository, then `vgerfs-admin undelete` brings "
        "the snapshot back; do so soon, `vgerfs-admin compact` does not keep its data",
        format_count(count, "snapshot")));
  }
}

ExitCode repair(Context& context, const RepairCommandOptions& given) {
  repo::RepairOptions options;
  options.read_data = given.read_data;
  options.stop = context.io.stop;
  const auto repository = context.open_readable_repository();
  repo::RepairResult result;
  {
    Progress progress{"repair", "object", context.output, context.io};
    result = repo::repair(*repository, options, given.dry_run, [&](const repo::CheckProgress& at) {
      progress.update({.items = at.done,
                       .bytes = at.bytes,
                       .total_items = at.total,
                       .total_bytes = at.total_bytes},
                      at.activity);
    });
  }
  for (const repo::Finding& finding : result.plan.check.findings) {
    if (finding.severity != repo::Severity::note) print_finding(context.output, finding);
  }
  print_plan(context.output, result.plan);
  if (result.plan.empty()) {
    context.output.line(result.plan.check.has_errors() ? "there is nothing that a repair can mend"
                                                       : "there is nothing to repair");
  }
  if (result.executed && !result.plan.empty()) print_outcome(context.output, result);
  context.output.json(result_json(result));
  print_losses(context.output, result);
  return result.lost_data() ? ExitCode::partial : ExitCode::ok;
}

}  // namespace

Run add_repair(CLI::App& app) {
  auto options = std::make_shared<RepairCommandOptions>();
  app.add_flag("-n,--dry-run", options->dry_run, "Only say what is wrong and what would be done");
  app.add_flag("--read-data", options->read_data,
               "Look for damage in all packs, not only where some is known");
  return [options](Context& context) { return repair(context, *options); };
}

}  // namespace vgerfs::cli

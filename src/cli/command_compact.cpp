// compact: gives back the space of what no snapshot needs.
#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/progress.h"
#include "cli/quantity.h"
#include "repo/maintenance/compact.h"

namespace vgerfs::cli {
namespace {

struct CompactCommandOptions {
  std::optional<double> threshold;
  std::string max_repack;
  std::string grace;
  bool now = false;
  bool reseal = false;
  bool dry_run = false;
};

repo::CompactOptions parse(const CompactCommandOptions& options) {
  repo::CompactOptions compact;
  if (options.threshold) compact.threshold = *options.threshold / 100;
  if (!options.max_repack.empty()) {
    const auto bytes = parse_size(options.max_repack);
    if (!bytes || *bytes == 0) {
      throw Error{ErrorCode::usage,
                  fmt::format("--max-repack {} is not a size", printable(options.max_repack)),
                  "for instance 10G"};
    }
    compact.max_repack_bytes = *bytes;
  }
  if (!options.grace.empty()) {
    compact.grace_s = duration_option("--grace", options.grace).count();
  }
  compact.now = options.now;
  compact.reseal = options.reseal;
  return compact;
}

std::uint64_t bytes_of(const std::vector<repo::PlannedPack>& packs) {
  std::uint64_t bytes = 0;
  for (const repo::PlannedPack& pack : packs) bytes += pack.stored_bytes;
  return bytes;
}

Json packs_json(const std::vector<repo::PlannedPack>& packs) {
  Json array = Json::array();
  for (const repo::PlannedPack& pack : packs) {
    array.push_back({{"pack", pack.id.hex()},
                     {"stored_bytes", pack.stored_bytes},
                     {"live_bytes", pack.live_bytes}});
  }
  return array;
}

Json plan_json(const repo::CompactPlan& plan) {
  return {{"repack", packs_json(plan.repack)},
          {"condemn", packs_json(plan.condemn)},
          {"orphans", packs_json(plan.orphans)},
          {"bury", packs_json(plan.bury)},
          {"rescue", plan.rescue.size()},
          {"delete_snapshots", plan.snapshots.size()},
          {"delete_records", plan.records.size()},
          {"merge_records", plan.merge.size()},
          {"packs", plan.packs},
          {"stored_bytes", plan.stored_bytes},
          {"live_bytes", plan.live_bytes},
          {"waiting_packs", plan.waiting_packs},
          {"waiting_bytes", plan.waiting_bytes},
          {"young_packs", plan.young_packs},
          {"notes", plan.notes}};
}

void print_plan(Output& output, const repo::CompactPlan& plan) {
  const auto line = [&](const char* what, const std::vector<repo::PlannedPack>& packs) {
    if (packs.empty()) return;
    output.result(fmt::format("{}: {}, {}\n", what, format_count(packs.size(), "pack"),
                              format_size(bytes_of(packs))));
  };
  line("delete now, dead since the grace time", plan.bury);
  line("condemn, dead", plan.condemn);
  line("condemn, named by no record", plan.orphans);
  line("move what lives to new packs, then condemn", plan.repack);
  if (!plan.rescue.empty()) {
    output.result(
        fmt::format("keep, in use again: {}\n", format_count(plan.rescue.size(), "pack")));
  }
  if (!plan.snapshots.empty()) {
    output.result(fmt::format("delete objects of removed snapshots: {}\n", plan.snapshots.size()));
  }
  if (!plan.merge.empty()) {
    output.result(fmt::format("merge {}\n", format_count(plan.merge.size(), "index record")));
  }
  if (!plan.records.empty()) {
    output.result(
        fmt::format("delete {}\n", format_count(plan.records.size(), "superseded index record")));
  }
  if (plan.waiting_packs > 0) {
    output.result(fmt::format("waiting for the grace time: {}, {}\n",
                              format_count(plan.waiting_packs, "condemned pack"),
                              format_size(plan.waiting_bytes)));
  }
  if (plan.young_packs > 0) {
    output.result(fmt::format("too young to be touched: {}\n",
                              format_count(plan.young_packs, "wasteful pack")));
  }
  for (const std::string& note : plan.notes) output.result(printable(note) + "\n");
}

void print_outcome(Output& output, const repo::CompactResult& result, bool now) {
  const std::string by_store =
      result.store_moved_bytes == 0
          ? std::string{}
          : fmt::format(", {} moved by the store", format_size(result.store_moved_bytes));
  output.line(fmt::format(
      "moved the living part of {} ({} written{}), condemned {}, deleted {} ({})",
      format_count(result.moved_packs, "pack"), format_size(result.written_bytes), by_store,
      result.condemned_packs, result.deleted_packs, format_size(result.deleted_bytes)));
  if (result.condemned_packs > 0 && !now) {
    output.line("condemned packs are deleted by the first compact after the grace time");
  }
  for (const auto& [pack, reason] : result.damaged) {
    output.warning(fmt::format("pack {} is left alone: {}", pack.short_hex(), printable(reason)));
  }
}

ExitCode compact(Context& context, const CompactCommandOptions& options) {
  const repo::CompactOptions wanted = parse(options);
  const auto repository = context.open_readable_repository();
  repo::CompactResult result;
  {
    Progress progress{"compact", "pack", context.output, context.io};
    result = repo::compact(
        *repository, wanted, options.dry_run,
        [&](const repo::CompactProgress& at) {
          progress.update({.items = at.done, .bytes = at.bytes, .total_items = at.total},
                          at.activity);
        },
        context.io.stop);
  }
  if (options.dry_run || context.options.output.verbose > 0)
    print_plan(context.output, result.plan);
  if (options.dry_run && result.plan.empty() && result.plan.young_packs == 0)
    context.output.line("there is nothing to compact");
  if (result.executed) print_outcome(context.output, result, options.now);
  Json damaged = Json::array();
  for (const auto& [pack, reason] : result.damaged) {
    damaged.push_back({{"pack", pack.hex()}, {"reason", reason}});
  }
  context.output.json({{"dry_run", options.dry_run},
                       {"plan", plan_json(result.plan)},
                       {"moved_packs", result.moved_packs},
                       {"written_bytes", result.written_bytes},
                       {"store_moved_bytes", result.store_moved_bytes},
                       {"condemned_packs", result.condemned_packs},
                       {"rescued_packs", result.rescued_packs},
                       {"deleted_packs", result.deleted_packs},
                       {"deleted_bytes", result.deleted_bytes},
                       {"deleted_snapshots", result.deleted_snapshots},
                       {"deleted_records", result.deleted_records},
                       {"merged_records", result.merged_records},
                       {"damaged", std::move(damaged)},
                       {"stopped", result.stopped}});
  if (result.stopped) throw Error{ErrorCode::interrupted, "stopped; what was done counts"};
  if (!result.damaged.empty()) {
    throw Error{
        ErrorCode::corrupt,
        fmt::format("{} could not be moved", format_count(result.damaged.size(), "pack")),
        "`vgerfs-admin check --read-data` names the files, `vgerfs-admin repair` saves what "
        "can be saved"};
  }
  return ExitCode::ok;
}

}  // namespace

Run add_compact(CLI::App& app) {
  auto options = std::make_shared<CompactCommandOptions>();
  app.add_option("--threshold", options->threshold,
                 "Rewrite packs of which more than so much is dead, in percent (default: 10)")
      ->type_name("PERCENT")
      ->check(CLI::Range(0.0, 100.0));
  app.add_option("--max-repack", options->max_repack,
                 "Rewrite at most so much, the most wasteful packs first")
      ->type_name("SIZE");
  app.add_option("--grace", options->grace,
                 "How long what is condemned or removed stays (default: 24h)")
      ->type_name("DURATION");
  app.add_flag("--now", options->now,
               "Without the grace time: when nothing else is at work on the repository");
  app.add_flag("--reseal", options->reseal,
               "Decrypt, check and seal again all that moves, also where the store could move it");
  app.add_flag("-n,--dry-run", options->dry_run, "Only say what would be done");
  return [options](Context& context) { return compact(context, *options); };
}

}  // namespace vgerfs::cli

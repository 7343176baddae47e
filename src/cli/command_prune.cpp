// prune: removes the snapshots that no rule keeps.
#include <algorithm>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/filter_options.h"
#include "cli/ids_json.h"
#include "cli/quantity.h"
#include "cli/snapshot_output.h"
#include "repo/maintenance/prune.h"

namespace vgerfs::cli {
namespace {

struct CountOption {
  const char* name;
  const char* json;
  std::optional<std::uint32_t> repo::RetentionRules::*count;
  const char* help;
};
constexpr CountOption kCounts[] = {
    {"--keep-last", "keep_last", &repo::RetentionRules::last, "Keep the newest N"},
    {"--keep-hourly", "keep_hourly", &repo::RetentionRules::hourly,
     "Keep the newest of each of the last N hours that have one"},
    {"--keep-daily", "keep_daily", &repo::RetentionRules::daily, "The same for days"},
    {"--keep-weekly", "keep_weekly", &repo::RetentionRules::weekly, "The same for weeks"},
    {"--keep-monthly", "keep_monthly", &repo::RetentionRules::monthly, "The same for months"},
    {"--keep-yearly", "keep_yearly", &repo::RetentionRules::yearly, "The same for years"},
};

struct PruneCommandOptions {
  repo::RetentionRules rules;
  std::string within;
  repo::SnapshotFilter filter;
  bool allow_empty = false;
  bool dry_run = false;
};

/// The configuration's rules; each that an option gives instead.
repo::RetentionRules rules_of(Context& context, const PruneCommandOptions& options) {
  repo::RetentionRules rules = context.configuration().retention.value_or(repo::RetentionRules{});
  for (const CountOption& option : kCounts) {
    if (const auto given = options.rules.*option.count) rules.*option.count = given;
  }
  if (!options.within.empty()) {
    rules.within = parse_period(options.within);
    if (!rules.within) {
      throw Error{ErrorCode::usage,
                  fmt::format("--keep-within: \"{}\" is no period", printable(options.within)),
                  "write a number and y, m (months), w, d or h, for instance 30d, 1y6m or 48h"};
    }
  }
  if (!options.rules.tags.empty()) rules.tags = options.rules.tags;
  return rules;
}

Json rules_json(const repo::RetentionRules& rules) {
  Json json = Json::object();
  for (const CountOption& option : kCounts) {
    if (const auto count = rules.*option.count) json[option.json] = *count;
  }
  if (rules.within) json["keep_within"] = format_period(*rules.within);
  if (!rules.tags.empty()) json["keep_tags"] = rules.tags;
  return json;
}

std::string_view action_of(const repo::PruneVerdict& verdict) {
  if (verdict.standing != repo::Standing::counted) return "ignore";
  return verdict.removed() ? "remove" : "keep";
}

std::string reason_of(const repo::PruneVerdict& verdict) {
  const repo::Snapshot& snapshot = *verdict.snapshot.snapshot;
  switch (verdict.standing) {
    case repo::Standing::counted: break;
    case repo::Standing::no_line:
      return fmt::format("not counted: {} may not write for {}", snapshot.author.label,
                         snapshot.host);
    case repo::Standing::future: return "not counted: its time has not come";
  }
  std::vector<std::string_view> rules;
  for (const repo::KeepRule rule : verdict.kept_by) rules.push_back(to_string(rule));
  return fmt::format("{}", fmt::join(rules, ", "));
}

Json verdict_json(const repo::PruneVerdict& verdict) {
  Json json = snapshot_json(verdict.snapshot);
  json["action"] = action_of(verdict);
  json["rules"] = Json::array();
  for (const repo::KeepRule rule : verdict.kept_by) json["rules"].push_back(to_string(rule));
  if (verdict.standing == repo::Standing::future) json["reason"] = "future";
  if (verdict.standing == repo::Standing::no_line) json["reason"] = "no_line";
  return json;
}

/// Every snapshot, kept or not, and why.
std::string plan_text(const repo::PrunePlan& plan) {
  Table table{{{"ACTION"}, {"ID"}, {"TIME"}, {"HOST"}, {"SOURCE"}, {"KEPT BY"}}};
  for (const repo::PruneVerdict& verdict : plan.snapshots) {
    const repo::Snapshot& snapshot = *verdict.snapshot.snapshot;
    table.add({std::string{action_of(verdict)}, snapshot.id.short_hex(), verdict.snapshot.time_name,
               printable(snapshot.host), printable(snapshot.source),
               printable(reason_of(verdict))});
  }
  for (const repo::UnreadableSnapshot& unreadable : plan.unreadable) {
    table.add({"ignore", unreadable.id.short_hex(), "-", "-", "-", "not counted: unreadable"});
  }
  for (const SnapshotId& id : plan.revoked) {
    table.add({"ignore", id.short_hex(), "-", "-", "-", "not counted: its key was revoked"});
  }
  return table.text();
}

void report(Context& context, const repo::PrunePlan& plan, const repo::RetentionRules& rules,
            bool dry_run) {
  Json snapshots = Json::array();
  std::uint64_t kept = 0;
  std::uint64_t removed = 0;
  if (dry_run) context.output.result(plan_text(plan));
  for (const repo::PruneVerdict& verdict : plan.snapshots) {
    snapshots.push_back(verdict_json(verdict));
    (verdict.removed() ? removed : kept)++;
    if (verdict.removed() && !dry_run) {
      context.output.line("removed " + snapshot_line(verdict.snapshot));
    }
  }
  context.output.line(fmt::format("{} {}, {} {}", dry_run ? "would keep" : "kept", kept,
                                  dry_run ? "remove" : "removed", removed));
  Json unreadable = Json::array();
  for (const repo::UnreadableSnapshot& each : plan.unreadable) {
    unreadable.push_back({{"id", each.id.hex()}, {"reason", each.reason}});
  }
  context.output.json({{"dry_run", dry_run},
                       {"rules", rules_json(rules)},
                       {"kept", kept},
                       {"removed", removed},
                       {"snapshots", std::move(snapshots)},
                       {"unreadable", std::move(unreadable)},
                       {"revoked", ids_json(plan.revoked)}});
}

/// What was to be removed and is still there was held meanwhile.
void note_held(repo::PrunePlan& plan, const repo::SnapshotList& list) {
  for (repo::PruneVerdict& verdict : plan.snapshots) {
    const bool listed = std::any_of(
        list.snapshots.begin(), list.snapshots.end(),
        [&](const auto& other) { return other.snapshot->id == verdict.snapshot.snapshot->id; });
    if (verdict.removed() && listed) verdict.kept_by.insert(repo::KeepRule::held);
  }
}

ExitCode prune(Context& context, const PruneCommandOptions& options) {
  const repo::PruneOptions wanted{rules_of(context, options), options.filter, options.allow_empty};
  const auto repository = context.open_readable_repository();
  if (options.dry_run) {
    const repo::PrunePlan plan = plan_prune(*repository, wanted);
    report(context, plan, wanted.rules, true);
    require_lines_stay(plan, *repository->snapshots());
    return ExitCode::ok;
  }
  const auto lease = repo::ExclusiveLease::acquire(*repository);
  repo::PrunePlan plan = plan_prune(*repository, wanted);
  check_interrupted(context.io);
  execute(plan, *repository, *lease);
  note_held(plan, *repository->snapshots());
  report(context, plan, wanted.rules, false);
  return ExitCode::ok;
}

}  // namespace

Run add_prune(CLI::App& app) {
  auto options = std::make_shared<PruneCommandOptions>();
  for (const CountOption& option : kCounts) {
    app.add_option(option.name, options->rules.*option.count, option.help)
        ->type_name("N")
        ->check(CLI::Range(std::uint32_t{0}, kMaxKeep));
  }
  app.add_option("--keep-within", options->within,
                 "Keep all that are at most so much older than the newest (30d, 1y6m, 48h)")
      ->type_name("PERIOD");
  app.add_option("--keep-tag", options->rules.tags, "Keep all with this tag; may be repeated")
      ->type_name("TAG")
      ->allow_extra_args(false);
  add_filter_options(app, options->filter);
  app.add_flag("--allow-empty", options->allow_empty,
               "Also remove the last snapshot of a host and source");
  app.add_flag("-n,--dry-run", options->dry_run,
               "Only show what would be kept, by which rule, and what would be removed");
  return [options](Context& context) { return prune(context, *options); };
}

}  // namespace vgerfs::cli

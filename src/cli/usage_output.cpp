#include "cli/usage_output.h"

#include <map>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "cli/progress.h"
#include "cli/quantity.h"
#include "cli/snapshot_output.h"
#include "repo/maintenance/usage.h"

namespace vgerfs::cli {
namespace {

repo::RepositoryUsage measure(Context& context, repo::Repository& repository,
                              const repo::SnapshotList& list) {
  Progress progress{"info", "snapshot", context.output, context.io};
  ProgressCounts counts;
  counts.total_items = list.snapshots.size();
  return repo::measure_usage(repository, list, context.io.stop, [&](std::uint64_t done) {
    counts.items = done;
    progress.update(counts);
  });
}

std::string usage_line(std::string_view name, const repo::ChunkUsage& usage) {
  return fmt::format("{:<8}{}, stored in {}\n", name, format_size(usage.plain_bytes),
                     format_size(usage.stored_bytes));
}

Json usage_json(const repo::ChunkUsage& usage) {
  return {{"chunks", usage.chunks},
          {"plain_bytes", usage.plain_bytes},
          {"stored_bytes", usage.stored_bytes}};
}

}  // namespace

ExitCode exclusive_info(Context& context, repo::Repository& repository,
                        const std::string& snapshot) {
  const auto list = repository.snapshots();
  std::optional<SnapshotId> only;
  if (!snapshot.empty()) {
    const repo::SnapshotPath wanted =
        repo::resolve_snapshot(*list, snapshot, repository.options().host);
    if (!wanted.path.empty()) {
      throw Error{ErrorCode::usage,
                  fmt::format("{}: info is of whole snapshots", printable(snapshot))};
    }
    only = wanted.snapshot.snapshot->id;
  }
  const repo::RepositoryUsage usage = measure(context, repository, *list);
  constexpr auto kRight = Table::Align::right;
  Table table{{{"ID"},
               {"TIME"},
               {"HOST"},
               {"SOURCE"},
               {"LOGICAL", kRight},
               {"EXCLUSIVE", kRight},
               {"STORED", kRight}}};
  Json snapshots = Json::array();
  for (std::size_t i = 0; i < list->snapshots.size(); ++i) {
    const repo::ListedSnapshot& listed = list->snapshots[i];
    const repo::Snapshot& each = *listed.snapshot;
    if (only && each.id != *only) continue;
    table.add({each.id.short_hex(), listed.time_name, printable(each.host), printable(each.source),
               format_size(each.statistics.logical_bytes()),
               format_size(usage.exclusive[i].plain_bytes),
               format_size(usage.exclusive[i].stored_bytes)});
    Json json = snapshot_json(listed);
    json["exclusive"] = usage_json(usage.exclusive[i]);
    snapshots.push_back(std::move(json));
  }
  context.output.result(table.text() + '\n' + usage_line("shared", usage.shared) +
                        usage_line("unused", usage.unused));
  context.output.json({{"snapshots", std::move(snapshots)},
                       {"shared", usage_json(usage.shared)},
                       {"unused", usage_json(usage.unused)}});
  return list->unreadable.empty() ? ExitCode::ok : ExitCode::corrupt;
}

ExitCode growth_info(Context& context, repo::Repository& repository) {
  struct Month {
    std::uint64_t snapshots = 0;
    std::uint64_t added_bytes = 0;
    std::uint64_t stored_bytes = 0;
  };
  const auto list = repository.snapshots();
  std::map<std::string, Month> months;
  for (const repo::ListedSnapshot& listed : list->snapshots) {
    // "2026-11-20T23:10:05Z": a year may have more digits than four.
    const std::string time = iso_time(listed.line_time);
    Month& month = months[time.substr(0, time.find('-', time.find('-', 1) + 1))];
    const auto& statistics = listed.snapshot->statistics;
    ++month.snapshots;
    month.added_bytes += statistics.added_bytes();
    month.stored_bytes += statistics.stored_bytes();
  }
  constexpr auto kRight = Table::Align::right;
  Table table{{{"MONTH"},
               {"SNAPSHOTS", kRight},
               {"ADDED", kRight},
               {"STORED", kRight},
               {"STORED SO FAR", kRight}}};
  Json document = Json::array();
  std::uint64_t total = 0;
  for (const auto& [name, month] : months) {
    total += month.stored_bytes;
    table.add({name, std::to_string(month.snapshots), format_size(month.added_bytes),
               format_size(month.stored_bytes), format_size(total)});
    document.push_back({{"month", name},
                        {"snapshots", month.snapshots},
                        {"added_bytes", month.added_bytes},
                        {"stored_bytes", month.stored_bytes},
                        {"total_stored_bytes", total}});
  }
  context.output.result(table.text());
  context.output.json(document);
  return list->unreadable.empty() ? ExitCode::ok : ExitCode::corrupt;
}

}  // namespace vgerfs::cli

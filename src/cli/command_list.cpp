// list: the snapshots of a repository.
#include <utility>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/quantity.h"
#include "cli/removed_snapshots.h"
#include "cli/snapshot_output.h"
#include "repo/maintenance/grace.h"

namespace vgerfs::cli {
namespace {

struct ListOptions {
  std::string line;
  repo::SnapshotFilter filter;
  bool latest = false;
  bool removed = false;
};

/// SOURCE, HOST/SOURCE, or HOST/.
repo::SnapshotFilter filter_of(const ListOptions& options) {
  repo::SnapshotFilter filter = options.filter;
  const std::string& line = options.line;
  const std::size_t slash = line.find('/');
  if (slash != line.npos) filter.hosts = {line.substr(0, slash)};
  std::string source = slash == line.npos ? line : line.substr(slash + 1);
  if (!source.empty()) filter.sources = {std::move(source)};
  return filter;
}

ExitCode list(Context& context, const ListOptions& options) {
  const repo::SnapshotFilter filter = filter_of(options);
  const auto repository = context.open_readable_repository();
  if (options.removed) {
    print_removed(context, *repository, repo::kDefaultGrace_s,
                  [&](const auto& listed) { return filter.matches(listed); });
    return ExitCode::ok;
  }
  const auto list = repository->snapshots();
  Json document = Json::array();
  Table table{{{"ID"},
               {"TIME"},
               {"HOST"},
               {"SOURCE"},
               {"FILES", Table::Align::right},
               {"SIZE", Table::Align::right},
               {"TAGS"}}};
  for (const repo::ListedSnapshot& listed : list->snapshots) {
    const repo::Snapshot& snapshot = *listed.snapshot;
    if (!filter.matches(listed)) continue;
    if (options.latest && repo::latest_of(*list, snapshot.host, snapshot.source) != &listed)
      continue;
    document.push_back(snapshot_json(listed));
    std::string remarks = marks_text(listed);
    if (!snapshot.belongs_to_line)
      remarks += fmt::format(" (not counted: {} may not write for {})",
                             printable(snapshot.author.label), printable(snapshot.host));
    if (snapshot.statistics.failed() > 0)
      remarks += fmt::format(" ({} failed)", snapshot.statistics.failed());
    table.add({snapshot.id.short_hex(), listed.time_name, printable(snapshot.host),
               printable(snapshot.source), fmt::format("{}", snapshot.statistics.files()),
               format_size(snapshot.statistics.logical_bytes()), std::move(remarks)});
  }
  if (!document.empty()) context.output.result(table.text());
  if (document.empty() && list->unreadable.empty()) context.output.line("no snapshots");
  context.output.json(document);
  // Opening has named them in warnings.
  return list->unreadable.empty() ? ExitCode::ok : ExitCode::corrupt;
}

}  // namespace

Run add_list(CLI::App& app) {
  auto options = std::make_shared<ListOptions>();
  app.add_option("SOURCE", options->line, "Only those of SOURCE, of HOST/SOURCE, or of HOST/")
      ->type_name("");
  app.add_option("-t,--tag", options->filter.tags, "Only those with this tag; may be repeated")
      ->type_name("TAG")
      ->allow_extra_args(false);
  auto* latest =
      app.add_flag("--latest", options->latest, "Only the newest of each host and source");
  app.add_flag("--removed", options->removed,
               "Those that were removed and can perhaps be brought back")
      ->excludes(latest);
  return [options](Context& context) { return list(context, *options); };
}

}  // namespace vgerfs::cli

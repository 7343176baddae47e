// list: the snapshots of a repository.
#include <algorithm>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/quantity.h"
#include "cli/snapshot_output.h"

namespace vgerfs::cli {
namespace {

struct ListOptions {
  std::string line;
  std::vector<std::string> tags;
  bool latest = false;
};

bool wanted(const repo::Snapshot& snapshot, const ListOptions& options) {
  const std::size_t slash = options.line.find('/');
  const std::string_view line = options.line;
  if (slash != line.npos && snapshot.host != line.substr(0, slash)) return false;
  const std::string_view source = slash == line.npos ? line : line.substr(slash + 1);
  if (!source.empty() && snapshot.source != source) return false;
  return std::all_of(options.tags.begin(), options.tags.end(), [&](const std::string& tag) {
    return std::find(snapshot.tags.begin(), snapshot.tags.end(), tag) != snapshot.tags.end();
  });
}

ExitCode list(Context& context, const ListOptions& options) {
  const auto repository = context.open_readable_repository();
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
    if (!wanted(snapshot, options)) continue;
    if (options.latest && repo::latest_of(*list, snapshot.host, snapshot.source) != &listed)
      continue;
    document.push_back(snapshot_json(listed));
    std::string remarks = fmt::format("{}", fmt::join(snapshot.tags, ","));
    if (!snapshot.belongs_to_line)
      remarks += fmt::format(" (not counted: {} may not write for {})", snapshot.author.label,
                             snapshot.host);
    if (snapshot.statistics.failed() > 0)
      remarks += fmt::format(" ({} failed)", snapshot.statistics.failed());
    table.add({snapshot.id.short_hex(), listed.time_name, printable(snapshot.host),
               printable(snapshot.source), fmt::format("{}", snapshot.statistics.files()),
               format_size(snapshot.statistics.logical_bytes()), printable(remarks)});
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
  app.add_option("-t,--tag", options->tags, "Only those with this tag; may be repeated")
      ->type_name("TAG")
      ->allow_extra_args(false);
  app.add_flag("--latest", options->latest, "Only the newest of each host and source");
  return [options](Context& context) { return list(context, *options); };
}

}  // namespace vgerfs::cli

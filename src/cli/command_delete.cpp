// delete: removes snapshots from the lists. Their data stays until the repository is compacted.
#include <algorithm>
#include <span>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/quantity.h"
#include "cli/snapshot_output.h"

namespace vgerfs::cli {
namespace {

/// So many removals fit into one record for certain.
constexpr std::size_t kRemovalsPerRecord = 256;

struct DeleteOptions {
  std::vector<std::string> snapshots;
  bool dry_run = false;
};

/// All of them, or an error before anything is removed.
std::vector<repo::ListedSnapshot> resolve_all(const repo::SnapshotList& list,
                                              const DeleteOptions& options,
                                              const std::string& host) {
  std::vector<repo::ListedSnapshot> chosen;
  for (const std::string& text : options.snapshots) {
    repo::SnapshotPath wanted = repo::resolve_snapshot(list, text, host);
    if (!wanted.path.empty()) {
      throw Error{ErrorCode::usage,
                  fmt::format("{}: only whole snapshots can be deleted", printable(text))};
    }
    const auto same = [&](const repo::ListedSnapshot& other) {
      return other.snapshot->id == wanted.snapshot.snapshot->id;
    };
    if (std::none_of(chosen.begin(), chosen.end(), same))
      chosen.push_back(std::move(wanted.snapshot));
  }
  return chosen;
}

void remove(repo::Repository& repository, std::span<const repo::ListedSnapshot> chosen,
            const Clock& clock) {
  while (!chosen.empty()) {
    const auto part = chosen.first(std::min(chosen.size(), kRemovalsPerRecord));
    repo::IndexRecord record;
    for (const repo::ListedSnapshot& listed : part)
      record.facts.removals.push_back({listed.snapshot->id, clock.now().s});
    repository.publish_record(std::move(record));
    chosen = chosen.subspan(part.size());
  }
}

ExitCode delete_snapshots(Context& context, const DeleteOptions& options) {
  const auto repository = context.open_readable_repository();
  const auto list = repository->snapshots();
  const std::vector<repo::ListedSnapshot> chosen =
      resolve_all(*list, options, repository->options().host);
  check_interrupted(context.io);
  if (!options.dry_run) remove(*repository, chosen, *context.io.clock);
  Json document = Json::array();
  for (const repo::ListedSnapshot& listed : chosen) {
    document.push_back(snapshot_json(listed));
    context.output.line(
        fmt::format("{} {}  {}/{}  {}", options.dry_run ? "would delete" : "deleted",
                    listed.snapshot->id.short_hex(), printable(listed.snapshot->host),
                    printable(listed.snapshot->source), listed.time_name));
  }
  context.output.json(document);
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

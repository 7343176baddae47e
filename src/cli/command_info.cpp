// info: sizes and facts of a repository, or of one snapshot.
#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "backends/open_backend.h"
#include "base/error.h"
#include "cli/commands.h"
#include "cli/ids_json.h"
#include "cli/quantity.h"
#include "cli/repository_access.h"
#include "cli/snapshot_output.h"
#include "cli/usage_output.h"

namespace vgerfs::cli {
namespace {

struct InfoOptions {
  std::string snapshot;
  bool exclusive = false;
  bool growth = false;
};

/// "NAME: value" lines, aligned.
class Facts {
 public:
  void add(std::string_view name, std::string_view value) {
    text_ += fmt::format("{:<16}{}\n", fmt::format("{}:", name), value);
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

std::string ratio_text(std::uint64_t logical, std::uint64_t stored) {
  if (stored == 0) return "-";
  return fmt::format("{:.2f}", static_cast<double>(logical) / static_cast<double>(stored));
}

template <class Ids>
std::string short_list(const Ids& ids) {
  constexpr std::size_t kShown = 8;
  std::string text;
  for (std::size_t i = 0; i < ids.size() && i < kShown; ++i)
    text += (i > 0 ? " " : "") + ids[i].short_hex();
  if (ids.size() > kShown) text += fmt::format(" and {} more", ids.size() - kShown);
  return ids.empty() ? "none" : text;
}

ExitCode repository_info(Context& context, repo::Repository& repository) {
  const auto list = repository.snapshots();
  const repo::IndexTotals totals = repository.index().totals();
  std::uint64_t logical = 0;
  for (const repo::ListedSnapshot& listed : list->snapshots)
    logical += listed.snapshot->statistics.logical_bytes();
  const auto record_heads = repository.index().record_heads();
  const auto snapshot_heads =
      repository.index().snapshot_heads(list->ids, repository.keyring().role());
  const repo::Config& config = repository.config();
  const std::string location = repository.backend().location();

  Facts facts;
  facts.add("repository", config.repository.hex());
  facts.add("location", location);
  facts.add("created", iso_time({config.created_s, 0}));
  facts.add("encryption",
            describe(config.cipher) +
                (config.cipher ? "" : fmt::format(" ({} here)", describe(repository.cipher()))));
  facts.add("key", fmt::format("{} ({}, {})", repository.slot().short_hex(),
                               repo::to_string(repository.keyring().role()),
                               printable(repository.keyring().certificate().label)));
  facts.add("snapshots",
            repository.can_read()
                ? fmt::format("{}", list->snapshots.size())
                : fmt::format("{} objects, not readable with this key", list->ids.size()));
  if (repository.can_read()) facts.add("logical", format_size(logical) + " in all snapshots");
  facts.add("unique", fmt::format("{} in {}", format_size(totals.plain_bytes),
                                  format_count(totals.chunks, "chunk")));
  facts.add("stored", fmt::format("{} in {}", format_size(totals.stored_bytes),
                                  format_count(totals.packs, "pack")));
  if (repository.can_read()) facts.add("ratio", ratio_text(logical, totals.stored_bytes));
  facts.add("record heads", short_list(record_heads));
  facts.add("snapshot heads", short_list(snapshot_heads));
  context.output.result(facts.text());

  Json document{{"id", config.repository.hex()},
                {"location", location},
                {"created", iso_time({config.created_s, 0})},
                {"encryption", describe(config.cipher)},
                {"cipher", describe(repository.cipher())},
                {"key",
                 {{"id", repository.slot().hex()},
                  {"role", repo::to_string(repository.keyring().role())},
                  {"label", repository.keyring().certificate().label}}},
                {"chunker",
                 {{"min_bytes", config.chunker.min_bytes},
                  {"average_bytes", config.chunker.average_bytes},
                  {"max_bytes", config.chunker.max_bytes}}},
                {"snapshots", repository.can_read() ? list->snapshots.size() : list->ids.size()},
                {"unreadable_snapshots", list->unreadable.size()},
                {"logical_bytes", nullptr},
                {"unique_bytes", totals.plain_bytes},
                {"stored_bytes", totals.stored_bytes},
                {"ratio", nullptr},
                {"chunks", totals.chunks},
                {"blocks", totals.blocks},
                {"packs", totals.packs},
                {"records", totals.records},
                {"record_heads", ids_json(record_heads)},
                {"snapshot_heads", ids_json(snapshot_heads)}};
  if (repository.can_read()) {
    document["logical_bytes"] = logical;
    if (totals.stored_bytes > 0)
      document["ratio"] = static_cast<double>(logical) / static_cast<double>(totals.stored_bytes);
  }
  context.output.json(document);
  return list->unreadable.empty() ? ExitCode::ok : ExitCode::corrupt;
}

ExitCode snapshot_info(Context& context, repo::Repository& repository, const std::string& text) {
  const auto list = repository.snapshots();
  const repo::SnapshotPath wanted = repo::resolve_snapshot(*list, text, repository.options().host);
  if (!wanted.path.empty())
    throw Error{ErrorCode::usage, fmt::format("{}: info is of whole snapshots", printable(text))};
  const repo::ListedSnapshot& listed = wanted.snapshot;
  const repo::Snapshot& snapshot = *listed.snapshot;
  const auto& statistics = snapshot.statistics;
  Facts facts;
  facts.add("snapshot", snapshot.id.hex());
  facts.add("host", printable(snapshot.host));
  facts.add("source", printable(snapshot.source));
  facts.add("time", iso_time(snapshot.time));
  if (listed.stored_at) facts.add("stored at", iso_time(*listed.stored_at));
  facts.add("name", listed.time_name);
  for (const std::string& path : snapshot.paths) facts.add("path", printable(path));
  facts.add("tags", marks_text(listed));
  facts.add("parent", snapshot.parent ? snapshot.parent->short_hex() : "none");
  facts.add("author", printable(snapshot.author.label));
  facts.add("trigger", printable(snapshot.trigger));
  facts.add("program", printable(snapshot.program));
  facts.add("files",
            fmt::format("{} ({} new, {} changed, {} unchanged, {} failed)", statistics.files(),
                        statistics.files_new(), statistics.files_changed(),
                        statistics.files_unchanged(), statistics.failed()));
  facts.add("directories", fmt::format("{}", statistics.directories()));
  facts.add("others", fmt::format("{}", statistics.others()));
  facts.add("logical", format_size(statistics.logical_bytes()));
  facts.add("added", format_size(statistics.added_bytes()));
  facts.add("stored", format_size(statistics.stored_bytes()));
  context.output.result(facts.text());
  context.output.json(snapshot_json(listed));
  return ExitCode::ok;
}

ExitCode info(Context& context, const InfoOptions& options) {
  if (options.exclusive)
    return exclusive_info(context, *context.open_readable_repository(), options.snapshot);
  if (options.growth) {
    if (!options.snapshot.empty())
      throw Error{ErrorCode::usage, "--growth is of the repository, not of a snapshot"};
    return growth_info(context, *context.open_readable_repository());
  }
  if (options.snapshot.empty()) return repository_info(context, *context.open_repository());
  return snapshot_info(context, *context.open_readable_repository(), options.snapshot);
}

}  // namespace

Run add_info(CLI::App& app) {
  auto options = std::make_shared<InfoOptions>();
  app.add_option("SNAPSHOT", options->snapshot, "Facts of this snapshot instead of the repository")
      ->type_name("");
  auto* exclusive = app.add_flag("--exclusive", options->exclusive,
                                 "What each snapshot, or this one, alone keeps in the repository");
  app.add_flag("--growth", options->growth, "What was added in each month")->excludes(exclusive);
  return [options](Context& context) { return info(context, *options); };
}

}  // namespace vgerfs::cli

// tag: changes the tags of snapshots.
#include <algorithm>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/snapshot_choice.h"
#include "cli/snapshot_output.h"
#include "cli/tags.h"
#include "repo/maintenance/annotation.h"

namespace vgerfs::cli {
namespace {

struct TagOptions {
  std::vector<std::string> snapshots;
  std::vector<std::string> add;
  std::vector<std::string> remove;
  std::optional<std::string> set;
};

std::vector<std::string> split_tags(std::string_view text) {
  std::vector<std::string> tags;
  while (!text.empty()) {
    const std::size_t comma = std::min(text.find(','), text.size());
    if (comma > 0) tags.emplace_back(text.substr(0, comma));
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return tags;
}

std::vector<std::string> changed_tags(const std::vector<std::string>& tags,
                                      const TagOptions& options) {
  std::vector<std::string> changed;
  const auto add = [&](const std::string& tag) {
    if (std::find(changed.begin(), changed.end(), tag) == changed.end()) changed.push_back(tag);
  };
  for (const std::string& tag : options.set ? split_tags(*options.set) : tags) add(tag);
  for (const std::string& tag : options.remove) std::erase(changed, tag);
  for (const std::string& tag : options.add) add(tag);
  return changed;
}

ExitCode tag(Context& context, const TagOptions& options) {
  if (options.add.empty() && options.remove.empty() && !options.set) {
    throw Error{ErrorCode::usage, "tag needs --add, --remove or --set"};
  }
  require_valid_tags(options.add);
  if (options.set) require_valid_tags(split_tags(*options.set));
  const auto repository = context.open_readable_repository();
  std::vector<repo::ListedSnapshot> chosen =
      choose_snapshots(*repository->snapshots(), options.snapshots, repository->options().host);
  std::vector<repo::PropertyChange> changes;
  for (repo::ListedSnapshot& listed : chosen) {
    std::vector<std::string> tags = changed_tags(listed.tags, options);
    if (tags == listed.tags) continue;
    listed.tags = tags;
    changes.push_back({listed.snapshot->id, repo::Tags{std::move(tags)}});
  }
  check_interrupted(context.io);
  repo::set_properties(*repository, changes);
  Json document = Json::array();
  for (const repo::ListedSnapshot& listed : chosen) {
    document.push_back(snapshot_json(listed));
    const std::string marks = marks_text(listed);
    context.output.line(
        fmt::format("{}: {}", snapshot_line(listed), marks.empty() ? "no tags" : marks));
  }
  context.output.json(document);
  return ExitCode::ok;
}

}  // namespace

Run add_tag(CLI::App& app) {
  auto options = std::make_shared<TagOptions>();
  app.add_option("SNAPSHOT", options->snapshots, "Which ones: ids, times or latest:SOURCE")
      ->type_name("")
      ->required();
  app.add_option("--add", options->add, "Add a tag; may be repeated")
      ->type_name("TAG")
      ->allow_extra_args(false);
  app.add_option("--remove", options->remove, "Take a tag away; may be repeated")
      ->type_name("TAG")
      ->allow_extra_args(false);
  app.add_option("--set", options->set, "These tags instead of all others; empty: none")
      ->type_name("TAG,...");
  return [options](Context& context) { return tag(context, *options); };
}

}  // namespace vgerfs::cli

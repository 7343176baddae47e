// ls: what a snapshot holds.
#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/snapshot_entry.h"
#include "cli/snapshot_output.h"
#include "repo/tree_walk.h"

namespace vgerfs::cli {
namespace {

struct LsOptions {
  std::string snapshot;
  bool recursive = false;
  bool long_format = false;
};

ExitCode ls(Context& context, const LsOptions& options) {
  const auto repository = context.open_readable_repository();
  const auto [wanted, start] = find_snapshot_entry(*repository, options.snapshot);
  JsonArray array{context.output};
  const auto show = [&](const std::string& path, const repo::Entry& entry) {
    check_interrupted(context.io);
    if (context.output.options().json) {
      array.add(entry_json(path, entry));
    } else {
      context.output.result((options.long_format ? entry_line(path, entry) : printable(path)) +
                            '\n');
    }
  };
  if (start.type() != repo::EntryType::ENTRY_DIRECTORY) {
    show(wanted.path, start);
  } else {
    repo::for_each_entry(repository->reader(), start, wanted.path,
                         [&](const std::string& path, const repo::Entry& entry) {
                           show(path, entry);
                           return options.recursive ? repo::WalkStep::go_on : repo::WalkStep::skip;
                         });
  }
  array.finish();
  return ExitCode::ok;
}

}  // namespace

Run add_ls(CLI::App& app) {
  auto options = std::make_shared<LsOptions>();
  app.add_option("SNAPSHOT", options->snapshot,
                 "Which one, with a path if wanted: latest:home:documents")
      ->type_name("[:PATH]")
      ->required();
  app.add_flag("-R,--recursive", options->recursive, "Everything below, not only one directory");
  app.add_flag("-l,--long", options->long_format, "Mode, owner, size and time of each");
  return [options](Context& context) { return ls(context, *options); };
}

}  // namespace vgerfs::cli

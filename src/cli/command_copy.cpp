// copy: snapshots into another repository, under its keys.
#include <algorithm>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/filter_options.h"
#include "cli/operation_display.h"
#include "cli/quantity.h"
#include "cli/snapshot_choice.h"
#include "cli/snapshot_output.h"
#include "repo/attribute_writer.h"
#include "repo/copy.h"

namespace vgerfs::cli {
namespace {

struct CopyCommandOptions {
  std::vector<std::string> snapshots;
  std::string to;
  SecretOptions secret;
  repo::SnapshotFilter filter;
  int compression_level = 1;
  bool dry_run = false;
};

/// In order of lines and times, so that each can build upon the one before.
std::vector<repo::ListedSnapshot> choose(const repo::SnapshotList& list,
                                         const CopyCommandOptions& options,
                                         std::string_view this_host) {
  const std::vector<SnapshotId> named =
      ids_of(choose_snapshots(list, options.snapshots, this_host));
  std::vector<repo::ListedSnapshot> chosen;
  for (const repo::ListedSnapshot& listed : list.snapshots) {
    const bool is_named =
        named.empty() || std::find(named.begin(), named.end(), listed.snapshot->id) != named.end();
    if (is_named && options.filter.matches(listed)) chosen.push_back(listed);
  }
  return chosen;
}

struct Done {
  Json copied = Json::array();
  Json failed = Json::array();
};

void copy_one(Context& context, repo::Repository& from, repo::Repository& to,
              const repo::ListedSnapshot& listed, const CopyCommandOptions& options, Done& done) {
  repo::CopyOptions copy;
  copy.compression_level = options.compression_level;
  copy.stop = context.io.stop;
  try {
    const repo::ListedSnapshot made = [&] {
      OperationDisplay display{"copy", context.output, context.io};
      return repo::copy_snapshot(from, to, listed, copy, display);
    }();
    context.output.line(fmt::format("copied {} as {}, stored {}", snapshot_line(listed),
                                    made.snapshot->id.short_hex(),
                                    format_size(made.snapshot->statistics.stored_bytes())));
    done.copied.push_back(snapshot_json(made));
  } catch (const Error& error) {
    // Another one may be whole.
    if (!repo::is_damage(error)) throw;
    context.output.warning(
        fmt::format("{} was not copied: {}", snapshot_line(listed), printable(error.message())));
    done.failed.push_back({{"id", listed.snapshot->id.hex()}, {"reason", error.message()}});
  }
}

ExitCode copy(Context& context, const CopyCommandOptions& options) {
  const auto from = context.open_readable_repository();
  const auto to = context.open_other_repository(options.to, options.secret);
  if (!to->can_read()) {
    throw Error{ErrorCode::denied, "copy needs a key of role full for the other repository, too",
                "--to-passphrase-file, --to-passphrase-command or --to-key-file names its secret"};
  }
  const auto list = from->snapshots();
  const repo::CopyPlan plan =
      repo::plan_copy(*from, *to, choose(*list, options, from->options().host));
  Json skipped = Json::array();
  for (const repo::ListedSnapshot& listed : plan.skipped)
    skipped.push_back(listed.snapshot->id.hex());
  Done done;
  Json wanted = Json::array();
  for (const repo::ListedSnapshot& listed : plan.wanted) {
    if (!options.dry_run) {
      copy_one(context, *from, *to, listed, options, done);
      continue;
    }
    context.output.result("would copy " + snapshot_line(listed) + '\n');
    wanted.push_back(snapshot_json(listed));
  }
  context.output.line(
      fmt::format("{} {}, {} there already{}", options.dry_run ? "would copy" : "copied",
                  options.dry_run ? wanted.size() : done.copied.size(), plan.skipped.size(),
                  done.failed.empty() ? "" : fmt::format(", {} failed", done.failed.size())));
  const bool damaged = !done.failed.empty() || !list->unreadable.empty();
  context.output.json({{"dry_run", options.dry_run},
                       {"to", to->config().repository.hex()},
                       {"snapshots", options.dry_run ? std::move(wanted) : std::move(done.copied)},
                       {"skipped", std::move(skipped)},
                       {"failed", std::move(done.failed)}});
  return damaged ? ExitCode::corrupt : ExitCode::ok;
}

}  // namespace

Run add_copy(CLI::App& app) {
  auto options = std::make_shared<CopyCommandOptions>();
  app.add_option("SNAPSHOT", options->snapshots, "Which ones; default: all")->type_name("");
  app.add_option("--to", options->to, "The other repository: path, URL, or label")
      ->type_name("REPO")
      ->required();
  app.add_option("--to-passphrase-file", options->secret.passphrase_file,
                 "File that holds the other one's passphrase")
      ->type_name("FILE");
  app.add_option("--to-passphrase-command", options->secret.passphrase_command,
                 "Command that prints it")
      ->type_name("COMMAND");
  app.add_option("--to-key-file", options->secret.key_file, "Key file of the other repository")
      ->type_name("FILE");
  add_filter_options(app, options->filter);
  app.add_option("--compression", options->compression_level, "zstd level")
      ->type_name("LEVEL")
      ->check(CLI::Range(1, 19));
  app.add_flag("-n,--dry-run", options->dry_run, "Copy nothing; say what would be");
  return [options](Context& context) { return copy(context, *options); };
}

}  // namespace vgerfs::cli

// dump: a file's content to standard output.

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/progress.h"
#include "cli/snapshot_output.h"
#include "repo/content_reader.h"
#include "repo/tree_walk.h"

namespace vgerfs::cli {
namespace {

struct DumpOptions {
  std::string file;
};

ExitCode dump(Context& context, const DumpOptions& options) {
  if (context.options.output.json) {
    throw Error{ErrorCode::usage, "dump writes a file's bytes: there is no --json for it"};
  }
  const auto repository = context.open_readable_repository();
  const auto list = repository->snapshots();
  const repo::SnapshotPath wanted =
      repo::resolve_snapshot(*list, options.file, repository->options().host);
  if (wanted.path.empty()) {
    throw Error{ErrorCode::usage, "dump needs a file: SNAPSHOT:PATH",
                "vgerfs-admin ls shows what a snapshot holds"};
  }
  repo::ChunkReader& reader = repository->reader();
  const auto entry = repo::find_path(reader, wanted.snapshot.snapshot->root, wanted.path);
  if (!entry) {
    throw Error{ErrorCode::not_found,
                fmt::format("snapshot {} has no {}", wanted.snapshot.snapshot->id.short_hex(),
                            printable(wanted.path))};
  }
  if (entry->type() != repo::EntryType::ENTRY_FILE) {
    throw Error{
        ErrorCode::usage,
        fmt::format("{} is a {}, not a file", printable(wanted.path), type_name(entry->type())),
        "vgerfs-admin restore writes whole directories"};
  }
  try {
    Progress progress{"dump", "piece", context.output, context.io};
    ProgressCounts counts;
    counts.total_bytes = entry->size();
    repo::extract_file(reader, *entry, [&](ByteView piece) {
      check_interrupted(context.io);
      print(context.io.out, text_of(piece));
      ++counts.items;
      counts.bytes += piece.size();
      progress.update(counts);
    });
  } catch (Error& error) {
    error.add_context(printable(wanted.path));
    throw;
  }
  return ExitCode::ok;
}

}  // namespace

Run add_dump(CLI::App& app) {
  auto options = std::make_shared<DumpOptions>();
  app.add_option("SNAPSHOT", options->file, "The file: latest:home:documents/letter.txt")
      ->type_name(":PATH")
      ->required();
  return [options](Context& context) { return dump(context, *options); };
}

}  // namespace vgerfs::cli

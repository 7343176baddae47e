// dump: a file's content to standard output.

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/progress.h"
#include "cli/snapshot_entry.h"
#include "cli/snapshot_output.h"
#include "repo/content_reader.h"

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
  const auto [wanted, entry] = find_snapshot_entry(*repository, options.file);
  if (wanted.path.empty()) {
    throw Error{ErrorCode::usage, "dump needs a file: SNAPSHOT:PATH",
                "vgerfs-admin ls shows what a snapshot holds"};
  }
  if (entry.type() != repo::EntryType::ENTRY_FILE) {
    throw Error{
        ErrorCode::usage,
        fmt::format("{} is a {}, not a file", printable(wanted.path), type_name(entry.type())),
        "vgerfs-admin restore writes whole directories"};
  }
  try {
    Progress progress{"dump", "piece", context.output, context.io};
    ProgressCounts counts;
    counts.total_bytes = entry.size();
    repo::extract_file(repository->reader(), entry, [&](ByteView piece) {
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

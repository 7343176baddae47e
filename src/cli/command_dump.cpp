// dump: a file's content to standard output, or a directory as a tar archive.

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/progress.h"
#include "cli/quantity.h"
#include "cli/snapshot_entry.h"
#include "cli/snapshot_output.h"
#include "cli/tar_stream.h"
#include "repo/content_reader.h"
#include "repo/tree_walk.h"

namespace vgerfs::cli {
namespace {

struct DumpOptions {
  std::string file;
};

void dump_file(Context& context, repo::Repository& repository, const SnapshotEntry& wanted) {
  Progress progress{"dump", "piece", context.output, context.io};
  ProgressCounts counts;
  counts.total_bytes = wanted.entry.size();
  try {
    repo::extract_file(repository.reader(), wanted.entry, [&](ByteView piece) {
      check_interrupted(context.io);
      print(context.io.out, text_of(piece));
      ++counts.items;
      counts.bytes += piece.size();
      progress.update(counts);
    });
  } catch (Error& error) {
    error.add_context(printable(wanted.at.path));
    throw;
  }
}

void dump_directory(Context& context, repo::Repository& repository, const SnapshotEntry& wanted) {
  if (context.io.is_terminal(context.io.out)) {
    throw Error{ErrorCode::usage, "a tar archive is nothing for a terminal",
                "redirect it: … > archive.tar, or … | tar -x"};
  }
  Progress progress{"dump", "file", context.output, context.io};
  ProgressCounts counts;
  if (wanted.at.path.empty()) {
    const auto& statistics = wanted.at.snapshot.snapshot->statistics;
    counts.total_items = statistics.files() + statistics.directories() + statistics.others();
    counts.total_bytes = statistics.logical_bytes();
  }
  std::string current;
  TarStream tar{repository.reader(), [&](ByteView piece) {
                  check_interrupted(context.io);
                  print(context.io.out, text_of(piece));
                  progress.update(counts, current);
                }};
  std::uint64_t sockets = 0;
  const auto add = [&](const std::string& path, const repo::Entry& entry) {
    check_interrupted(context.io);
    current = path;
    try {
      if (!tar.add(path, entry)) ++sockets;
    } catch (Error& error) {
      error.add_context(printable(path));
      throw;
    }
    ++counts.items;
    counts.bytes = tar.content_bytes();
    progress.update(counts, current);
  };
  try {
    add("./", wanted.entry);
    repo::for_each_entry(repository.reader(), wanted.entry, {},
                         [&](const std::string& path, const repo::Entry& entry) {
                           add(path, entry);
                           return repo::WalkStep::go_on;
                         });
  } catch (Error& error) {
    // It is cut off here: whoever unpacks it is told so, too.
    if (error.code() == ErrorCode::corrupt && error.hint().empty())
      error.set_hint("the archive ends before it; vgerfs-admin restore goes on with the rest");
    throw;
  }
  tar.finish();
  progress.clear();
  if (sockets > 0) {
    context.output.warning(
        fmt::format("{} left out: tar has no place for them", format_count(sockets, "socket")));
  }
}

ExitCode dump(Context& context, const DumpOptions& options) {
  if (context.options.output.json) {
    throw Error{ErrorCode::usage, "dump writes a file's bytes: there is no --json for it"};
  }
  const auto repository = context.open_readable_repository();
  const SnapshotEntry wanted = find_snapshot_entry(*repository, options.file);
  switch (static_cast<int>(wanted.entry.type())) {
    case repo::EntryType::ENTRY_FILE: dump_file(context, *repository, wanted); break;
    case repo::EntryType::ENTRY_DIRECTORY: dump_directory(context, *repository, wanted); break;
    default:
      throw Error{ErrorCode::usage,
                  fmt::format("{} is a {}, neither file nor directory", printable(wanted.at.path),
                              type_name(wanted.entry.type())),
                  "vgerfs-admin restore writes everything"};
  }
  return ExitCode::ok;
}

}  // namespace

Run add_dump(CLI::App& app) {
  auto options = std::make_shared<DumpOptions>();
  app.add_option("SNAPSHOT", options->file,
                 "The file, or the directory: latest:home:documents/letter.txt")
      ->type_name("[:PATH]")
      ->required();
  return [options](Context& context) { return dump(context, *options); };
}

}  // namespace vgerfs::cli

// dump: a file's content to standard output.
#include <algorithm>
#include <array>
#include <deque>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/progress.h"
#include "cli/snapshot_output.h"
#include "repo/extents.h"
#include "repo/tree_walk.h"

namespace vgerfs::cli {
namespace {

/// Extents that are being fetched while an earlier one is written.
constexpr std::size_t kAhead = 16;

struct DumpOptions {
  std::string file;
};

/// Writes extents in order, fetching ahead.
class Dumper {
 public:
  Dumper(Context& context, repo::ChunkReader& reader, std::uint64_t size)
      : context_(context),
        reader_(reader),
        size_(size),
        progress_("dump", "extent", context.output, context.io) {}

  void add(const repo::Extent& extent) {
    if (extent.chunk) reader_.prefetch(repo::ChunkKind::data, *extent.chunk);
    waiting_.push_back(extent);
    if (waiting_.size() > kAhead) write_next();
  }
  void finish() {
    while (!waiting_.empty()) write_next();
  }

 private:
  void write_next() {
    check_interrupted(context_.io);
    const repo::Extent extent = waiting_.front();
    waiting_.pop_front();
    if (extent.chunk) {
      const repo::ChunkView chunk = reader_.view(repo::ChunkKind::data, *extent.chunk);
      if (extent.chunk_offset > chunk.bytes.size() ||
          extent.bytes > chunk.bytes.size() - extent.chunk_offset) {
        throw Error{ErrorCode::corrupt, fmt::format("chunk {} is shorter than the file says",
                                                    extent.chunk->short_hex())};
      }
      print(context_.io.out, text_of(chunk.bytes.subspan(extent.chunk_offset,
                                                         static_cast<std::size_t>(extent.bytes))));
    } else {
      write_zeros(extent.bytes);
    }
    written_ += extent.bytes;
    progress_.update({.items = ++extents_, .bytes = written_, .total_bytes = size_});
  }

  void write_zeros(std::uint64_t count) {
    static constexpr std::array<char, 64 * 1024> kZeros{};
    for (; count > 0; check_interrupted(context_.io)) {
      const std::size_t part =
          static_cast<std::size_t>(std::min<std::uint64_t>(count, kZeros.size()));
      print(context_.io.out, {kZeros.data(), part});
      count -= part;
    }
  }

  Context& context_;
  repo::ChunkReader& reader_;
  const std::uint64_t size_;
  Progress progress_;
  std::deque<repo::Extent> waiting_;
  std::uint64_t written_ = 0;
  std::uint64_t extents_ = 0;
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
    Dumper dumper{context, reader, entry->size()};
    repo::ExtentReader{reader, *entry}.for_each(
        [&](const auto& located) { dumper.add(located.extent); });
    dumper.finish();
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

// find: in which snapshots a file is, and in which versions.
#include <algorithm>
#include <functional>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/filter_options.h"
#include "cli/name_pattern.h"
#include "cli/quantity.h"
#include "cli/snapshot_choice.h"
#include "cli/snapshot_output.h"
#include "repo/file_entry.h"
#include "repo/find.h"

namespace vgerfs::cli {
namespace {

struct FindOptions {
  std::vector<std::string> patterns;
  NamePatternOptions reading;
  std::vector<std::string> snapshots;
  repo::SnapshotFilter filter;
  std::string type;
  std::string larger;
  std::string smaller;
  std::string newer;
  std::string older;
};

struct TypeLetter {
  const char* letter;
  repo::EntryType type;
};
constexpr TypeLetter kTypes[] = {
    {"f", repo::EntryType::ENTRY_FILE},        {"d", repo::EntryType::ENTRY_DIRECTORY},
    {"l", repo::EntryType::ENTRY_SYMLINK},     {"p", repo::EntryType::ENTRY_FIFO},
    {"s", repo::EntryType::ENTRY_SOCKET},      {"c", repo::EntryType::ENTRY_CHARACTER_DEVICE},
    {"b", repo::EntryType::ENTRY_BLOCK_DEVICE}};

std::optional<std::uint64_t> size_option(std::string_view option, const std::string& text) {
  if (text.empty()) return std::nullopt;
  const auto size = parse_size(text);
  if (!size) {
    throw Error{ErrorCode::usage, fmt::format("{}: \"{}\" is no size", option, printable(text)),
                "write a number of bytes, or 64K, 512M, 8G"};
  }
  return size;
}

/// "2026-11-20", "2026-11-20T23:10:05Z", or so long ago: "30d".
std::optional<std::int64_t> time_option(std::string_view option, const std::string& text,
                                        const Clock& clock) {
  if (text.empty()) return std::nullopt;
  if (const auto time = parse_time(text)) return time;
  if (const auto day = parse_time(text + "T00:00:00Z")) return day;
  if (const auto period = parse_period(text)) return repo::before(clock.now().s, *period);
  throw Error{ErrorCode::usage, fmt::format("{}: \"{}\" is no time", option, printable(text)),
              "write 2026-11-20, 2026-11-20T23:10:05Z, or how long ago: 30d, 1y6m"};
}

/// What a file must be to be shown.
class Wanted {
 public:
  Wanted(const FindOptions& options, const Io& io)
      : io_(io),
        patterns_(options.patterns, options.reading),
        larger_(size_option("--larger", options.larger)),
        smaller_(size_option("--smaller", options.smaller)),
        newer_(time_option("--newer", options.newer, *io.clock)),
        older_(time_option("--older", options.older, *io.clock)) {
    for (const TypeLetter& each : kTypes) {
      if (options.type == each.letter) type_ = each.type;
    }
  }

  bool operator()(const std::string& path, const repo::Entry& entry) const {
    check_interrupted(io_);
    const bool has_size = entry.type() == repo::EntryType::ENTRY_FILE;
    if (type_ && entry.type() != *type_) return false;
    if (larger_ && !(has_size && entry.size() > *larger_)) return false;
    if (smaller_ && !(has_size && entry.size() < *smaller_)) return false;
    if (newer_ && entry.mtime_s() < *newer_) return false;
    if (older_ && entry.mtime_s() >= *older_) return false;
    return patterns_.matches(path);
  }

 private:
  const Io& io_;
  NamePatterns patterns_;
  std::optional<repo::EntryType> type_;
  std::optional<std::uint64_t> larger_;
  std::optional<std::uint64_t> smaller_;
  std::optional<std::int64_t> newer_;
  std::optional<std::int64_t> older_;
};

using Line = std::vector<const repo::ListedSnapshot*>;

/// The snapshots to look into, by line and time.
std::vector<Line> choose_lines(const repo::SnapshotList& list, const FindOptions& options,
                               std::string_view this_host) {
  const std::vector<SnapshotId> named =
      ids_of(choose_snapshots(list, options.snapshots, this_host));
  std::vector<Line> lines;
  for (const repo::ListedSnapshot& listed : list.snapshots) {
    const repo::Snapshot& snapshot = *listed.snapshot;
    const bool is_named =
        named.empty() || std::find(named.begin(), named.end(), snapshot.id) != named.end();
    if (!is_named || !options.filter.matches(listed) || snapshot.kind != repo::kTreeSnapshot)
      continue;
    const repo::Snapshot* last = lines.empty() ? nullptr : lines.back().back()->snapshot.get();
    if (last == nullptr || last->host != snapshot.host || last->source != snapshot.source)
      lines.emplace_back();
    lines.back().push_back(&listed);
  }
  return lines;
}

std::string snapshots_text(const Line& line, const std::vector<std::size_t>& numbers) {
  const auto name = [&](std::size_t number) {
    const repo::ListedSnapshot& listed = *line[number];
    return fmt::format("{} {}", listed.snapshot->id.short_hex(), listed.time_name);
  };
  std::string text = name(numbers.front());
  if (numbers.size() > 1) {
    text +=
        fmt::format(" … {}, {}", name(numbers.back()), format_count(numbers.size(), "snapshot"));
  }
  return text;
}

void print_file(Output& output, const Line& line, const repo::FoundFile& file) {
  const repo::Snapshot& first = *line.front()->snapshot;
  std::string text;
  for (const repo::FoundVersion& version : file.versions) {
    text += fmt::format("{}\n    {}/{}: {}\n", entry_line(file.path, version.entry),
                        printable(first.host), printable(first.source),
                        snapshots_text(line, version.snapshots));
  }
  output.result(text);
}

Json file_json(const Line& line, const repo::FoundFile& file) {
  const repo::Snapshot& first = *line.front()->snapshot;
  Json json{{"host", first.host}, {"source", first.source}};
  set_bytes(json, "path", file.path);
  json["versions"] = Json::array();
  for (const repo::FoundVersion& version : file.versions) {
    Json each = entry_json(file.path, version.entry);
    each["snapshots"] = Json::array();
    for (const std::size_t number : version.snapshots)
      each["snapshots"].push_back(line[number]->snapshot->id.hex());
    json["versions"].push_back(std::move(each));
  }
  return json;
}

ExitCode find(Context& context, const FindOptions& options) {
  const Wanted is_wanted{options, context.io};
  const auto repository = context.open_readable_repository();
  const auto list = repository->snapshots();
  JsonArray array{context.output};
  std::uint64_t files = 0;
  bool damaged = !list->unreadable.empty();
  for (const Line& line : choose_lines(*list, options, repository->options().host)) {
    std::vector<const repo::Snapshot*> snapshots;
    for (const repo::ListedSnapshot* listed : line) snapshots.push_back(listed->snapshot.get());
    const auto failed = [&](std::size_t number, const std::string&, const Error& error) {
      damaged = true;
      context.output.warning(fmt::format("snapshot {}: {}", snapshots[number]->id.short_hex(),
                                         printable(error.message())));
    };
    for (const repo::FoundFile& file :
         repo::find_versions(repository->reader(), snapshots, std::cref(is_wanted), failed)) {
      ++files;
      if (context.output.options().json) {
        array.add(file_json(line, file));
      } else {
        print_file(context.output, line, file);
      }
    }
  }
  array.finish();
  context.output.line(fmt::format("{} found", format_count(files, "file")));
  return damaged ? ExitCode::corrupt : ExitCode::ok;
}

}  // namespace

Run add_find(CLI::App& app) {
  auto options = std::make_shared<FindOptions>();
  app.add_option("PATTERN", options->patterns,
                 "Name with wildcards; with a slash: path from the snapshot's root")
      ->type_name("")
      ->required();
  app.add_flag("--regex", options->reading.regular_expressions,
               "PATTERN is a regular expression for a part of the path");
  app.add_flag("-i,--ignore-case", options->reading.ignore_case, "A and a are the same");
  app.add_option("--snapshot", options->snapshots, "Only in this snapshot; may be repeated")
      ->type_name("SNAPSHOT")
      ->allow_extra_args(false);
  add_filter_options(app, options->filter);
  std::vector<std::string> letters;
  for (const TypeLetter& each : kTypes) letters.emplace_back(each.letter);
  app.add_option("--type", options->type,
                 "f file, d directory, l symlink, p fifo, s socket, c or b device")
      ->type_name("LETTER")
      ->check(CLI::IsMember(letters));
  app.add_option("--larger", options->larger, "Only files of more bytes (64K, 8G)")
      ->type_name("SIZE");
  app.add_option("--smaller", options->smaller, "Only files of fewer bytes")->type_name("SIZE");
  app.add_option("--newer", options->newer, "Modified at or after (2026-11-20, or 30d ago)")
      ->type_name("TIME");
  app.add_option("--older", options->older, "Modified before")->type_name("TIME");
  return [options](Context& context) { return find(context, *options); };
}

}  // namespace vgerfs::cli

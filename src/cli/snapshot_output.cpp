#include "cli/snapshot_output.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "repo/file_entry.h"

namespace vgerfs::cli {
namespace {

/// A name, or the number if the writer knew none.
std::string owner(const std::string& name, std::uint32_t number) {
  return name.empty() ? fmt::format("{}", number) : printable(name);
}

struct TypeName {
  repo::EntryType type;
  char letter;
  std::string_view name;
};

constexpr TypeName kUnknownType{repo::EntryType::ENTRY_UNSPECIFIED, '?', "unknown"};
constexpr TypeName kTypes[] = {
    {repo::EntryType::ENTRY_FILE, '-', "file"},
    {repo::EntryType::ENTRY_DIRECTORY, 'd', "directory"},
    {repo::EntryType::ENTRY_SYMLINK, 'l', "symlink"},
    {repo::EntryType::ENTRY_FIFO, 'p', "fifo"},
    {repo::EntryType::ENTRY_SOCKET, 's', "socket"},
    {repo::EntryType::ENTRY_CHARACTER_DEVICE, 'c', "character device"},
    {repo::EntryType::ENTRY_BLOCK_DEVICE, 'b', "block device"},
};

const TypeName& type_of(repo::EntryType type) noexcept {
  for (const TypeName& known : kTypes) {
    if (known.type == type) return known;
  }
  return kUnknownType;
}

std::string mode_text(repo::EntryType type, std::uint32_t mode) {
  std::string text(1, type_of(type).letter);
  for (int shift = 6; shift >= 0; shift -= 3) {
    const std::uint32_t bits = mode >> shift;
    text += (bits & 4U) != 0 ? 'r' : '-';
    text += (bits & 2U) != 0 ? 'w' : '-';
    text += (bits & 1U) != 0 ? 'x' : '-';
  }
  const auto mark = [&](std::uint32_t bit, std::size_t at, char with_x, char without) {
    if ((mode & bit) != 0) text[at] = text[at] == 'x' ? with_x : without;
  };
  mark(04000, 3, 's', 'S');
  mark(02000, 6, 's', 'S');
  mark(01000, 9, 't', 'T');
  return text;
}

bool is_device(repo::EntryType type) {
  return type == repo::EntryType::ENTRY_CHARACTER_DEVICE ||
         type == repo::EntryType::ENTRY_BLOCK_DEVICE;
}

}  // namespace

Json statistics_json(const format::proto::Statistics& statistics) {
  return {{"files", statistics.files()},
          {"directories", statistics.directories()},
          {"others", statistics.others()},
          {"logical_bytes", statistics.logical_bytes()},
          {"added_bytes", statistics.added_bytes()},
          {"stored_bytes", statistics.stored_bytes()},
          {"failed", statistics.failed()},
          {"files_new", statistics.files_new()},
          {"files_changed", statistics.files_changed()},
          {"files_unchanged", statistics.files_unchanged()},
          {"duration_ms", statistics.duration_ms()}};
}

Json snapshot_json(const repo::ListedSnapshot& listed) {
  const repo::Snapshot& snapshot = *listed.snapshot;
  Json json{{"id", snapshot.id.hex()},
            {"time", iso_time(snapshot.time)},
            {"time_ns", snapshot.time.ns},
            {"name", listed.time_name},
            {"host", snapshot.host},
            {"source", snapshot.source},
            {"tags", listed.tags},
            {"held", listed.held},
            {"paths", Json::array()},
            {"parent", nullptr},
            {"author", snapshot.author.label},
            {"belongs_to_line", snapshot.belongs_to_line},
            {"trigger", snapshot.trigger},
            {"program", snapshot.program},
            {"statistics", statistics_json(snapshot.statistics)}};
  for (const std::string& path : snapshot.paths) json["paths"].push_back(path);
  if (snapshot.parent) json["parent"] = snapshot.parent->hex();
  if (listed.stored_at) json["stored_at"] = iso_time(*listed.stored_at);
  return json;
}

std::string snapshot_line(const repo::ListedSnapshot& listed) {
  return fmt::format("{}  {}/{}  {}", listed.snapshot->id.short_hex(),
                     printable(listed.snapshot->host), printable(listed.snapshot->source),
                     listed.time_name);
}

std::string marks_text(const repo::ListedSnapshot& listed) {
  std::string text = fmt::format("{}", fmt::join(listed.tags, ","));
  if (listed.held) text += text.empty() ? "(held)" : " (held)";
  return printable(text);
}

std::string_view type_name(repo::EntryType type) noexcept { return type_of(type).name; }

Json entry_json(std::string_view path, const repo::Entry& entry) {
  Json json;
  set_bytes(json, "path", path);
  json["type"] = type_name(entry.type());
  json["mode"] = fmt::format("{:04o}", entry.mode());
  json["uid"] = entry.uid();
  json["gid"] = entry.gid();
  set_bytes(json, "user", entry.user());
  set_bytes(json, "group", entry.group());
  json["mtime"] = iso_time(repo::mtime_of(entry));
  json["mtime_ns"] = entry.mtime_ns();
  if (entry.type() == repo::EntryType::ENTRY_FILE) json["size"] = entry.size();
  if (entry.type() == repo::EntryType::ENTRY_SYMLINK)
    set_bytes(json, "target", entry.symlink_target());
  if (is_device(entry.type())) json["device"] = {entry.device_major(), entry.device_minor()};
  if (entry.link_group() != 0) json["link_group"] = entry.link_group();
  return json;
}

std::string entry_line(std::string_view path, const repo::Entry& entry) {
  const std::string size = is_device(entry.type())
                               ? fmt::format("{}, {}", entry.device_major(), entry.device_minor())
                               : fmt::format("{}", entry.size());
  std::string time = iso_time(repo::mtime_of(entry));
  std::string line =
      fmt::format("{} {:<8} {:<8} {:>12} {} {}", mode_text(entry.type(), entry.mode()),
                  owner(entry.user(), entry.uid()), owner(entry.group(), entry.gid()), size, time,
                  printable(path));
  if (entry.type() == repo::EntryType::ENTRY_SYMLINK)
    line += fmt::format(" -> {}", printable(entry.symlink_target()));
  return line;
}

}  // namespace vgerfs::cli

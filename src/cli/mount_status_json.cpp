#include "cli/mount_status_json.h"

#include <nlohmann/json.hpp>

#include "cli/output.h"

namespace vgerfs::cli {

std::string format_status_json(const fs::MountStatus& status) {
  Json sources = Json::array();
  for (const fs::SourceStatus& source : status.sources) {
    sources.push_back({{"source", source.source},
                       {"dirty", source.dirty},
                       {"files_changed", source.files_changed},
                       {"bytes_received", source.bytes_received},
                       {"bytes_stored", source.bytes_stored},
                       {"spool_bytes", source.spool_bytes},
                       {"last_error", source.last_error}});
  }
  Json document{{"version", VGERFS_VERSION},
                {"repository", status.repository},
                {"repository_id", status.repository_id},
                {"mount_point", status.mount_point},
                {"host", status.host},
                {"pid", status.pid},
                {"mounted_at", iso_time(status.mounted_at)},
                {"role", status.can_read ? "full" : "ingest"},
                {"read_only", status.read_only},
                {"snapshots", status.snapshots},
                {"unreadable_snapshots", status.unreadable_snapshots},
                {"sources", std::move(sources)},
                {"warnings", status.warnings},
                {"damage", status.damage}};
  return to_line(document);
}

ParsedMountStatus parse_status_json(const std::string& text) {
  ParsedMountStatus status;
  const Json document = Json::parse(text, nullptr, false);
  if (!document.is_object()) return status;
  if (document.contains("pid") && document["pid"].is_number_integer())
    status.pid = document["pid"].get<long>();
  if (!document.contains("sources") || !document["sources"].is_array()) return status;
  for (const Json& source : document["sources"]) {
    if (!source.is_object() || !source.contains("source") || !source.contains("last_error"))
      continue;
    if (!source["source"].is_string() || !source["last_error"].is_string()) continue;
    const auto error = source["last_error"].get<std::string>();
    if (!error.empty()) status.errors.emplace_back(source["source"].get<std::string>(), error);
  }
  return status;
}

}  // namespace vgerfs::cli

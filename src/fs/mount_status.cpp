#include "fs/mount_status.h"

#include <iterator>

#include "base/error.h"

namespace vgerfs::fs {

std::string format_status(const MountStatus& status) {
  std::string text;
  const auto line = [&](fmt::string_view format, const auto&... values) {
    fmt::vformat_to(std::back_inserter(text), format, fmt::make_format_args(values...));
    text += '\n';
  };
  line("repository  {}", status.repository);
  line("id          {}", status.repository_id);
  line("mounted     {} by process {}{}", iso_time(status.mounted_at), status.pid,
       status.read_only ? ", read-only" : "");
  line("key         {}", status.can_read ? "full" : "ingest: adds snapshots, reads none");
  line("host        {}", status.host);
  if (status.can_read) line("snapshots   {}", status.snapshots);
  if (status.unreadable_snapshots != 0)
    line("unreadable  {} snapshots", status.unreadable_snapshots);
  for (const SourceStatus& source : status.sources) {
    line("source      {}: {}, {} changed, {} bytes received, {} stored, {} in the spool",
         source.source, source.dirty ? "not committed" : "committed", source.files_changed,
         source.bytes_received, source.bytes_stored, source.spool_bytes);
    if (!source.last_error.empty()) line("error       {}: {}", source.source, source.last_error);
  }
  for (const std::string& warning : status.warnings) line("warning     {}", warning);
  for (const std::string& damage : status.damage) line("damaged     {}", damage);
  return text;
}

}  // namespace vgerfs::fs

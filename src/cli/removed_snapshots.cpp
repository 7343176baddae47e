#include "cli/removed_snapshots.h"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/snapshot_output.h"
#include "repo/maintenance/undelete.h"

namespace vgerfs::cli {

repo::SnapshotList removed_list(repo::Repository& repository,
                                const std::vector<repo::RemovedSnapshot>& removed) {
  repo::SnapshotList list;
  for (const repo::RemovedSnapshot& gone : removed) {
    if (gone.snapshot) list.snapshots.push_back(repo::listed(gone.snapshot, gone.stored_at));
  }
  repo::annotate(list, repository.index().facts().annotations);
  repo::arrange(list);
  return list;
}

void print_removed(Context& context, repo::Repository& repository, std::int64_t grace_s,
                   const std::function<bool(const repo::ListedSnapshot&)>& wanted) {
  const std::vector<repo::RemovedSnapshot> removed = repository.removed_snapshots();
  const repo::SnapshotList list = removed_list(repository, removed);
  const Timestamp now = context.io.clock->now();
  Json document = Json::array();
  Table table{{{"ID"}, {"TIME"}, {"HOST"}, {"SOURCE"}, {"TAGS"}, {"COMES BACK"}}};
  for (const repo::ListedSnapshot& listed : list.snapshots) {
    if (!wanted(listed)) continue;
    const auto of = std::find_if(removed.begin(), removed.end(), [&](const auto& other) {
      return other.id == listed.snapshot->id;
    });
    const Timestamp until = repo::promised_until(*of, grace_s);
    const bool promised = now < until;
    Json json = snapshot_json(listed);
    json["promised_until"] = iso_time(until);
    json["promised"] = promised;
    document.push_back(std::move(json));
    table.add({listed.snapshot->id.short_hex(), listed.time_name, printable(listed.snapshot->host),
               printable(listed.snapshot->source), marks_text(listed),
               promised ? "for certain until " + iso_time(until) : "if its data is still there"});
  }
  if (!document.empty()) context.output.result(table.text());
  if (document.empty()) context.output.line("no removed snapshots are left in the store");
  context.output.json(document);
}

}  // namespace vgerfs::cli

#include "cli/rebuild_output.h"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/ids_json.h"
#include "cli/quantity.h"

namespace vgerfs::cli {

void print_rebuild_plan(Output& output, const repo::RebuildPlan& plan) {
  for (const repo::LostRecord& lost : plan.lost) {
    output.result(
        fmt::format("lost: {}: {}\n", format::record_name(lost.id).path(), printable(lost.reason)));
  }
  if (!plan.packs.empty()) {
    output.result(fmt::format("packs that no index record names: {}, {}\n", plan.packs.size(),
                              format_size(plan.stored_bytes)));
  }
  if (plan.young_packs > 0) {
    output.result(fmt::format("left to the backup that is running: {}\n",
                              format_count(plan.young_packs, "pack")));
  }
  if (plan.empty()) output.line("every pack is named by an index record, and no record is lost");
}

void print_rebuild_result(Output& output, const repo::RebuildPlan& plan,
                          const repo::RebuildResult& result) {
  if (plan.empty()) return;
  output.line(fmt::format("read {}, named {} with {}", format_size(result.read_bytes),
                          format_count(result.named_packs, "pack"),
                          format_count(result.chunks, "chunk")));
  for (const auto& [pack, reason] : result.unreadable) {
    output.warning(fmt::format("pack {} is left as it is: {}", pack.hex(), printable(reason)));
  }
  if (result.lost_wait) {
    output.warning(fmt::format(
        "the lost records may have named packs that were left alone, so maintenance waits: {}",
        plan.young_packs > 0
            ? "do it again when no backup is running"
            : "`vgerfs-admin repair` saves what is good of packs that are not whole"));
    return;
  }
  const bool all_known = std::all_of(plan.lost.begin(), plan.lost.end(),
                                     [](const repo::LostRecord& lost) { return lost.known; });
  if (result.stopped || all_known) return;
  output.warning(
      "the lost records may also have removed, brought back, held or tagged snapshots, or revoked "
      "keys: look at `vgerfs-admin list` and `vgerfs-admin key list`, and do so again");
  if (!plan.removed_again.empty()) {
    output.warning(fmt::format(
        "{} that were removed before stay for another grace time: `vgerfs-admin undelete --list` "
        "shows them",
        format_count(plan.removed_again.size(), "snapshot")));
  }
}

Json rebuild_json(const repo::RebuildPlan& plan, const repo::RebuildResult& result) {
  Json lost = Json::array();
  for (const repo::LostRecord& each : plan.lost) {
    lost.push_back({{"record", each.id.hex()}, {"reason", each.reason}, {"known", each.known}});
  }
  Json unreadable = Json::array();
  for (const auto& [pack, reason] : result.unreadable) {
    unreadable.push_back({{"pack", pack.hex()}, {"reason", reason}});
  }
  return {{"records", plan.records},
          {"lost_records", std::move(lost)},
          {"removed_again", ids_json(plan.removed_again)},
          {"unnamed_packs", plan.packs.size()},
          {"unnamed_bytes", plan.stored_bytes},
          {"young_packs", plan.young_packs},
          {"dead_packs", plan.dead_packs},
          {"named_packs", result.named_packs},
          {"named_chunks", result.chunks},
          {"read_bytes", result.read_bytes},
          {"unreadable_packs", std::move(unreadable)},
          {"lost_wait", result.lost_wait},
          {"stopped", result.stopped}};
}

}  // namespace vgerfs::cli

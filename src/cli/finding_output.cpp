#include "cli/finding_output.h"

#include <string>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/ids_json.h"

namespace vgerfs::cli {
namespace {

Json finding_json(const repo::Finding& finding) {
  Json affected = Json::array();
  for (const repo::AffectedPath& path : finding.affected) {
    Json entry{{"snapshot", path.snapshot.hex()}};
    set_bytes(entry, "path", path.path);
    affected.push_back(std::move(entry));
  }
  return {{"severity", repo::to_string(finding.severity)},
          {"kind", repo::to_string(finding.kind)},
          {"object", finding.object},
          {"what", finding.what},
          {"advice", repo::advice(finding.kind)},
          {"affected", std::move(affected)},
          {"affected_count", finding.affected_count},
          {"snapshots", ids_json(finding.snapshots)}};
}

}  // namespace

void print_finding(Output& output, const repo::Finding& finding) {
  std::string text = fmt::format("{}: {}: {}\n", repo::to_string(finding.severity),
                                 printable(finding.object), printable(finding.what));
  for (const repo::AffectedPath& affected : finding.affected) {
    text +=
        fmt::format("  affects {}:{}\n", affected.snapshot.short_hex(), printable(affected.path));
  }
  if (finding.affected_count > finding.affected.size()) {
    text += fmt::format("  and {} more in {} snapshots\n",
                        finding.affected_count - finding.affected.size(), finding.snapshots.size());
  }
  text += fmt::format("  what to do: {}\n", repo::advice(finding.kind));
  output.result(text);
}

Json findings_json(const std::vector<repo::Finding>& findings) {
  Json array = Json::array();
  for (const repo::Finding& finding : findings) array.push_back(finding_json(finding));
  return array;
}

}  // namespace vgerfs::cli

// check: does every reference resolve, and with --read-data does every byte decrypt and hash.
#include <algorithm>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/progress.h"
#include "cli/quantity.h"
#include "repo/check.h"

namespace vgerfs::cli {
namespace {

struct CheckCommandOptions {
  bool read_data = false;
};

std::string_view severity_name(repo::Severity severity) noexcept {
  return severity == repo::Severity::error ? "error" : "note";
}

void print_finding(Output& output, const repo::Finding& finding) {
  std::string text = fmt::format("{}: {}: {}\n", severity_name(finding.severity),
                                 printable(finding.object), printable(finding.what));
  for (const repo::AffectedPath& affected : finding.affected) {
    text +=
        fmt::format("  affects {}:{}\n", affected.snapshot.short_hex(), printable(affected.path));
  }
  if (finding.affected_count > finding.affected.size()) {
    text += fmt::format("  and {} more\n", finding.affected_count - finding.affected.size());
  }
  output.result(text);
}

Json finding_json(const repo::Finding& finding) {
  Json affected = Json::array();
  for (const repo::AffectedPath& path : finding.affected) {
    Json entry{{"snapshot", path.snapshot.hex()}};
    set_bytes(entry, "path", path.path);
    affected.push_back(std::move(entry));
  }
  return {{"severity", severity_name(finding.severity)},
          {"object", finding.object},
          {"what", finding.what},
          {"affected", std::move(affected)},
          {"affected_count", finding.affected_count}};
}

ExitCode check(Context& context, const CheckCommandOptions& options) {
  const auto repository = context.open_readable_repository();
  repo::CheckOptions check;
  check.read_data = options.read_data;
  check.stop = context.io.stop;
  repo::CheckResult result;
  {
    Progress progress{"check", "object", context.output, context.io};
    result = repo::run_check(*repository, check, [&](const repo::CheckProgress& at) {
      progress.update({.items = at.done, .bytes = at.bytes, .total_items = at.total}, at.activity);
    });
  }
  Json findings = Json::array();
  for (const repo::Finding& finding : result.findings) {
    print_finding(context.output, finding);
    findings.push_back(finding_json(finding));
  }
  context.output.line(
      fmt::format("checked {}, {}, {}, {}{}", format_count(result.snapshots, "snapshot"),
                  format_count(result.records, "index record"), format_count(result.packs, "pack"),
                  format_count(result.files, "file"),
                  options.read_data ? fmt::format("; read {}", format_size(result.read_bytes))
                                    : "; no data was read (--read-data)"));
  context.output.json({{"ok", !result.has_errors()},
                       {"read_data", options.read_data},
                       {"findings", std::move(findings)},
                       {"snapshots", result.snapshots},
                       {"records", result.records},
                       {"packs", result.packs},
                       {"tree_nodes", result.tree_nodes},
                       {"files", result.files},
                       {"chunk_references", result.chunk_references},
                       {"read_bytes", result.read_bytes}});
  if (result.has_errors()) {
    const auto errors =
        std::count_if(result.findings.begin(), result.findings.end(),
                      [](const repo::Finding& f) { return f.severity == repo::Severity::error; });
    throw Error{ErrorCode::corrupt,
                fmt::format("the repository is damaged: {} found",
                            format_count(static_cast<std::uint64_t>(errors), "error")),
                "files that are not named can still be restored; get lost objects back from a copy "
                "of the repository, or back "
                "up again"};
  }
  return ExitCode::ok;
}

}  // namespace

Run add_check(CLI::App& app) {
  auto options = std::make_shared<CheckCommandOptions>();
  app.add_flag("--read-data", options->read_data, "Also read, decrypt and hash everything");
  return [options](Context& context) { return check(context, *options); };
}

}  // namespace vgerfs::cli

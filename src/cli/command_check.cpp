// check: what is there, does every reference resolve, and with --read-data does every byte decrypt
// and hash.
#include <algorithm>
#include <charconv>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/finding_output.h"
#include "cli/progress.h"
#include "cli/quantity.h"
#include "repo/maintenance/check.h"

namespace vgerfs::cli {
namespace {

struct CheckCommandOptions {
  bool quick = false;
  bool no_vouch = false;
  bool server_reads = false;
  CLI::Option* read_data = nullptr;
  std::string share;
};

/// "", "all", "5%", "2.5%", "50G".
repo::ReadShare parse_share(const std::string& text) {
  if (text.empty() || text == "all") return {};
  if (text.back() == '%') {
    double percent = 0;
    const char* const end = text.data() + text.size() - 1;
    const auto [stop, error] = std::from_chars(text.data(), end, percent);
    if (error == std::errc{} && stop == end && percent > 0 && percent <= 100) {
      return {.bytes = {}, .fraction = percent / 100};
    }
  } else if (const auto bytes = parse_size(text); bytes && *bytes > 0) {
    return {.bytes = *bytes};
  }
  throw Error{ErrorCode::usage, fmt::format("--read-data: '{}' is no share", printable(text)),
              "write a percentage (5%) or a size (50G), or nothing for everything"};
}

std::string_view level_name(repo::CheckLevel level) noexcept {
  switch (level) {
    case repo::CheckLevel::quick: return "quick";
    case repo::CheckLevel::metadata: return "metadata";
    case repo::CheckLevel::data: return "data";
  }
  return "";
}

void print_summary(Output& output, const repo::CheckOptions& options,
                   const repo::CheckResult& result) {
  std::string text =
      fmt::format("checked {}, {}, {}", format_count(result.snapshots, "snapshot"),
                  format_count(result.records, "index record"), format_count(result.packs, "pack"));
  if (options.level != repo::CheckLevel::quick) {
    text += fmt::format(", {}", format_count(result.files, "file"));
  }
  text += options.level == repo::CheckLevel::data
              ? fmt::format("; read {}, {}", format_count(result.read_packs, "pack"),
                            format_size(result.read_bytes))
              : "; no data was read (--read-data)";
  if (options.store_reads) {
    text +=
        fmt::format("; the server read {}, {}", format_count(result.store_read_objects, "object"),
                    format_size(result.store_read_bytes));
  }
  if (result.vouched_blocks > 0) {
    text += fmt::format("; vouched for {}", format_count(result.vouched_blocks, "block"));
  }
  output.line(text);
}

Json result_json(const repo::CheckOptions& options, const repo::CheckResult& result) {
  return {{"ok", !result.has_errors()},
          {"level", level_name(options.level)},
          {"read_data", options.level == repo::CheckLevel::data},
          {"findings", findings_json(result.findings)},
          {"snapshots", result.snapshots},
          {"records", result.records},
          {"packs", result.packs},
          {"tree_nodes", result.tree_nodes},
          {"files", result.files},
          {"chunk_references", result.chunk_references},
          {"read_packs", result.read_packs},
          {"read_bytes", result.read_bytes},
          {"server_read_objects", result.store_read_objects},
          {"server_read_bytes", result.store_read_bytes},
          {"vouched_blocks", result.vouched_blocks}};
}

ExitCode check(Context& context, const CheckCommandOptions& given) {
  repo::CheckOptions options;
  options.stop = context.io.stop;
  options.vouch = !given.no_vouch;
  options.store_reads = given.server_reads;
  if (given.quick) options.level = repo::CheckLevel::quick;
  if (given.read_data->count() > 0) {
    options.level = repo::CheckLevel::data;
    options.share = parse_share(given.share);
  }
  const auto repository = context.open_readable_repository();
  repo::CheckResult result;
  {
    Progress progress{"check", "object", context.output, context.io};
    result = repo::run_check(*repository, options, [&](const repo::CheckProgress& at) {
      progress.update({.items = at.done,
                       .bytes = at.bytes,
                       .total_items = at.total,
                       .total_bytes = at.total_bytes},
                      at.activity);
    });
  }
  for (const repo::Finding& finding : result.findings) print_finding(context.output, finding);
  print_summary(context.output, options, result);
  if (!result.vouch_failure.empty()) {
    context.output.warning(
        fmt::format("blocks of ingest keys were hashed, but that could not be recorded: {}",
                    result.vouch_failure));
  }
  context.output.json(result_json(options, result));
  if (result.has_errors()) {
    const auto errors =
        std::count_if(result.findings.begin(), result.findings.end(),
                      [](const repo::Finding& f) { return f.severity == repo::Severity::error; });
    throw Error{ErrorCode::corrupt,
                fmt::format("the repository is damaged: {} found",
                            format_count(static_cast<std::uint64_t>(errors), "error")),
                "files that are not named can still be restored; each finding says what to do"};
  }
  return ExitCode::ok;
}

}  // namespace

Run add_check(CLI::App& app) {
  auto options = std::make_shared<CheckCommandOptions>();
  auto* quick =
      app.add_flag("--quick", options->quick, "Only look at what is there: names, sizes, closure");
  options->read_data =
      app.add_option(
             "--read-data", options->share,
             "Also read, decrypt and hash everything, or the share whose turn it is: 5%, 50G")
          ->type_name("SHARE")
          ->expected(0, 1)
          ->excludes(quick);
  app.add_flag("--server-read", options->server_reads,
               "First have the server read and hash all that it has, without sending it")
      ->excludes(quick);
  app.add_flag("--no-vouch", options->no_vouch,
               "Do not record which blocks of ingest keys were found good");
  return [options](Context& context) { return check(context, *options); };
}

}  // namespace vgerfs::cli

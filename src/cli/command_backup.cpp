// backup: files of this machine, or standard input, become a snapshot.
#include <fcntl.h>

#include <algorithm>
#include <chrono>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/fd.h"
#include "cli/commands.h"
#include "cli/location.h"
#include "cli/operation_display.h"
#include "cli/quantity.h"
#include "cli/snapshot_output.h"
#include "cli/tags.h"
#include "repo/backup.h"

namespace vgerfs::cli {
namespace {

constexpr std::size_t kMaxPatternFileBytes = std::size_t{16} << 20;

struct BackupCommandOptions {
  std::vector<std::string> paths;
  std::string source;
  std::vector<std::string> excludes;
  std::vector<std::string> exclude_files;
  std::vector<std::string> tags;
  std::optional<int> compression_level;
  bool one_file_system = false;
  bool exclude_caches = false;
  bool from_stdin = false;
  std::string stdin_name = "stdin";
  bool force_snapshot = false;
  bool read_all = false;
  bool dry_run = false;
};

/// One snapshot to make.
struct Job {
  SourceSettings settings;
  bool from_stdin = false;
};

bool same_paths(std::vector<std::string> a, std::vector<std::string> b) {
  std::sort(a.begin(), a.end());
  std::sort(b.begin(), b.end());
  return a == b;
}

std::string known_sources(const Configuration& configuration) {
  std::vector<std::string> labels;
  for (const SourceSettings& source : configuration.sources) labels.push_back(source.label);
  return labels.empty() ? "the configuration has no sources"
                        : fmt::format("the configuration has: {}", fmt::join(labels, ", "));
}

/// What the configuration says of a source, or only its name.
SourceSettings settings_of(const Configuration& configuration, const std::string& label) {
  for (const SourceSettings& source : configuration.sources) {
    if (source.label == label) return source;
  }
  SourceSettings settings;
  settings.label = label;
  return settings;
}

/// `--source NAME`, paths, both, or neither: then all sources of the configuration.
std::vector<Job> choose_jobs(const Configuration& configuration,
                             const BackupCommandOptions& options) {
  if (options.from_stdin) {
    if (options.source.empty()) throw Error{ErrorCode::usage, "--stdin needs --source NAME"};
    if (!options.paths.empty()) throw Error{ErrorCode::usage, "either paths or --stdin, not both"};
    return {{settings_of(configuration, options.source), true}};
  }
  if (!options.source.empty()) {
    Job job{settings_of(configuration, options.source), false};
    if (!options.paths.empty()) job.settings.paths = options.paths;
    if (job.settings.paths.empty()) {
      throw Error{ErrorCode::usage,
                  fmt::format("there is no source \"{}\" and no path", printable(options.source)),
                  "give paths, or " + known_sources(configuration)};
    }
    return {std::move(job)};
  }
  if (!options.paths.empty()) {
    std::vector<std::string> absolute;
    for (const std::string& path : options.paths)
      absolute.push_back(absolute_path(path, working_directory()));
    for (const SourceSettings& source : configuration.sources) {
      if (same_paths(source.paths, absolute)) return {{source, false}};
    }
    throw Error{ErrorCode::usage, "a backup needs a name for its source",
                "use --source NAME; " + known_sources(configuration)};
  }
  std::vector<Job> jobs;
  for (const SourceSettings& source : configuration.sources) jobs.push_back({source, false});
  if (jobs.empty()) {
    throw Error{ErrorCode::usage, "nothing to back up",
                "use --source NAME PATH…, or name sources in the configuration"};
  }
  return jobs;
}

repo::Patterns patterns_of(const Configuration& configuration, const SourceSettings& settings,
                           const BackupCommandOptions& options) {
  repo::Patterns patterns;
  for (const std::string& pattern : configuration.excludes) patterns.add(pattern);
  for (const std::string& pattern : settings.excludes) patterns.add(pattern);
  for (const std::string& file : options.exclude_files) {
    patterns.add_lines(text_of(read_whole_file(file, kMaxPatternFileBytes)));
  }
  for (const std::string& pattern : options.excludes) patterns.add(pattern);
  return patterns;
}

repo::BackupOptions backup_options(Context& context, const Job& job,
                                   const BackupCommandOptions& options) {
  const Configuration& configuration = context.configuration();
  repo::BackupOptions backup;
  backup.host = context.host();
  backup.source = job.settings.label;
  if (job.from_stdin) {
    backup.stream = repo::StreamSource{context.io.in, options.stdin_name};
  } else {
    backup.paths = job.settings.paths;
  }
  backup.excludes = patterns_of(configuration, job.settings, options);
  backup.one_file_system = options.one_file_system || job.settings.one_file_system;
  backup.exclude_caches = options.exclude_caches || job.settings.exclude_caches;
  backup.tags = job.settings.tags;
  for (const std::string& tag : options.tags) {
    if (std::find(backup.tags.begin(), backup.tags.end(), tag) == backup.tags.end())
      backup.tags.push_back(tag);
  }
  require_valid_tags(backup.tags);
  const auto level =
      options.compression_level ? options.compression_level : configuration.compression_level;
  if (level) backup.compression_level = *level;
  if (configuration.checkpoint_interval)
    backup.checkpoint_interval_s = configuration.checkpoint_interval->count();
  backup.force_snapshot = options.force_snapshot;
  backup.read_all = options.read_all;
  backup.dry_run = options.dry_run;
  backup.stop = context.io.stop;
  return backup;
}

Json result_json(const repo::BackupOptions& backup, const repo::BackupResult& result) {
  Json json{{"id", nullptr},
            {"snapshot", nullptr},
            {"unchanged", result.unchanged},
            {"dry_run", backup.dry_run}};
  json["host"] = backup.host;
  json["source"] = backup.source;
  if (result.snapshot) {
    json["id"] = json["snapshot"] = result.snapshot->hex();
    json["time"] = iso_time(result.time);
    json["name"] = result.time_name;
  }
  json["tags"] = backup.tags;
  json["statistics"] = statistics_json(result.statistics);
  json["failed"] = result.failures.count;
  json["failures"] = failures_json(result.failures);
  return json;
}

void print_summary(Output& output, const repo::BackupOptions& backup,
                   const repo::BackupResult& result) {
  const auto& statistics = result.statistics;
  const std::string line = fmt::format("{}/{}", backup.host, backup.source);
  const std::string files = format_count(statistics.files(), "file");
  const std::string logical = format_size(statistics.logical_bytes());
  const std::string duration =
      format_duration(std::chrono::seconds{statistics.duration_ms() / 1000});
  const std::string failed =
      result.failures.count > 0 ? fmt::format("; {} failed", result.failures.count) : "";
  if (result.unchanged) {
    output.line(fmt::format("{}: unchanged since snapshot {} of {}", line,
                            result.snapshot->short_hex(), result.time_name));
    const std::string again =
        statistics.files_changed() > 0
            ? fmt::format(", {} of them read again", statistics.files_changed())
            : "";
    output.line(fmt::format("  {}{}{}", files, again, failed));
    output.line(fmt::format("  {}; {}", logical, duration));
    return;
  }
  if (result.snapshot) {
    output.line(
        fmt::format("{}: snapshot {} of {}", line, result.snapshot->short_hex(), result.time_name));
  } else {
    output.line(fmt::format("{}: there would be a new snapshot", line));
  }
  output.line(fmt::format("  {}: {} new, {} changed, {} unchanged{}", files, statistics.files_new(),
                          statistics.files_changed(), statistics.files_unchanged(), failed));
  // New are contents and directories: in a small tree that is more than the files hold.
  output.line(fmt::format("  {} in all; {} of new data, stored in {}; {}", logical,
                          format_size(statistics.added_bytes()),
                          format_size(statistics.stored_bytes()), duration));
}

/// Whether other sources may still succeed after this error.
bool concerns_one_source(const Error& error) {
  const ErrorCode code = error.code();
  return dynamic_cast<const repo::FileError*>(&error) != nullptr || code == ErrorCode::not_found ||
         code == ErrorCode::denied || code == ErrorCode::busy || code == ErrorCode::usage;
}

ExitCode run_job(Context& context, repo::Repository& repository, const Job& job,
                 const BackupCommandOptions& options, Json& result_out) {
  const repo::BackupOptions backup = backup_options(context, job, options);
  repo::BackupResult result;
  {
    OperationDisplay display{"backup", context.output, context.io};
    result = repo::run_backup(repository, backup, display);
  }
  for (const std::string& warning : result.warnings) context.output.warning(warning);
  print_summary(context.output, backup, result);
  result_out = result_json(backup, result);
  return result.failures.count > 0 ? ExitCode::partial : ExitCode::ok;
}

/// All sources of the configuration: one that fails does not keep the others from being backed up.
/// The exit status is that of the first failure, else of the first partial success.
ExitCode run_all(Context& context, repo::Repository& repository, const std::vector<Job>& jobs,
                 const BackupCommandOptions& options) {
  Json document = Json::array();
  std::optional<ExitCode> failure;
  ExitCode worst = ExitCode::ok;
  for (const Job& job : jobs) {
    Json result;
    try {
      const ExitCode code = run_job(context, repository, job, options, result);
      if (worst == ExitCode::ok) worst = code;
    } catch (Error& error) {
      if (!concerns_one_source(error)) throw;
      error.add_context(fmt::format("source {}", job.settings.label));
      const ExitCode code = exit_code(error.code());
      context.output.error(error, code);
      if (!failure) failure = code;
      result = {
          {"id", nullptr}, {"source", job.settings.label}, {"error", error_json(error, code)}};
    }
    document.push_back(std::move(result));
  }
  context.output.json(document);
  return failure.value_or(worst);
}

ExitCode backup(Context& context, const BackupCommandOptions& options) {
  if (options.from_stdin && context.options.secret.passphrase_fd == context.io.in) {
    throw Error{ErrorCode::usage, "standard input cannot hold both the passphrase and the backup",
                "use another descriptor for --passphrase-fd"};
  }
  const std::vector<Job> jobs = choose_jobs(context.configuration(), options);
  const auto repository = context.open_repository();
  const bool everything = options.source.empty() && options.paths.empty();
  if (everything) return run_all(context, *repository, jobs, options);
  Json result;
  const ExitCode code = run_job(context, *repository, jobs.front(), options, result);
  context.output.json(result);
  return code;
}

}  // namespace

Run add_backup(CLI::App& app) {
  auto options = std::make_shared<BackupCommandOptions>();
  app.add_option("PATH", options->paths, "What to back up; without any the configuration's sources")
      ->type_name("");
  app.add_option("-s,--source", options->source, "Name of the source")->type_name("NAME");
  app.add_option("-e,--exclude", options->excludes,
                 "Leave out what matches, in gitignore syntax; may be repeated")
      ->type_name("PATTERN")
      ->allow_extra_args(false);
  app.add_option("--exclude-from", options->exclude_files,
                 "File with a pattern per line; may be repeated")
      ->type_name("FILE")
      ->allow_extra_args(false);
  app.add_flag("-x,--one-file-system", options->one_file_system,
               "Stay on the file systems of the paths");
  app.add_flag("--exclude-caches", options->exclude_caches,
               "Leave out what is in directories with a CACHEDIR.TAG");
  app.add_option("-t,--tag", options->tags, "Mark the snapshot; may be repeated")
      ->type_name("TAG")
      ->allow_extra_args(false);
  app.add_flag("--stdin", options->from_stdin, "Back up standard input as one file");
  app.add_option("--stdin-name", options->stdin_name, "Name of that file")
      ->type_name("NAME")
      ->capture_default_str();
  app.add_option("--compression", options->compression_level, "zstd level, 1 to 19")
      ->type_name("LEVEL")
      ->check(CLI::Range(1, 19));
  app.add_flag("--force-snapshot", options->force_snapshot,
               "Make a snapshot even if nothing changed");
  app.add_flag("--read-all", options->read_all, "Read every file, also those that look unchanged");
  app.add_flag("-n,--dry-run", options->dry_run, "Write nothing; say what would be");
  return [options](Context& context) { return backup(context, *options); };
}

}  // namespace vgerfs::cli

#include "cli/configuration.h"

#include <algorithm>
#include <filesystem>
#include <limits>
#include <map>
#include <sstream>
#include <utility>

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include "backends/open_backend.h"
#include "backends/rest_location.h"
#include "base/error.h"
#include "cli/location.h"
#include "cli/yaml_reader.h"
#include "repo/certificate.h"

namespace vgerfs::cli {
namespace {

constexpr std::int64_t kMinCompressionLevel = 1;
constexpr std::int64_t kMaxCompressionLevel = 19;

/// Turns one document into a Configuration. One instance per file.
class ConfigurationParser {
 public:
  ConfigurationParser(ParsedConfiguration& out, const Io& io)
      : reader_(out.problems), configuration_(out.configuration), io_(io) {}

  void read(const YAML::Node& root);

 private:
  void read_repository(const YAML::Node& node);
  void read_source(const YAML::Node& node);
  EncryptionSettings encryption(const YAML::Node& node);
  repo::RetentionRules retention(const YAML::Node& node);
  std::optional<std::string> name(const YAML::Node& node, std::string_view what);
  std::optional<std::string> path(const YAML::Node& node, std::string_view what);
  std::optional<std::string> url(const YAML::Node& node);
  /// Of the file: the base of relative paths.
  std::string directory() const;
  void append_patterns(std::vector<std::string>& to, const YAML::Node& node);
  /// Notes a value that an earlier entry has already. `seen`: value -> line.
  void unique(std::map<std::string, int>& seen, const std::string& value, const YAML::Node& node,
              std::string_view what);

  YamlReader reader_;
  Configuration& configuration_;
  const Io& io_;
  std::map<std::string, int> repository_labels_;
  std::map<std::string, int> urls_;
  std::map<std::string, int> source_labels_;
};

void ConfigurationParser::read(const YAML::Node& root) {
  Configuration& c = configuration_;
  std::optional<bool> one_file_system;
  std::optional<bool> exclude_caches;
  // The general switches apply wherever they stand in the file: they are read before the sources.
  const YAML::Node* sources = nullptr;
  YAML::Node sources_node;
  reader_.mapping(
      root, "the configuration",
      {{"repositories",
        [&](const YAML::Node& n) {
          reader_.list(n, "repositories", [&](const YAML::Node& e) { read_repository(e); });
        }},
       {"encryption", [&](const YAML::Node& n) { c.encryption = encryption(n); }},
       {"sources",
        [&](const YAML::Node& n) {
          sources_node = n;
          sources = &sources_node;
        }},
       {"exclude_patterns", [&](const YAML::Node& n) { append_patterns(c.excludes, n); }},
       {"excludes", [&](const YAML::Node& n) { append_patterns(c.excludes, n); }},
       {"one_file_system",
        [&](const YAML::Node& n) { one_file_system = reader_.flag(n, "one_file_system"); }},
       {"exclude_caches",
        [&](const YAML::Node& n) { exclude_caches = reader_.flag(n, "exclude_caches"); }},
       {"retention", [&](const YAML::Node& n) { c.retention = retention(n); }},
       {"host", [&](const YAML::Node& n) { c.host = name(n, "host"); }},
       {"cache_dir", [&](const YAML::Node& n) { c.cache_dir = path(n, "cache_dir"); }},
       {"state_dir", [&](const YAML::Node& n) { c.state_dir = path(n, "state_dir"); }},
       {"checkpoint_interval",
        [&](const YAML::Node& n) {
          c.checkpoint_interval = reader_.duration(n, "checkpoint_interval");
        }},
       {"compression", [&](const YAML::Node& n) {
          reader_.mapping(n, "compression",
                          {{"level", [&](const YAML::Node& level) {
                              if (const auto value = reader_.integer(
                                      level, "level", kMinCompressionLevel, kMaxCompressionLevel)) {
                                c.compression_level = static_cast<int>(*value);
                              }
                            }}});
        }}});
  if (sources != nullptr) {
    reader_.list(*sources, "sources", [&](const YAML::Node& e) {
      c.sources.push_back({.one_file_system = one_file_system.value_or(false),
                           .exclude_caches = exclude_caches.value_or(false)});
      read_source(e);
    });
  }
}

void ConfigurationParser::read_repository(const YAML::Node& node) {
  if (node.IsScalar()) {
    return reader_.problem(node.Mark(), "a repository is a mapping with a url",
                           fmt::format("write: - url: {}", node.Scalar()));
  }
  RepositorySettings repository;
  reader_.mapping(
      node, "a repository",
      {{"url",
        [&](const YAML::Node& n) {
          if (auto value = url(n)) {
            unique(urls_, *value, n, "url");
            repository.url = *std::move(value);
          }
        }},
       {"label",
        [&](const YAML::Node& n) {
          if (auto value = name(n, "label")) {
            unique(repository_labels_, *value, n, "label");
            repository.label = *std::move(value);
          }
        }},
       {"encryption", [&](const YAML::Node& n) { repository.encryption = encryption(n); }},
       {"rest_token",
        [&](const YAML::Node& n) { repository.remote.token = reader_.text(n, "rest_token"); }},
       {"rest_token_file",
        [&](const YAML::Node& n) { repository.remote.token_file = path(n, "rest_token_file"); }},
       {"rest_user",
        [&](const YAML::Node& n) { repository.remote.user = reader_.text(n, "rest_user"); }},
       {"ca_file", [&](const YAML::Node& n) { repository.remote.ca_file = path(n, "ca_file"); }},
       {"client_cert",
        [&](const YAML::Node& n) {
          repository.remote.client_certificate = path(n, "client_cert");
        }},
       {"client_key",
        [&](const YAML::Node& n) { repository.remote.client_key = path(n, "client_key"); }},
       {"allow_insecure",
        [&](const YAML::Node& n) {
          repository.remote.allow_insecure = reader_.flag(n, "allow_insecure").value_or(false);
        }},
       {"upload_limit",
        [&](const YAML::Node& n) {
          repository.remote.upload_limit = reader_.size(n, "upload_limit");
        }},
       {"download_limit", [&](const YAML::Node& n) {
          repository.remote.download_limit = reader_.size(n, "download_limit");
        }}});
  if (repository.remote.token && repository.remote.token_file) {
    reader_.problem(node["rest_token_file"].Mark(),
                    "this repository has both rest_token and rest_token_file", "keep one of them");
  }
  if (node.IsMap() && !node["url"]) reader_.problem(node.Mark(), "this repository has no url");
  configuration_.repositories.push_back(std::move(repository));
}

void ConfigurationParser::read_source(const YAML::Node& node) {
  SourceSettings& source = configuration_.sources.back();
  if (node.IsScalar()) {
    return reader_.problem(node.Mark(), "a source is a mapping with a label and a path",
                           fmt::format("write: - {{label: NAME, path: {}}}", node.Scalar()));
  }
  reader_.mapping(node, "a source",
                  {{"label",
                    [&](const YAML::Node& n) {
                      if (auto value = name(n, "label")) {
                        unique(source_labels_, *value, n, "label");
                        source.label = *std::move(value);
                      }
                    }},
                   {"path",
                    [&](const YAML::Node& n) {
                      if (auto value = path(n, "path")) source.paths.push_back(*std::move(value));
                    }},
                   {"paths",
                    [&](const YAML::Node& n) {
                      reader_.list(n, "paths", [&](const YAML::Node& e) {
                        if (auto value = path(e, "each of paths"))
                          source.paths.push_back(*std::move(value));
                      });
                    }},
                   {"exclude", [&](const YAML::Node& n) { append_patterns(source.excludes, n); }},
                   {"excludes", [&](const YAML::Node& n) { append_patterns(source.excludes, n); }},
                   {"tags", [&](const YAML::Node& n) { source.tags = reader_.texts(n, "tags"); }},
                   {"one_file_system",
                    [&](const YAML::Node& n) {
                      if (const auto value = reader_.flag(n, "one_file_system"))
                        source.one_file_system = *value;
                    }},
                   {"exclude_caches", [&](const YAML::Node& n) {
                      if (const auto value = reader_.flag(n, "exclude_caches"))
                        source.exclude_caches = *value;
                    }}});
  if (!node.IsMap()) return;
  if (!node["label"]) {
    reader_.problem(node.Mark(), "this source has no label",
                    "the label names its snapshots: add label: NAME");
  }
  if (node["path"] && node["paths"]) {
    reader_.problem(node["paths"].Mark(), "this source has both path and paths", "use one of them");
  } else if (!node["path"] &&
             (!node["paths"] || (node["paths"].IsSequence() && node["paths"].size() == 0))) {
    reader_.problem(node.Mark(), "this source has no path");
  }
}

EncryptionSettings ConfigurationParser::encryption(const YAML::Node& node) {
  EncryptionSettings settings;
  reader_.mapping(
      node, "encryption",
      {{"mode",
        [&](const YAML::Node& n) {
          const auto mode = reader_.text(n, "mode");
          if (!mode) return;
          if (*mode == "auto") {
            settings.mode = CipherChoice::automatic;
          } else if (*mode == "aes256gcm") {
            settings.mode = CipherChoice::aes256gcm;
          } else if (*mode == "chacha20poly1305") {
            settings.mode = CipherChoice::chacha20poly1305;
          } else {
            reader_.problem(
                n.Mark(),
                fmt::format("mode expects auto, aes256gcm or chacha20poly1305, not \"{}\"", *mode),
                *mode == "none" ? "vgerfs never stores without encryption" : "");
          }
        }},
       {"passphrase_file",
        [&](const YAML::Node& n) { settings.passphrase_file = path(n, "passphrase_file"); }},
       {"passphrase_command",
        [&](const YAML::Node& n) {
          settings.passphrase_command = reader_.text(n, "passphrase_command");
        }},
       {"passphrase",
        [&](const YAML::Node& n) {
          reader_.problem(
              n.Mark(), "a passphrase does not belong into the configuration",
              "put it into a file that only you can read and name that as passphrase_file, or use "
              "passphrase_command");
        }},
       {"key_file", [&](const YAML::Node& n) { settings.key_file = path(n, "key_file"); }}});
  if (settings.passphrase_file.has_value() + settings.passphrase_command.has_value() +
          settings.key_file.has_value() >
      1) {
    reader_.problem(node.Mark(), "encryption names more than one secret",
                    "keep one of passphrase_file, passphrase_command and key_file");
  }
  return settings;
}

repo::RetentionRules ConfigurationParser::retention(const YAML::Node& node) {
  repo::RetentionRules rules;
  std::vector<YamlField> fields;
  const std::pair<std::string_view, std::optional<std::uint32_t>*> counts[] = {
      {"keep_last", &rules.last},       {"keep_hourly", &rules.hourly},
      {"keep_daily", &rules.daily},     {"keep_weekly", &rules.weekly},
      {"keep_monthly", &rules.monthly}, {"keep_yearly", &rules.yearly}};
  for (const auto& [key, to] : counts) {
    fields.push_back({key, [this, key = key, to = to](const YAML::Node& n) {
                        if (const auto value = reader_.integer(n, key, 0, kMaxKeep))
                          *to = static_cast<std::uint32_t>(*value);
                      }});
  }
  fields.push_back({"keep_within",
                    [&](const YAML::Node& n) { rules.within = reader_.period(n, "keep_within"); }});
  fields.push_back(
      {"keep_tags", [&](const YAML::Node& n) { rules.tags = reader_.texts(n, "keep_tags"); }});
  reader_.mapping(node, "retention", fields);
  return rules;
}

std::optional<std::string> ConfigurationParser::name(const YAML::Node& node,
                                                     std::string_view what) {
  auto value = reader_.text(node, what);
  if (value && !repo::is_valid_name(*value)) {
    reader_.problem(node.Mark(), fmt::format("{} \"{}\" is not a valid name", what, *value),
                    repo::kNameRule);
    return std::nullopt;
  }
  return value;
}

std::optional<std::string> ConfigurationParser::path(const YAML::Node& node,
                                                     std::string_view what) {
  const auto value = reader_.text(node, what);
  if (!value) return std::nullopt;
  if (value->starts_with('~')) {
    const auto home = io_.environment("HOME");
    if (!home || (value->size() > 1 && (*value)[1] != '/')) {
      reader_.problem(node.Mark(),
                      fmt::format("{} \"{}\": there is no such home directory", what, *value),
                      home ? "only ~/ is understood" : "HOME is not set: write the whole path");
      return std::nullopt;
    }
    return *home + value->substr(1);
  }
  return absolute_path(*value, directory());
}

std::optional<std::string> ConfigurationParser::url(const YAML::Node& node) {
  const auto value = reader_.text(node, "url");
  if (!value) return std::nullopt;
  if (value->starts_with('~') || !backends::is_location(*value)) return path(node, "url");
  try {
    if (backends::is_rest_location(*value)) backends::parse_rest_location(*value);
    return absolute_location(*value, directory());
  } catch (const Error& error) {
    reader_.problem(node.Mark(), error.message(), error.hint());
    return std::nullopt;
  }
}

std::string ConfigurationParser::directory() const {
  return std::filesystem::path{configuration_.file}.parent_path().string();
}

void ConfigurationParser::append_patterns(std::vector<std::string>& to, const YAML::Node& node) {
  for (std::string& pattern : reader_.texts(node, "the exclude patterns"))
    to.push_back(std::move(pattern));
}

void ConfigurationParser::unique(std::map<std::string, int>& seen, const std::string& value,
                                 const YAML::Node& node, std::string_view what) {
  const auto [earlier, fresh] = seen.emplace(value, node.Mark().line + 1);
  if (!fresh) {
    reader_.problem(node.Mark(),
                    fmt::format("{} \"{}\" is already in line {}", what, value, earlier->second));
  }
}

/// Notes where documents begin, and nothing else.
class DocumentStarts final : public YAML::EventHandler {
 public:
  void OnDocumentStart(const YAML::Mark& mark) override { marks.push_back(mark); }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
  void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t,
                const std::string&) override {}
  void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {}
  void OnMapEnd() override {}

  std::vector<YAML::Mark> marks;
};

/// Where a second document begins. YAML::LoadAll would tell, too, but it makes documents without
/// end of a comma that stands alone.
std::optional<YAML::Mark> second_document(const std::string& text) {
  std::istringstream in{text};
  YAML::Parser parser{in};
  DocumentStarts starts;
  while (starts.marks.size() < 2 && parser.HandleNextDocument(starts)) {
  }
  if (starts.marks.size() < 2) return std::nullopt;
  return starts.marks[1];
}

}  // namespace

ParsedConfiguration parse_configuration(std::string_view text, const std::string& file,
                                        const Io& io) {
  ParsedConfiguration parsed;
  parsed.configuration.file = file;
  YamlReader reader{parsed.problems};
  try {
    if (const auto second = second_document(std::string{text})) {
      reader.problem(*second, "a second document begins here",
                     "a configuration is one document: remove --- or what does not belong here");
    }
    const YAML::Node document = YAML::Load(std::string{text});
    if (!document.IsNull()) ConfigurationParser{parsed, io}.read(document);
  } catch (const YAML::Exception& error) {
    reader.problem(error.mark, fmt::format("not YAML: {}", error.msg),
                   "a value with : # or a leading * & ! needs quotes");
  }
  std::stable_sort(parsed.problems.begin(), parsed.problems.end(),
                   [](const auto& a, const auto& b) {
                     return std::pair{a.line, a.column} < std::pair{b.line, b.column};
                   });
  return parsed;
}

std::string describe(const ConfigurationProblem& problem, const std::string& file) {
  return fmt::format("{}:{}:{}: {}", file, problem.line, problem.column, problem.message);
}

}  // namespace vgerfs::cli

// The server's TOML file. The only source that includes toml++.
#include <algorithm>
#include <optional>
#include <sstream>
#include <string_view>

#include <fmt/format.h>
#include <toml++/toml.h>

#include "server/repository_name.h"
#include "server/server_config.h"

namespace vgerfs::server {
namespace {

class TomlReader {
 public:
  TomlReader(ServerConfig& config, const std::string& file, std::vector<ConfigProblem>& problems)
      : config_(config), file_(file), problems_(problems) {}

  void read(const toml::table& root) {
    for (const auto& [key, node] : root) {
      if (key.str() != "server" && key.str() != "repositories") {
        complain(key.source(), fmt::format("unknown key \"{}\"", key.str()));
      } else if (!node.is_table()) {
        complain(key.source(), fmt::format("\"{}\" must be a table", key.str()));
      } else if (key.str() == "server") {
        read_server(*node.as_table());
      } else {
        read_repositories(*node.as_table());
      }
    }
  }

 private:
  void complain(const toml::source_region& where, std::string message) {
    problems_.push_back(
        {fmt::format("{}:{}:{}", file_, where.begin.line, where.begin.column), std::move(message)});
  }

  void read_server(const toml::table& table) {
    for (const auto& [key, node] : table) {
      const std::string_view name = key.str();
      const auto found = std::find_if(settings().begin(), settings().end(),
                                      [&](const Setting& setting) { return setting.key == name; });
      if (found == settings().end()) {
        complain(key.source(), fmt::format("unknown key \"{}\" in [server]", name));
        continue;
      }
      const auto value = value_of(node, found->kind);
      if (!value) {
        complain(node.source(), fmt::format("\"{}\" must be {}", name, name_of(found->kind)));
        continue;
      }
      std::string problem = found->set(config_, *value);
      if (!problem.empty()) {
        complain(node.source(), fmt::format("\"{}\": {}", name, problem));
      }
    }
  }

  void read_repositories(const toml::table& table) {
    for (const auto& [name, node] : table) {
      const toml::table* const fields = node.as_table();
      if (!RepositoryName::parse(name.str())) {
        complain(name.source(), fmt::format("\"{}\" is no name of a repository", name.str()));
      } else if (fields == nullptr) {
        complain(name.source(), fmt::format("\"{}\" must be a table", name.str()));
      } else {
        read_repository(std::string{name.str()}, *fields);
      }
    }
  }

  void read_repository(const std::string& name, const toml::table& fields) {
    for (const auto& [key, node] : fields) {
      if (key.str() != "quota_bytes") {
        complain(key.source(), fmt::format("unknown key \"{}\" of a repository", key.str()));
      } else if (const auto* const bytes = node.as_integer();
                 bytes == nullptr || bytes->get() < 0) {
        complain(node.source(), "\"quota_bytes\" must be a whole number");
      } else {
        config_.repository_quotas[name] = static_cast<std::uint64_t>(bytes->get());
      }
    }
  }

  static std::string_view name_of(Setting::Kind kind) {
    switch (kind) {
      case Setting::Kind::boolean: return "true or false";
      case Setting::Kind::integer: return "a whole number";
      case Setting::Kind::text: return "a text";
      case Setting::Kind::list: return "a text or a list of texts";
    }
    return "";
  }

  static std::optional<SettingValue> value_of(const toml::node& node, Setting::Kind kind) {
    switch (kind) {
      case Setting::Kind::boolean:
        if (const auto* const value = node.as_boolean()) return value->get();
        return std::nullopt;
      case Setting::Kind::integer:
        if (const auto* const value = node.as_integer()) return value->get();
        return std::nullopt;
      case Setting::Kind::text:
        if (const auto* const value = node.as_string()) return value->get();
        return std::nullopt;
      case Setting::Kind::list: break;
    }
    std::vector<std::string> items;
    if (const auto* const one = node.as_string()) {
      items.push_back(one->get());
    } else if (const auto* const array = node.as_array()) {
      for (const toml::node& item : *array) {
        const auto* const text = item.as_string();
        if (text == nullptr) return std::nullopt;
        items.push_back(text->get());
      }
    } else {
      return std::nullopt;
    }
    return items;
  }

  ServerConfig& config_;
  const std::string& file_;
  std::vector<ConfigProblem>& problems_;
};

}  // namespace

void apply_toml(ServerConfig& config, std::string_view text, const std::string& file,
                std::vector<ConfigProblem>& problems) {
  try {
    const toml::table root = toml::parse(text);
    TomlReader{config, file, problems}.read(root);
  } catch (const toml::parse_error& error) {
    const toml::source_position at = error.source().begin;
    // toml++ quotes what it met, which may be a secret: only its kind of message is passed on.
    problems.push_back({fmt::format("{}:{}:{}", file, at.line, at.column),
                        "this is not TOML (a quote, a bracket or a value is wrong)"});
  }
}

}  // namespace vgerfs::server

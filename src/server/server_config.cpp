#include "server/server_config.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>

#include "base/error.h"
#include "base/fd.h"

namespace vgerfs::server {
namespace {

constexpr std::size_t kMaxConfigBytes = 1 << 20;
constexpr std::size_t kMaxTokenBytes = 4096;
constexpr std::size_t kMinTokenBytes = 8;

template <bool ServerConfig::*Member>
std::string set_flag(ServerConfig& config, const SettingValue& value) {
  config.*Member = std::get<bool>(value);
  return {};
}

template <std::string ServerConfig::*Member>
std::string set_text(ServerConfig& config, const SettingValue& value) {
  config.*Member = std::get<std::string>(value);
  return {};
}

template <std::uint64_t ServerConfig::*Member, std::int64_t kLeast, std::int64_t kMost = INT64_MAX>
std::string set_number(ServerConfig& config, const SettingValue& value) {
  const std::int64_t number = std::get<std::int64_t>(value);
  if (number < kLeast) return fmt::format("must be at least {}", kLeast);
  if (number > kMost) return fmt::format("must be at most {}", kMost);
  config.*Member = static_cast<std::uint64_t>(number);
  return {};
}

std::string set_listen(ServerConfig& config, const SettingValue& value) {
  std::vector<ListenAddress> addresses;
  for (const std::string& text : std::get<std::vector<std::string>>(value)) {
    const auto address = parse_listen_address(text);
    if (!address) {
      return fmt::format("\"{}\" is no address: write \"127.0.0.1:8484\" or \"unix:/path\"", text);
    }
    addresses.push_back(*address);
  }
  config.listen = std::move(addresses);
  return {};
}

std::string set_log_format(ServerConfig& config, const SettingValue& value) {
  const auto& text = std::get<std::string>(value);
  if (text != "pretty" && text != "json") return "must be \"pretty\" or \"json\"";
  config.log_format = text == "json" ? LogFormat::json_lines : LogFormat::pretty;
  return {};
}

std::string without_line_end(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  return text;
}

void read_token(ServerConfig& config, const ConfigSources& sources,
                std::vector<ConfigProblem>& problems) {
  if (!config.token.empty()) return;
  std::string file = config.token_file;
  if (file.empty()) {
    const auto directory = sources.environment("CREDENTIALS_DIRECTORY");
    if (!directory || directory->empty()) return;
    file = *directory + "/token";
  }
  try {
    config.token = without_line_end(std::string{text_of(read_whole_file(file, kMaxTokenBytes))});
    if (config.token.empty()) problems.push_back({file, "the token's file is empty"});
  } catch (const Error& error) {
    // A unit may have credentials of other kinds only.
    if (error.code() == ErrorCode::not_found && config.token_file.empty()) return;
    problems.push_back({"token_file", error.message()});
  }
}

void check(const ServerConfig& config, std::vector<ConfigProblem>& problems) {
  const auto complain = [&](std::string_view key, std::string message) {
    problems.push_back({std::string{key}, std::move(message)});
  };
  if (config.data_dir.empty()) {
    complain("data_dir", "must be set");
  } else if (config.data_dir.front() != '/') {
    complain("data_dir", "must be an absolute path");
  }
  if (!config.token.empty() && config.token.size() < kMinTokenBytes) {
    complain("token", fmt::format("must have at least {} characters", kMinTokenBytes));
  }
  for (const ListenAddress& address : config.listen) {
    if (config.allow_insecure || address.is_loopback()) continue;
    complain("listen",
             fmt::format("{} is not loopback, and there tokens and requests would travel in the "
                         "clear: put nginx or caddy in front, or set allow_insecure = true",
                         address.text()));
  }
}

}  // namespace

bool ListenAddress::is_loopback() const {
  return host.empty() || host == "::1" || host.substr(0, 4) == "127.";
}

std::string ListenAddress::text() const {
  if (host.empty()) return "unix:" + socket_path;
  const bool is_ipv6 = host.find(':') != std::string::npos;
  return is_ipv6 ? fmt::format("[{}]:{}", host, port) : fmt::format("{}:{}", host, port);
}

std::optional<ListenAddress> parse_listen_address(std::string_view text) {
  constexpr std::string_view kUnix = "unix:";
  if (text.substr(0, kUnix.size()) == kUnix) {
    text.remove_prefix(kUnix.size());
    constexpr std::size_t kMaxPathBytes = 107;  // sockaddr_un
    if (text.empty() || text.front() != '/' || text.size() > kMaxPathBytes) return std::nullopt;
    return ListenAddress{.socket_path = std::string{text}};
  }
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::string host{text.substr(0, colon)};
  const std::string_view port_text = text.substr(colon + 1);
  std::uint16_t port = 0;
  const auto [end, failure] =
      std::from_chars(port_text.data(), port_text.data() + port_text.size(), port);
  if (port_text.empty() || failure != std::errc{} || end != port_text.data() + port_text.size()) {
    return std::nullopt;
  }
  if (host == "localhost") host = "127.0.0.1";
  std::array<std::byte, 16> ignored;
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
    if (::inet_pton(AF_INET6, host.c_str(), ignored.data()) != 1) return std::nullopt;
  } else if (::inet_pton(AF_INET, host.c_str(), ignored.data()) != 1) {
    return std::nullopt;
  }
  return ListenAddress{.host = std::move(host), .port = port};
}

const std::vector<Setting>& settings() {
  using Kind = Setting::Kind;
  constexpr std::int64_t kDay = 86400;
  static const std::vector<Setting> table = {
      {"listen", Kind::list, set_listen},
      {"data_dir", Kind::text, set_text<&ServerConfig::data_dir>},
      {"token", Kind::text, set_text<&ServerConfig::token>},
      {"token_file", Kind::text, set_text<&ServerConfig::token_file>},
      {"require_token", Kind::boolean, set_flag<&ServerConfig::require_token>},
      {"append_only", Kind::boolean, set_flag<&ServerConfig::append_only>},
      {"allow_insecure", Kind::boolean, set_flag<&ServerConfig::allow_insecure>},
      {"log_format", Kind::text, set_log_format},
      {"quota_bytes", Kind::integer, set_number<&ServerConfig::quota_bytes, 0>},
      {"min_free_bytes", Kind::integer, set_number<&ServerConfig::min_free_bytes, 0>},
      {"trash_days", Kind::integer, set_number<&ServerConfig::trash_days, 0, 36500>},
      {"changes_days", Kind::integer, set_number<&ServerConfig::changes_days, 1, 36500>},
      {"scrub_days", Kind::integer, set_number<&ServerConfig::scrub_days, 0, 36500>},
      {"scrub_bytes_per_second", Kind::integer,
       set_number<&ServerConfig::scrub_bytes_per_second, 0>},
      {"lock_ttl_seconds", Kind::integer, set_number<&ServerConfig::lock_ttl_seconds, 1, kDay>},
      {"max_object_bytes", Kind::integer, set_number<&ServerConfig::max_object_bytes, 1>},
      {"max_connections", Kind::integer, set_number<&ServerConfig::max_connections, 1, 1'000'000>},
      {"idle_timeout_seconds", Kind::integer,
       set_number<&ServerConfig::idle_timeout_seconds, 1, kDay>},
      {"request_timeout_seconds", Kind::integer,
       set_number<&ServerConfig::request_timeout_seconds, 1, kDay>},
      {"stall_timeout_seconds", Kind::integer,
       set_number<&ServerConfig::stall_timeout_seconds, 1, kDay>},
      {"drain_seconds", Kind::integer, set_number<&ServerConfig::drain_seconds, 0, kDay>},
      {"io_threads", Kind::integer, set_number<&ServerConfig::io_threads, 1, 1024>},
  };
  return table;
}

void apply_setting(ServerConfig& config, std::string_view key, std::string_view text,
                   const std::string& place, std::vector<ConfigProblem>& problems) {
  const auto found = std::find_if(settings().begin(), settings().end(),
                                  [&](const Setting& setting) { return setting.key == key; });
  VGERFS_CHECK(found != settings().end());
  SettingValue value;
  switch (found->kind) {
    case Setting::Kind::boolean:
      if (text != "true" && text != "false") {
        problems.push_back({place, "must be true or false"});
        return;
      }
      value = text == "true";
      break;
    case Setting::Kind::integer: {
      std::int64_t number = 0;
      const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
      if (text.empty() || failure != std::errc{} || end != text.data() + text.size()) {
        problems.push_back({place, "must be a whole number"});
        return;
      }
      value = number;
      break;
    }
    case Setting::Kind::text: value = std::string{text}; break;
    case Setting::Kind::list: {
      std::vector<std::string> items;
      while (!text.empty()) {
        const std::size_t comma = text.find(',');
        items.emplace_back(text.substr(0, comma));
        text.remove_prefix(comma == std::string_view::npos ? text.size() : comma + 1);
      }
      value = std::move(items);
      break;
    }
  }
  std::string problem = found->set(config, value);
  if (!problem.empty()) problems.push_back({place, std::move(problem)});
}

std::string environment_name(std::string_view key) {
  std::string name = "VGERFS_SERVER_";
  for (const char letter : key) {
    name += static_cast<char>(std::toupper(static_cast<unsigned char>(letter)));
  }
  return name;
}

ServerConfig load_server_config(const ConfigSources& sources) {
  ServerConfig config;
  std::vector<ConfigProblem> problems;
  if (!sources.file.empty()) {
    const Bytes text = read_whole_file(sources.file, kMaxConfigBytes);
    apply_toml(config, text_of(text), sources.file, problems);
  }
  for (const Setting& setting : settings()) {
    const std::string name = environment_name(setting.key);
    const auto value = sources.environment(name);
    if (value && !value->empty()) apply_setting(config, setting.key, *value, name, problems);
  }
  for (const auto& [key, value] : sources.flags) {
    std::string flag = "--" + key;
    std::replace(flag.begin(), flag.end(), '_', '-');
    apply_setting(config, key, value, flag, problems);
  }
  read_token(config, sources, problems);
  if (config.listen.empty()) config.listen = {{.host = "127.0.0.1", .port = 8484}};
  check(config, problems);
  if (problems.empty()) return config;
  std::string message;
  for (const ConfigProblem& problem : problems) {
    message += fmt::format("{}{}: {}", message.empty() ? "" : "\n", problem.place, problem.message);
  }
  throw Error{ErrorCode::usage, std::move(message)};
}

}  // namespace vgerfs::server

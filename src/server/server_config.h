// How the server is set up: from its TOML file, then the environment, then flags, each overriding
// the one before. Keys and meaning: vgerfs-server(8). Nothing unknown is ignored.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace vgerfs::server {

enum class LogFormat { pretty, json_lines };

/// A place to listen at: an address with a port (0: any free one), or a unix socket.
struct ListenAddress {
  std::string host;  ///< numeric; empty for a unix socket
  std::uint16_t port = 0;
  std::string socket_path;

  bool is_loopback() const;
  std::string text() const;
};

/// "127.0.0.1:8484", "[::1]:8484", "localhost:8484", "unix:/run/vgerfs/http.sock".
std::optional<ListenAddress> parse_listen_address(std::string_view text);

/// A plain value, complete after `load_server_config`. Holds the configured token until the server
/// has hashed it: never print it.
struct ServerConfig {
  std::vector<ListenAddress> listen;
  std::string data_dir;
  std::string token;       ///< may do everything; empty: none
  std::string token_file;  ///< read for `token` if that is empty
  bool require_token = true;
  bool append_only = false;
  bool allow_insecure = false;  ///< plain HTTP on other addresses than loopback
  LogFormat log_format = LogFormat::pretty;
  std::uint64_t quota_bytes = 0;                           ///< per repository; 0: unlimited
  std::map<std::string, std::uint64_t> repository_quotas;  ///< overrides, by repository's name
  std::uint64_t min_free_bytes = 256ULL << 20;
  std::uint64_t trash_days = 7;
  std::uint64_t changes_days = 30;  ///< how far back the history of changes goes
  std::uint64_t scrub_days = 30;    ///< in which everything is read again once; 0: never
  std::uint64_t scrub_bytes_per_second = 32ULL << 20;  ///< at most; 0: no limit
  std::uint64_t lock_ttl_seconds = 3600;  ///< how long a lease lives unless it is renewed, at most
  std::uint64_t max_object_bytes = 4ULL << 30;
  std::uint64_t max_connections = 16384;
  std::uint64_t idle_timeout_seconds = 120;    ///< a kept-alive connection without a request
  std::uint64_t request_timeout_seconds = 30;  ///< from a request's first byte to its header's end
  std::uint64_t stall_timeout_seconds = 60;    ///< a body that makes no progress
  std::uint64_t drain_seconds = 60;            ///< what a stop waits for running requests
  std::uint64_t io_threads = 64;               ///< that wait for the disk
};

/// Something wrong, with its place: "FILE:LINE:COLUMN: " or the variable's or flag's name.
struct ConfigProblem {
  std::string place;
  std::string message;
};

using SettingValue = std::variant<bool, std::int64_t, std::string, std::vector<std::string>>;

/// One key of [server]; the table has all of them.
struct Setting {
  enum class Kind { boolean, integer, text, list };
  std::string_view key;
  Kind kind;
  /// The problem with the value; empty if it was taken. The value has the kind's type.
  std::string (*set)(ServerConfig&, const SettingValue&);
};
const std::vector<Setting>& settings();

/// Sets one key from text, as the environment and flags give it (lists: commas between).
void apply_setting(ServerConfig& config, std::string_view key, std::string_view text,
                   const std::string& place, std::vector<ConfigProblem>& problems);

/// What the file's text says, over what `config` holds. `file` names it in problems.
void apply_toml(ServerConfig& config, std::string_view text, const std::string& file,
                std::vector<ConfigProblem>& problems);

/// Where the configuration comes from.
struct ConfigSources {
  std::string file;  ///< empty: none
  std::function<std::optional<std::string>(const std::string& name)> environment;
  std::map<std::string, std::string> flags;  ///< key -> value as text
};

/// VGERFS_SERVER_DATA_DIR for "data_dir".
std::string environment_name(std::string_view key);

/// Reads all sources, the token's file (or $CREDENTIALS_DIRECTORY/token) too, and checks the whole.
/// Throws Error{usage} with all problems, one a line.
ServerConfig load_server_config(const ConfigSources& sources);

}  // namespace vgerfs::server

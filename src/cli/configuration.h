// The client's configuration file: which repositories there are, how they are opened, what is
// backed up. Format and meaning: vgerfs.yaml(5). Reading collects every problem with its place;
// nothing unknown is ignored.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/io.h"
#include "repo/maintenance/retention.h"

namespace vgerfs::cli {

enum class CipherChoice { automatic, aes256gcm, chacha20poly1305 };

/// How a repository is created and opened. At most one of the three secrets is set.
struct EncryptionSettings {
  CipherChoice mode = CipherChoice::automatic;
  std::optional<std::string> passphrase_file;
  std::optional<std::string> passphrase_command;
  std::optional<std::string> key_file;

  bool has_secret() const { return passphrase_file || passphrase_command || key_file; }
};

/// How a repository on a server is reached. At most one of the two tokens is set.
struct RemoteSettings {
  std::optional<std::string> token;
  std::optional<std::string> token_file;
  std::optional<std::string> user;
  std::optional<std::string> ca_file;
  std::optional<std::string> client_certificate;
  std::optional<std::string> client_key;
  bool allow_insecure = false;
  std::optional<std::uint64_t> upload_limit;  ///< bytes per second; 0: none
  std::optional<std::uint64_t> download_limit;
};

struct RepositorySettings {
  std::string url;
  std::string label;  ///< empty if it has none
  std::optional<EncryptionSettings> encryption;
  RemoteSettings remote;
};

struct SourceSettings {
  std::string label;
  std::vector<std::string> paths;
  std::vector<std::string> excludes;  ///< gitignore syntax; after the general ones
  std::vector<std::string> tags;
  bool one_file_system = false;
  bool exclude_caches = false;
};

/// So many snapshots of a kind at most can be asked for.
inline constexpr std::uint32_t kMaxKeep = 1'000'000;

/// A plain value. Paths are absolute: relative ones in the file count from its directory, `~/` from
/// HOME.
struct Configuration {
  std::string file;  ///< empty if there is none
  std::vector<RepositorySettings> repositories;
  EncryptionSettings encryption;  ///< for repositories without settings of their own
  std::vector<SourceSettings> sources;
  std::vector<std::string> excludes;
  std::optional<repo::RetentionRules> retention;  ///< what `prune` keeps
  std::optional<std::string> host;
  std::optional<std::string> cache_dir;
  std::optional<std::string> state_dir;
  std::optional<std::chrono::seconds> checkpoint_interval;
  std::optional<int> compression_level;
};

/// Something wrong at a place of the file. Lines and columns count from 1.
struct ConfigurationProblem {
  std::size_t line = 0;
  std::size_t column = 0;
  std::string message;
  std::string hint;
};

struct ParsedConfiguration {
  Configuration configuration;
  std::vector<ConfigurationProblem> problems;  ///< by place; empty if all is well
};

/// `file` names the text in messages and is the base of relative paths.
ParsedConfiguration parse_configuration(std::string_view text, const std::string& file,
                                        const Io& io);

/// "FILE:LINE:COLUMN: message".
std::string describe(const ConfigurationProblem& problem, const std::string& file);

/// A configuration file that exists.
struct ConfigurationPlace {
  std::string file;
  bool asked_for = false;  ///< named by an option or the environment, not found by searching
};

/// The file that counts: `option`, else $VGERFS_CONFIG, else the first of ./vgerfs.yaml,
/// config.yaml and vgerfs.yaml in the user's and in the system's directory. nullopt if there is
/// none. Throws Error if one that is asked for is absent.
std::optional<ConfigurationPlace> find_configuration(const std::optional<std::string>& option,
                                                     const Io& io);

/// The file's text. A configuration names commands to run: one that was found by searching is
/// refused with Error{denied} if it belongs to, or may be written by, another user than root and
/// this one.
std::string read_configuration(const ConfigurationPlace& place, const Io& io);

/// Finds, reads and parses; empty if there is none. Throws Error{usage} that names the first
/// problem.
Configuration load_configuration(const std::optional<std::string>& option, const Io& io);

}  // namespace vgerfs::cli

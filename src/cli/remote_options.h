// How a repository on a server is reached: token, certificates and limits, from the command line,
// the environment and the configuration.
#pragma once

#include <optional>
#include <string>

#include "backends/remote_options.h"
#include "cli/configuration.h"
#include "cli/io.h"

namespace vgerfs::cli {

/// What the command line says.
struct RemoteCommandOptions {
  std::optional<std::string> token_file;
  std::optional<std::string> ca_file;
  std::optional<std::string> limit_upload;    ///< per second, as parse_size reads it
  std::optional<std::string> limit_download;  ///< the same
};

/// The token is the first of: option, environment (VGERFS_REST_TOKEN, VGERFS_REST_TOKEN_FILE),
/// configuration, systemd credential (vgerfs-rest-token, vgerfs.rest-token); none is no error: a
/// server may want none. Throws Error{usage} for what is wrong, and what reading a file throws. No
/// message holds the token.
backends::RemoteOptions remote_options(const RemoteCommandOptions& options,
                                       const RemoteSettings& settings, const Io& io);

}  // namespace vgerfs::cli

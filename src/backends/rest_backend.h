// A repository behind a server that speaks restic's REST protocol: vgerfs-server, restic's
// rest-server, `rclone serve restic`.
//
// A server makes durable and visible what it acknowledges. Packs, to which nothing refers before
// their record is there, are sent as they are written; all else waits in memory for the barrier,
// which sends it in the order of references.
#pragma once

#include <memory>
#include <string>

#include "backends/backend.h"
#include "backends/remote_options.h"

namespace vgerfs::backends {

/// Asks nothing of the server yet. Throws usage for what is no such URL, or an unencrypted one to
/// another machine that the options do not allow.
std::unique_ptr<Backend> open_rest_backend(const std::string& location, RemoteOptions options);

/// Makes the repository's place, without a config, and opens it. Throws exists if there is a
/// repository, or what is left of one.
std::unique_ptr<Backend> create_rest_backend(const std::string& location, RemoteOptions options);

}  // namespace vgerfs::backends

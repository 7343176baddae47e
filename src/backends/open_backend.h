// From a repository's location, as users write it, to its backend. The schemes are a table in the
// source.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "backends/backend.h"
#include "backends/remote_options.h"

namespace vgerfs::backends {

/// Whether a text that names a repository is a location: it contains a slash or begins with a
/// scheme. Else it is a label from the configuration.
bool is_location(std::string_view text);

/// Locations: `/path`, `./path`, `some/path`, `file:path`, `file:///path` (the last one with
/// percent-escapes), and those of parse_rest_location. Throws unsupported for schemes that this
/// version does not have, usage for what is no location, else as open_local_backend and
/// open_rest_backend do. `options` are for stores on other machines.
std::unique_ptr<Backend> open_backend(const std::string& location, RemoteOptions options = {});

/// Makes a repository's place, without a config, and opens it. Throws exists if something is there.
std::unique_ptr<Backend> create_backend(const std::string& location, RemoteOptions options = {});

/// The local directory of a location; empty if it is not local.
std::string local_path(const std::string& location);

/// The location without passwords, and without a query or fragment, for messages and logs.
std::string redacted_location(std::string_view location);

}  // namespace vgerfs::backends

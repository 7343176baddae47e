// Telling a repository's location from a label, and paths as the user writes them.
#pragma once

#include <string>
#include <string_view>

namespace vgerfs::cli {

/// "s3:…", "file:…", "https://…": a scheme of at least two letters and a colon, before any slash.
bool has_scheme(std::string_view text);

/// A location has a scheme or a slash; anything else is a label of the configuration.
bool is_location(std::string_view text);

/// `path` below `base` unless it is absolute, without "." and "..", resolved by text alone; no
/// slash at the end.
std::string absolute_path(std::string_view path, std::string_view base);

/// The current directory. Throws Error.
std::string working_directory();

}  // namespace vgerfs::cli

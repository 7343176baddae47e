// Paths and locations as the user writes them.
#pragma once

#include <string>
#include <string_view>

namespace vgerfs::cli {

/// `path` below `base` unless it is absolute, without "." and "..", resolved by text alone; no
/// slash at the end.
std::string absolute_path(std::string_view path, std::string_view base);

/// A repository's location as it is compared and passed on: an absolute path if it is local,
/// whatever way that is written, else as it is. Throws Error{usage}.
std::string absolute_location(const std::string& location, std::string_view base);

/// The current directory. Throws Error.
std::string working_directory();

}  // namespace vgerfs::cli

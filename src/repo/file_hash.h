// 64-bit hashes of paths and attributes, for fingerprints. Not for security: a match is believed
// only together with the entry of the last snapshot.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <string_view>

namespace vgerfs::repo {

/// Of a path's next name, given the hash of what precedes it (0 at the root).
std::uint64_t path_hash(std::uint64_t parent, std::string_view name) noexcept;
/// Of device, inode, size, mtime and ctime.
std::uint64_t stat_hash(const struct ::stat& attributes) noexcept;

}  // namespace vgerfs::repo

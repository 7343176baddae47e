// Compares a file of the file system with a file of the repository, byte for byte.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "repo/chunk_reader.h"
#include "repo/tree.h"

namespace vgerfs::repo {

/// Where the content of an open file first differs from the entry's; nullopt if nowhere. Holes of
/// the entry must read as zeros. `done` is told how many bytes were looked at, and may throw to
/// stop. Throws what reading the repository throws; FileError{unreadable} for the file.
std::optional<std::uint64_t> first_difference(ChunkReader& reader, const Entry& entry, int fd,
                                              const std::function<void(std::uint64_t)>& done);

}  // namespace vgerfs::repo

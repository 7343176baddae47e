// What a snapshot or a directory holds, in the lines that tests/golden/manifest.py describes: found
// out from the repository's entries, or from the file system, by code of its own.
#pragma once

#include <string>
#include <vector>

#include "repo/chunk_reader.h"
#include "repo/tree.h"

namespace vgerfs::testing {

/// Reads all content and attributes.
std::vector<std::string> snapshot_lines(repo::ChunkReader& reader, const repo::Entry& root);

std::vector<std::string> directory_lines(const std::string& path);

}  // namespace vgerfs::testing

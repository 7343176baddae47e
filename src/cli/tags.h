// What may be a tag of a snapshot, wherever it comes from.
#pragma once

#include <string>
#include <vector>

namespace vgerfs::cli {

/// 1 to 128 bytes of UTF-8 without commas, which separate tags in lists, and control characters.
/// Throws usage.
void require_valid_tags(const std::vector<std::string>& tags);

}  // namespace vgerfs::cli

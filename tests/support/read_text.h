// A whole file, for expectations.
#pragma once

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "base/error.h"

namespace vgerfs::testing {

/// Throws not_found if it cannot be opened.
inline std::string read_text(const std::filesystem::path& path) {
  std::ifstream in{path, std::ios::binary};
  if (!in) throw Error{ErrorCode::not_found, "cannot read " + path.string()};
  return {std::istreambuf_iterator<char>{in}, {}};
}

}  // namespace vgerfs::testing

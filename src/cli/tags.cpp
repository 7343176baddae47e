#include "cli/tags.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/error.h"
#include "cli/output.h"
#include "repo/message.h"

namespace vgerfs::cli {

void require_valid_tags(const std::vector<std::string>& tags) {
  constexpr std::size_t kMaxTagBytes = 128;
  const auto bad = [](char c) {
    return c == ',' || static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
  };
  for (const std::string& tag : tags) {
    if (!tag.empty() && tag.size() <= kMaxTagBytes && std::none_of(tag.begin(), tag.end(), bad) &&
        repo::is_utf8(tag)) {
      continue;
    }
    throw Error{ErrorCode::usage, fmt::format("\"{}\" cannot be a tag", printable(tag)),
                "a tag has 1 to 128 bytes of UTF-8 text without commas and control characters"};
  }
}

}  // namespace vgerfs::cli

// The Range header of a request, measured against the object that it is about.
#pragma once

#include <cstdint>
#include <string_view>

namespace vgerfs::server {

/// The bytes to send. `whole`: answer 200 (also for a header that is not understood, as RFC 9110
/// section 14.2 wants it); `part`: 206; `unsatisfiable`: 416.
struct ByteRange {
  enum class Kind { whole, part, unsatisfiable };
  Kind kind = Kind::whole;
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
};

/// `header` is empty if there was none. One range of the forms "bytes=a-b", "bytes=a-" and
/// "bytes=-n"; several in one header are answered with the whole object.
ByteRange parse_byte_range(std::string_view header, std::uint64_t object_bytes);

}  // namespace vgerfs::server

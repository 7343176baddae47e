// Test vectors are written as hex.
#pragma once

#include <array>
#include <string_view>

#include "base/bytes.h"

namespace vgerfs::crypto {

/// The bytes of hex digits; the test is wrong (and throws) if they are not.
inline Bytes unhex(std::string_view digits) { return parse_hex(digits).value(); }

template <std::size_t N>
std::array<std::byte, N> unhex_array(std::string_view digits) {
  const Bytes bytes = unhex(digits);
  ByteReader reader{bytes, "test vector"};
  return reader.array<N>();
}

/// first, first + 1, …
inline Bytes counting(std::size_t count, unsigned first = 0) {
  Bytes bytes;
  for (std::size_t i = 0; i < count; ++i) bytes.push_back(static_cast<std::byte>(first + i));
  return bytes;
}

}  // namespace vgerfs::crypto

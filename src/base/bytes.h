// Bytes in memory: views, hex, and the one little-endian reader and writer for everything on disk.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vgerfs {

using Bytes = std::vector<std::byte>;
using ByteView = std::span<const std::byte>;
using MutableBytes = std::span<std::byte>;

inline ByteView bytes_of(std::string_view text) noexcept {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}
inline std::string_view text_of(ByteView bytes) noexcept {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
inline const unsigned char* uchars(ByteView bytes) noexcept {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}
inline unsigned char* uchars(MutableBytes bytes) noexcept {
  return reinterpret_cast<unsigned char*>(bytes.data());
}

/// Lower-case hex digits.
std::string to_hex(ByteView bytes);
/// Bytes of hex digits of either case; nullopt if a digit is wrong or the count odd.
std::optional<Bytes> parse_hex(std::string_view text);

inline void append(Bytes& to, ByteView bytes) { to.insert(to.end(), bytes.begin(), bytes.end()); }

/// Reads fixed-width little-endian fields from untrusted bytes. Every call throws Error{corrupt}
/// when fewer bytes are left than asked for. Views point into the input.
class ByteReader {
 public:
  /// `what` names the object in errors; it must outlive the reader.
  ByteReader(ByteView bytes, std::string_view what) : rest_(bytes), what_(what) {}

  std::uint8_t u8() { return static_cast<std::uint8_t>(integer<1>()); }
  std::uint16_t u16() { return static_cast<std::uint16_t>(integer<2>()); }
  std::uint32_t u32() { return static_cast<std::uint32_t>(integer<4>()); }
  std::uint64_t u64() { return integer<8>(); }
  ByteView bytes(std::size_t count);
  template <std::size_t N>
  std::array<std::byte, N> array() {
    std::array<std::byte, N> out;
    std::memcpy(out.data(), bytes(N).data(), N);
    return out;
  }
  std::size_t left() const noexcept { return rest_.size(); }
  ByteView rest() const noexcept { return rest_; }
  /// Throws Error{corrupt} if anything is left.
  void expect_end() const;

 private:
  template <std::size_t N>
  std::uint64_t integer() {
    const ByteView raw = bytes(N);
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < N; ++i) value |= std::to_integer<std::uint64_t>(raw[i]) << (8 * i);
    return value;
  }

  ByteView rest_;
  std::string_view what_;
};

/// Appends fixed-width little-endian fields to a vector that it does not own.
class ByteWriter {
 public:
  explicit ByteWriter(Bytes& out) : out_(out) {}

  void u8(std::uint8_t value) { integer<1>(value); }
  void u16(std::uint16_t value) { integer<2>(value); }
  void u32(std::uint32_t value) { integer<4>(value); }
  void u64(std::uint64_t value) { integer<8>(value); }
  void bytes(ByteView bytes) { append(out_, bytes); }
  void zeros(std::size_t count) { out_.resize(out_.size() + count); }

 private:
  template <std::size_t N>
  void integer(std::uint64_t value) {
    for (std::size_t i = 0; i < N; ++i) out_.push_back(static_cast<std::byte>(value >> (8 * i)));
  }

  Bytes& out_;
};

}  // namespace vgerfs

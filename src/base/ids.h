// Distinct 32-byte identifier types, so that a pack is never taken for a chunk.
#pragma once

#include <array>
#include <compare>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/error.h"

namespace vgerfs {

/// 32 bytes that name a thing of kind Tag. Ordered and hashable; a plain value.
template <class Tag>
class Id {
 public:
  static constexpr std::size_t kSize = 32;

  /// All zero: no real object has it.
  constexpr Id() = default;
  explicit constexpr Id(const std::array<std::byte, kSize>& bytes) : bytes_(bytes) {}

  /// From exactly 32 untrusted bytes; throws Error{corrupt} otherwise.
  static Id from_bytes(ByteView bytes) {
    if (bytes.size() != kSize) throw Error{ErrorCode::corrupt, "an id does not have 32 bytes"};
    Id id;
    std::memcpy(id.bytes_.data(), bytes.data(), kSize);
    return id;
  }
  static Id from_bytes(std::string_view bytes) { return from_bytes(bytes_of(bytes)); }

  /// 64 lower-case hex digits, else nullopt.
  static std::optional<Id> parse(std::string_view text) {
    if (text.size() != 2 * kSize || text.find_first_not_of("0123456789abcdef") != text.npos)
      return std::nullopt;
    const auto raw = parse_hex(text);
    return raw ? std::optional<Id>{from_bytes(*raw)} : std::nullopt;
  }

  const std::array<std::byte, kSize>& bytes() const noexcept { return bytes_; }
  ByteView view() const noexcept { return bytes_; }
  /// The bytes as protobuf wants them.
  std::string raw() const { return std::string{text_of(bytes_)}; }
  std::string hex() const { return to_hex(bytes_); }
  /// First 8 hex digits, for people.
  std::string short_hex() const { return to_hex(ByteView{bytes_}.first(4)); }
  /// First 8 bytes as a number (host order): a hash, since ids are uniformly distributed.
  std::uint64_t prefix() const noexcept {
    std::uint64_t value;
    std::memcpy(&value, bytes_.data(), sizeof value);
    return value;
  }

  // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy 14 misreads a defaulted comparison
  friend constexpr auto operator<=>(const Id&, const Id&) = default;

 private:
  std::array<std::byte, kSize> bytes_{};
};

using ChunkId = Id<struct ChunkTag>;
using PackId = Id<struct PackTag>;
using RecordId = Id<struct RecordTag>;
using SnapshotId = Id<struct SnapshotTag>;
using SlotId = Id<struct SlotTag>;
using LeaseId = Id<struct LeaseTag>;
using RepositoryId = Id<struct RepositoryTag>;
using ObjectId = Id<struct ObjectTag>;

}  // namespace vgerfs

template <class Tag>
struct std::hash<vgerfs::Id<Tag>> {
  std::size_t operator()(const vgerfs::Id<Tag>& id) const noexcept { return id.prefix(); }
};

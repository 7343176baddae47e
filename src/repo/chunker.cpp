#include "repo/chunker.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/error.h"

namespace vgerfs::repo {
namespace {

/// Bytes that the 64-bit fingerprint remembers: older ones have been shifted out.
constexpr std::size_t kGearWindow = 64;
/// Every run of kHoleBytes zeros covers a whole word at a multiple of this.
constexpr std::size_t kSampleStride = kHoleBytes - sizeof(std::uint64_t);

std::uint64_t word_at(const std::byte* at) noexcept {
  std::uint64_t word;
  std::memcpy(&word, at, sizeof word);
  return word;
}

bool is_zero_line(const std::byte* at) noexcept {
  std::uint64_t any = 0;
  for (std::size_t i = 0; i < 64; i += 8) any |= word_at(at + i);
  return any == 0;
}

/// Number of zeros at the beginning.
std::size_t leading_zeros(ByteView bytes) noexcept {
  std::size_t count = 0;
  while (count + 64 <= bytes.size() && is_zero_line(bytes.data() + count)) count += 64;
  while (count < bytes.size() && bytes[count] == std::byte{0}) ++count;
  return count;
}

/// Number of zeros at the end.
std::size_t trailing_zeros(ByteView bytes) noexcept {
  std::size_t left = bytes.size();
  while (left >= 64 && is_zero_line(bytes.data() + left - 64)) left -= 64;
  while (left > 0 && bytes[left - 1] == std::byte{0}) --left;
  return bytes.size() - left;
}

/// Start of the first run of kHoleBytes zeros that begins in [1, before), or `before`. Looks at one
/// word in 64 KiB unless that is zero, so ordinary data costs nothing.
std::size_t find_hole(ByteView bytes, std::size_t before) noexcept {
  for (std::size_t at = kSampleStride;
       at < before + kSampleStride && at + sizeof(std::uint64_t) <= bytes.size();
       at += kSampleStride) {
    if (word_at(bytes.data() + at) != 0) continue;
    const std::size_t start = at - trailing_zeros(bytes.first(at));
    if (start >= before) break;
    const std::size_t wanted = start + kHoleBytes;  // where a hole's shortest run ends
    if (wanted <= bytes.size() && leading_zeros(bytes.subspan(at, wanted - at)) == wanted - at) {
      return start;
    }
  }
  return before;
}

/// First i in [from, to) where the fingerprint of the gear window that ends with byte i is below
/// the limit, else `to`. from ≥ kGearWindow.
std::size_t scan(const std::byte* data, std::size_t from, std::size_t to, const GearTable& gear,
                 std::uint64_t limit) noexcept {
  const auto* bytes = reinterpret_cast<const unsigned char*>(data);
  std::uint64_t fp = 0;
  for (std::size_t i = from - (kGearWindow - 1); i < from; ++i) fp = (fp << 1) + gear[bytes[i]];
  std::size_t i = from;
  // Four bytes a round: what they add does not depend on fp, which halves the chain of
  // dependencies.
  for (; i + 4 <= to; i += 4) {
    const std::uint64_t added1 = gear[bytes[i]];
    const std::uint64_t added2 = (added1 << 1) + gear[bytes[i + 1]];
    const std::uint64_t added3 = (added2 << 1) + gear[bytes[i + 2]];
    const std::uint64_t added4 = (added3 << 1) + gear[bytes[i + 3]];
    if ((fp << 1) + added1 < limit) [[unlikely]]
      return i;
    if ((fp << 2) + added2 < limit) [[unlikely]]
      return i + 1;
    if ((fp << 3) + added3 < limit) [[unlikely]]
      return i + 2;
    fp = (fp << 4) + added4;
    if (fp < limit) [[unlikely]]
      return i + 3;
  }
  for (; i < to; ++i) {
    fp = (fp << 1) + gear[bytes[i]];
    if (fp < limit) return i;
  }
  return to;
}

}  // namespace

Chunker::Chunker(const ChunkerParameters& parameters, const GearTable& gear)
    : parameters_(parameters), gear_(gear) {
  const auto [min, average, max] = parameters;
  if (min < 4096 || average <= min || max <= average || max > (8U << 20) ||
      !std::has_single_bit(average) || average < (16U << 10) || average > (4U << 20)) {
    throw Error{ErrorCode::usage, "chunk sizes are not within the format's limits"};
  }
  const int bits = std::countr_zero(average);
  limit_small_ = std::uint64_t{1} << (64 - (bits + 2));
  limit_large_ = std::uint64_t{1} << (64 - (bits - 2));
}

std::size_t Chunker::cut(ByteView bytes) const {
  const std::size_t min = parameters_.min_bytes;
  const std::size_t average = std::min<std::size_t>(parameters_.average_bytes, bytes.size());
  if (bytes.size() <= min) return bytes.size();
  std::size_t at = scan(bytes.data(), min, average, gear_, limit_small_);
  if (at == average) at = scan(bytes.data(), average, bytes.size(), gear_, limit_large_);
  return std::min(at + 1, bytes.size());
}

Chunker::Piece Chunker::next(ByteView bytes, bool at_end) const {
  bytes = bytes.first(std::min(bytes.size(), enough_bytes()));
  const bool enough = at_end || bytes.size() == enough_bytes();

  const std::size_t zeros = leading_zeros(bytes);
  if (zeros == bytes.size() && !enough) return {};
  // Of a run that may be longer than the bytes at hand, leave so much that the rest is a hole as
  // well.
  if (zeros == enough_bytes()) return {max_bytes(), true};
  if (zeros >= kHoleBytes) return {zeros, true};

  const std::size_t window = std::min(bytes.size(), max_bytes());
  const std::size_t hole = find_hole(bytes, window);
  const std::size_t length = cut(bytes.first(hole));
  if (enough || hole < window) return {length, false};
  // More bytes could move the end of a chunk that nothing ended, and make a hole of zeros around
  // it.
  if (length == bytes.size() && length < max_bytes()) return {};
  if (length + kHoleBytes > bytes.size() && bytes.size() - trailing_zeros(bytes) < length)
    return {};
  return {length, false};
}

}  // namespace vgerfs::repo

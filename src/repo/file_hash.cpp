#include "repo/file_hash.h"

#include <algorithm>
#include <cstring>

namespace vgerfs::repo {
namespace {

// The finaliser of SplitMix64 (Steele et al., "Fast splittable pseudorandom number generators",
// OOPSLA 2014).
std::uint64_t mix(std::uint64_t hash, std::uint64_t word) noexcept {
  hash = (hash ^ word) + 0x9e3779b97f4a7c15U;
  hash = (hash ^ (hash >> 30U)) * 0xbf58476d1ce4e5b9U;
  hash = (hash ^ (hash >> 27U)) * 0x94d049bb133111ebU;
  return hash ^ (hash >> 31U);
}

std::uint64_t number(std::int64_t value) noexcept { return static_cast<std::uint64_t>(value); }

}  // namespace

std::uint64_t path_hash(std::uint64_t parent, std::string_view name) noexcept {
  std::uint64_t hash = mix(parent, name.size());
  while (!name.empty()) {
    std::uint64_t word = 0;
    const std::size_t count = std::min(name.size(), sizeof word);
    std::memcpy(&word, name.data(), count);
    hash = mix(hash, word);
    name.remove_prefix(count);
  }
  return hash;
}

std::uint64_t stat_hash(const struct ::stat& attributes) noexcept {
  std::uint64_t hash = mix(0, attributes.st_dev);
  hash = mix(hash, attributes.st_ino);
  hash = mix(hash, number(attributes.st_size));
  hash = mix(hash, number(attributes.st_mtim.tv_sec));
  hash = mix(hash, number(attributes.st_mtim.tv_nsec));
  hash = mix(hash, number(attributes.st_ctim.tv_sec));
  return mix(hash, number(attributes.st_ctim.tv_nsec));
}

}  // namespace vgerfs::repo

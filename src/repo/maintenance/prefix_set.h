// A set of 64-bit numbers too many for memory: collected, sorted in runs, merged into a file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/fd.h"

namespace vgerfs::repo {

/// First `add`, then `finish` once, then `contains` and `find`. The numbers are prefixes of ids,
/// uniformly distributed. Of 100 million 800 MB lie in a file without a name that is mapped, 64 MiB
/// in memory. One thread at a time, but those two. Throws no_space, io.
class PrefixSet {
 public:
  /// `directory`: for the files.
  explicit PrefixSet(std::string directory);
  ~PrefixSet();
  PrefixSet(const PrefixSet&) = delete;
  PrefixSet& operator=(const PrefixSet&) = delete;

  void add(std::uint64_t prefix);
  void finish();
  bool contains(std::uint64_t prefix) const noexcept { return find(prefix).has_value(); }
  /// Its place among the distinct numbers in ascending order.
  std::optional<std::size_t> find(std::uint64_t prefix) const noexcept;
  std::uint64_t size() const noexcept { return sorted_.size(); }

 private:
  void sort_pending();
  void spill();
  void merge_runs();

  std::string directory_;
  std::vector<std::uint64_t> pending_;
  std::size_t sorted_pending_ = 0;  // so many of them are sorted and distinct
  std::vector<Fd> runs_;
  Fd merged_;
  std::span<const std::uint64_t> sorted_;  // in pending_, or merged_ mapped
  bool mapped_ = false;
};

}  // namespace vgerfs::repo

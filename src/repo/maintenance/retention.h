// Which snapshots of a line its rules keep. Pure: no repository, no clock but the calendar.
//
// A snapshot has two times: line_time (snapshot_list.h), which its author can put back, and the one
// at which the store received it, which a copied store may have lost. What a rule keeps by either
// is kept: so neither forged nor lost times push anything out that the other would keep.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "repo/maintenance/calendar.h"
#include "repo/snapshot_list.h"

namespace vgerfs::repo {

/// Unset rules keep nothing by themselves; what one rule keeps is kept.
struct RetentionRules {
  /// The newest so many. Those that ingest keys stored within one hour count as one, and are all
  /// kept or none: whoever has such a key can make any number in no time.
  std::optional<std::uint32_t> last;
  /// The newest of each of the last so many hours, …, that have one.
  std::optional<std::uint32_t> hourly;
  std::optional<std::uint32_t> daily;
  std::optional<std::uint32_t> weekly;
  std::optional<std::uint32_t> monthly;
  std::optional<std::uint32_t> yearly;
  /// All that are not older than this, counted from the newest of the line.
  std::optional<Period> within;
  /// All that have one of these.
  std::vector<std::string> tags;

  bool any() const noexcept;
};

/// In the order in which they are shown.
enum class KeepRule : std::uint8_t {
  held,
  last,
  hourly,
  daily,
  weekly,
  monthly,
  yearly,
  within,
  tag
};
std::string_view to_string(KeepRule rule) noexcept;

/// For each snapshot of one line, in any order, the rules that keep it; empty: none does.
std::vector<std::set<KeepRule>> rules_that_keep(std::span<const ListedSnapshot* const> line,
                                                const RetentionRules& rules);

}  // namespace vgerfs::repo

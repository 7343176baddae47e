#include "cli/snapshot_choice.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "cli/output.h"

namespace vgerfs::cli {
namespace {

/// nullopt if there is none; an error if the name is not enough.
std::optional<SnapshotId> find_hidden(const repo::SnapshotList& list, std::string_view name) {
  std::vector<SnapshotId> hidden;
  std::size_t shown = 0;
  const auto has_name = [&](const SnapshotId& id) {
    return !name.empty() && id.hex().starts_with(name);
  };
  for (const repo::UnreadableSnapshot& unreadable : list.unreadable) {
    if (has_name(unreadable.id)) hidden.push_back(unreadable.id);
  }
  std::copy_if(list.revoked.begin(), list.revoked.end(), std::back_inserter(hidden), has_name);
  if (hidden.empty()) return std::nullopt;
  for (const repo::ListedSnapshot& listed : list.snapshots) {
    if (has_name(listed.snapshot->id)) ++shown;
  }
  if (hidden.size() + shown > 1) {
    throw Error{ErrorCode::usage,
                fmt::format("'{}' names {} snapshots", printable(name), hidden.size() + shown),
                "write more of its id"};
  }
  return hidden.front();
}

}  // namespace

std::vector<repo::ListedSnapshot> choose_snapshots(const repo::SnapshotList& list,
                                                   const std::vector<std::string>& names,
                                                   std::string_view this_host) {
  std::vector<repo::ListedSnapshot> chosen;
  for (const std::string& name : names) {
    repo::SnapshotPath wanted = repo::resolve_snapshot(list, name, this_host);
    if (!wanted.path.empty()) {
      throw Error{ErrorCode::usage,
                  fmt::format("{}: this is for whole snapshots", printable(name))};
    }
    const auto same = [&](const repo::ListedSnapshot& other) {
      return other.snapshot->id == wanted.snapshot.snapshot->id;
    };
    if (std::none_of(chosen.begin(), chosen.end(), same))
      chosen.push_back(std::move(wanted.snapshot));
  }
  return chosen;
}

std::vector<SnapshotId> ids_of(const std::vector<repo::ListedSnapshot>& snapshots) {
  std::vector<SnapshotId> ids;
  for (const repo::ListedSnapshot& listed : snapshots) ids.push_back(listed.snapshot->id);
  return ids;
}

std::vector<SnapshotId> ChosenSnapshots::ids() const {
  std::vector<SnapshotId> ids = ids_of(shown);
  ids.insert(ids.end(), hidden.begin(), hidden.end());
  return ids;
}

ChosenSnapshots choose_any_snapshots(const repo::SnapshotList& list,
                                     const std::vector<std::string>& names,
                                     std::string_view this_host) {
  ChosenSnapshots chosen;
  std::vector<std::string> others;
  for (const std::string& name : names) {
    const auto hidden = find_hidden(list, name);
    if (!hidden) {
      others.push_back(name);
    } else if (std::find(chosen.hidden.begin(), chosen.hidden.end(), *hidden) ==
               chosen.hidden.end()) {
      chosen.hidden.push_back(*hidden);
    }
  }
  chosen.shown = choose_snapshots(list, others, this_host);
  return chosen;
}

}  // namespace vgerfs::cli

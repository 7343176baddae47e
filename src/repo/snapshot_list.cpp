#include "repo/snapshot_list.h"

#include <algorithm>
#include <set>
#include <tuple>
#include <unordered_map>
#include <utility>

namespace vgerfs::repo {
namespace {

auto line_of(const ListedSnapshot& listed) {
  return std::tie(listed.snapshot->host, listed.snapshot->source);
}

std::string without_leading_slashes(std::string_view path) {
  path.remove_prefix(std::min(path.find_first_not_of('/'), path.size()));
  return std::string{path};
}

[[noreturn]] void throw_no_snapshot(std::string_view text) {
  throw Error{ErrorCode::not_found, fmt::format("there is no snapshot '{}'", text),
              "`vgerfs-admin list` shows them"};
}

const ListedSnapshot& newest(const std::vector<const ListedSnapshot*>& candidates) {
  return **std::max_element(candidates.begin(), candidates.end(), [](const auto* a, const auto* b) {
    return std::tie(a->line_time, a->snapshot->id) < std::tie(b->line_time, b->snapshot->id);
  });
}

/// `spec` is [HOST/]SOURCE; empty: of all lines.
const ListedSnapshot& resolve_latest(const SnapshotList& list, std::string_view spec,
                                     std::string_view this_host) {
  const std::size_t slash = spec.find('/');
  const std::string_view host = slash == spec.npos ? std::string_view{} : spec.substr(0, slash);
  const std::string_view source = slash == spec.npos ? spec : spec.substr(slash + 1);
  std::vector<const ListedSnapshot*> candidates;
  std::set<std::string> hosts;
  for (const ListedSnapshot& listed : list.snapshots) {
    const Snapshot& snapshot = *listed.snapshot;
    if (!snapshot.belongs_to_line) continue;
    if (!source.empty() && snapshot.source != source) continue;
    if (!host.empty() && snapshot.host != host) continue;
    candidates.push_back(&listed);
    hosts.insert(snapshot.host);
  }
  if (!source.empty() && host.empty() && hosts.size() > 1) {
    if (!hosts.contains(std::string{this_host})) {
      throw Error{
          ErrorCode::usage,
          fmt::format("source '{}' exists on several hosts: {}", source, fmt::join(hosts, ", ")),
          fmt::format("say which: latest:HOST/{}", source)};
    }
    std::erase_if(candidates,
                  [&](const auto* listed) { return listed->snapshot->host != this_host; });
  }
  if (candidates.empty()) {
    if (spec.empty()) throw Error{ErrorCode::not_found, "the repository has no snapshots"};
    throw Error{ErrorCode::not_found, fmt::format("there is no snapshot of source '{}'", spec),
                "`vgerfs-admin list` shows the sources"};
  }
  return newest(candidates);
}

}  // namespace

bool SnapshotFilter::matches(const ListedSnapshot& listed) const {
  const auto has = [](const std::vector<std::string>& all, const std::string& one) {
    return std::find(all.begin(), all.end(), one) != all.end();
  };
  return (hosts.empty() || has(hosts, listed.snapshot->host)) &&
         (sources.empty() || has(sources, listed.snapshot->source)) &&
         std::all_of(tags.begin(), tags.end(),
                     [&](const std::string& tag) { return has(listed.tags, tag); });
}

ListedSnapshot listed(std::shared_ptr<const Snapshot> snapshot,
                      std::optional<Timestamp> stored_at) {
  ListedSnapshot result{std::move(snapshot), stored_at, {}, {}, {}, false};
  result.tags = result.snapshot->tags;
  result.line_time = result.snapshot->time;
  if (stored_at && *stored_at < result.line_time) result.line_time = *stored_at;
  result.time_name = snapshot_time_name(result.snapshot->time);
  return result;
}

void annotate(SnapshotList& list, const std::vector<Annotation>& annotations) {
  std::unordered_map<SnapshotId, ListedSnapshot*> by_id;
  for (ListedSnapshot& listed : list.snapshots) by_id.emplace(listed.snapshot->id, &listed);
  for (const Annotation& annotation : annotations) {
    const auto found = by_id.find(annotation.snapshot);
    if (found == by_id.end()) continue;
    if (const auto* hold = std::get_if<Hold>(&annotation.property)) {
      found->second->held = hold->held;
    } else {
      found->second->tags = std::get<Tags>(annotation.property).tags;
    }
  }
}

bool counts(const Snapshot& snapshot, const std::vector<Revocation>& revocations) {
  if (snapshot.author.role == Role::full) return true;  // FORMAT.md section 9.1
  const ObjectId id{snapshot.id.bytes()};
  return std::all_of(revocations.begin(), revocations.end(), [&](const Revocation& revocation) {
    return revocation.author != snapshot.author.author ||
           std::binary_search(revocation.surviving.begin(), revocation.surviving.end(), id);
  });
}

void arrange(SnapshotList& list) {
  const auto by_name = [](const ListedSnapshot& a, const ListedSnapshot& b) {
    return std::tie(a.snapshot->host, a.snapshot->source, a.snapshot->time, a.snapshot->id) <
           std::tie(b.snapshot->host, b.snapshot->source, b.snapshot->time, b.snapshot->id);
  };
  std::sort(list.snapshots.begin(), list.snapshots.end(), by_name);
  std::size_t same = 1;
  for (std::size_t i = 0; i < list.snapshots.size(); ++i) {
    ListedSnapshot& current = list.snapshots[i];
    current.time_name = snapshot_time_name(current.snapshot->time);
    if (i > 0 && line_of(current) == line_of(list.snapshots[i - 1]) &&
        current.snapshot->time.s == list.snapshots[i - 1].snapshot->time.s) {
      current.time_name += fmt::format(".{}", ++same);
    } else {
      same = 1;
    }
  }
  std::sort(list.snapshots.begin(), list.snapshots.end(),
            [](const ListedSnapshot& a, const ListedSnapshot& b) {
              return std::tie(a.snapshot->host, a.snapshot->source, a.line_time, a.snapshot->id) <
                     std::tie(b.snapshot->host, b.snapshot->source, b.line_time, b.snapshot->id);
            });
  std::sort(list.ids.begin(), list.ids.end());
}

const ListedSnapshot* latest_of(const SnapshotList& list, std::string_view host,
                                std::string_view source) {
  const ListedSnapshot* found = nullptr;
  for (const ListedSnapshot& listed : list.snapshots) {
    if (listed.snapshot->belongs_to_line && listed.snapshot->host == host &&
        listed.snapshot->source == source) {
      found = &listed;  // the list is in order of line time
    }
  }
  return found;
}

SnapshotPath resolve_snapshot(const SnapshotList& list, std::string_view text,
                              std::string_view this_host) {
  constexpr std::string_view kLatest = "latest";
  const auto split = [](std::string_view whole) {
    const std::size_t colon = whole.find(':');
    return colon == whole.npos ? std::pair{whole, std::string_view{}}
                               : std::pair{whole.substr(0, colon), whole.substr(colon + 1)};
  };
  const auto [name, rest] = split(text);
  if (name == kLatest) {
    const auto [spec, path] = split(rest);
    return {resolve_latest(list, spec, this_host), without_leading_slashes(path)};
  }
  const std::string path = without_leading_slashes(rest);
  std::vector<const ListedSnapshot*> found;
  for (const ListedSnapshot& listed : list.snapshots) {
    if (listed.time_name == name) found.push_back(&listed);
  }
  if (found.empty() && !name.empty() && name.find_first_not_of("0123456789abcdef") == name.npos) {
    for (const ListedSnapshot& listed : list.snapshots) {
      if (listed.snapshot->id.hex().starts_with(name)) found.push_back(&listed);
    }
  }
  if (found.empty()) throw_no_snapshot(name);
  if (found.size() > 1) {
    std::vector<std::string> names;
    for (const ListedSnapshot* listed : found) {
      names.push_back(fmt::format("{} ({}/{} {})", listed->snapshot->id.short_hex(),
                                  listed->snapshot->host, listed->snapshot->source,
                                  listed->time_name));
    }
    throw Error{ErrorCode::usage, fmt::format("'{}' names {} snapshots", name, found.size()),
                "say which: " + fmt::format("{}", fmt::join(names, ", "))};
  }
  return {*found.front(), path};
}

}  // namespace vgerfs::repo

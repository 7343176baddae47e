#include "fs/browse_catalog.h"

#include <algorithm>

#include "base/log.h"

namespace vgerfs::fs {
namespace {

/// What a manifest says is checked where it is opened; here once more, since it becomes a path.
bool is_file_name(std::string_view name) {
  return !name.empty() && name.size() <= 255 && name != "." && name != ".." &&
         name.find_first_of(std::string_view{"/\0", 2}) == name.npos;
}

CatalogItem directory(Timestamp time) {
  return {.kind = CatalogItem::Kind::directory, .time = time};
}

CatalogItem link(std::string target, Timestamp time) {
  return {.kind = CatalogItem::Kind::link, .time = time, .text = std::move(target)};
}

CatalogItem& child_directory(CatalogItem& parent, const std::string& name, Timestamp now) {
  return parent.children.try_emplace(name, directory(now)).first->second;
}

/// In the order of the list, whose last one of a line is the newest.
void add_to_line(CatalogItem& root, const repo::ListedSnapshot& listed, Timestamp now) {
  const repo::Snapshot& snapshot = *listed.snapshot;
  CatalogItem& hosts = root.children.find(kSnapshotsName)->second;
  CatalogItem& line =
      child_directory(child_directory(hosts, snapshot.host, now), snapshot.source, now);
  line.children.insert_or_assign(listed.time_name, CatalogItem{.kind = CatalogItem::Kind::snapshot,
                                                               .time = snapshot.time,
                                                               .snapshot = listed.snapshot});
  line.children.insert_or_assign(std::string{kLatestName}, link(listed.time_name, snapshot.time));
}

void add_to_ids(CatalogItem& root, const repo::ListedSnapshot& listed, bool in_line) {
  const repo::Snapshot& snapshot = *listed.snapshot;
  CatalogItem item{
      .kind = CatalogItem::Kind::snapshot, .time = snapshot.time, .snapshot = listed.snapshot};
  if (in_line) {
    item = link(fmt::format("../{}/{}/{}/{}", kSnapshotsName, snapshot.host, snapshot.source,
                            listed.time_name),
                snapshot.time);
  }
  root.children.find(kIdsName)->second.children.insert_or_assign(snapshot.id.hex(),
                                                                 std::move(item));
}

bool same(const CatalogItem& a, const CatalogItem& b) {
  const auto id = [](const CatalogItem& item) {
    return item.snapshot ? item.snapshot->id : SnapshotId{};
  };
  return a.kind == b.kind && a.text == b.text && id(a) == id(b);
}

bool same_children(const CatalogItem& a, const CatalogItem& b) {
  return std::equal(
      a.children.begin(), a.children.end(), b.children.begin(), b.children.end(),
      [](const auto& x, const auto& y) { return x.first == y.first && same(x.second, y.second); });
}

/// Cookies and times of what was there before; new cookies for what came.
void carry_over(CatalogItem& item, const CatalogItem* previous, Timestamp now) {
  if (item.kind != CatalogItem::Kind::directory) return;
  if (previous != nullptr && previous->kind != CatalogItem::Kind::directory) previous = nullptr;
  item.next_cookie = previous != nullptr ? previous->next_cookie : kFirstCookie;
  item.time = previous != nullptr && same_children(item, *previous) ? previous->time : now;
  for (auto& [name, child] : item.children) {
    const CatalogItem* before = nullptr;
    if (previous != nullptr) {
      const auto found = previous->children.find(name);
      if (found != previous->children.end()) before = &found->second;
    }
    child.cookie = before != nullptr ? before->cookie : item.next_cookie++;
    carry_over(child, before, now);
  }
}

void compare(const std::string& path, const CatalogItem& now, const CatalogItem& before,
             Catalog::Changes& changes) {
  for (const auto& [name, child] : before.children) {
    const auto found = now.children.find(name);
    if (found == now.children.end() || !same(found->second, child)) {
      changes.emplace_back(path, name);
    } else if (child.kind == CatalogItem::Kind::directory) {
      compare(join_path(path, name), found->second, child, changes);
    }
  }
  for (const auto& [name, child] : now.children) {
    if (!before.children.contains(name)) changes.emplace_back(path, name);
  }
}

}  // namespace

std::string join_path(std::string_view directory_path, std::string_view name) {
  return directory_path.empty() ? std::string{name} : fmt::format("{}/{}", directory_path, name);
}

Catalog::Catalog(Timestamp now) : root_(directory(now)) {
  root_.children.try_emplace(std::string{kSnapshotsName}, directory(now));
  root_.children.try_emplace(std::string{kIdsName}, directory(now));
  carry_over(root_, nullptr, now);
}

Catalog::Catalog(const Catalog& previous, const repo::SnapshotList& list, Timestamp now)
    : Catalog(now) {
  for (const repo::ListedSnapshot& listed : list.snapshots) {
    const repo::Snapshot& snapshot = *listed.snapshot;
    const bool in_line = snapshot.belongs_to_line && is_file_name(snapshot.host) &&
                         is_file_name(snapshot.source) && is_file_name(listed.time_name);
    if (in_line) add_to_line(root_, listed, now);
    add_to_ids(root_, listed, in_line);
  }
  for (const repo::UnreadableSnapshot& unreadable : list.unreadable) {
    root_.children.find(kIdsName)->second.children.insert_or_assign(
        unreadable.id.hex(),
        CatalogItem{.kind = CatalogItem::Kind::unreadable, .time = now, .text = unreadable.reason});
  }
  carry_over(root_, &previous.root_, now);
}

const CatalogItem* Catalog::find(std::string_view path) const {
  const CatalogItem* item = &root_;
  while (!path.empty()) {
    const std::size_t end = std::min(path.find('/'), path.size());
    const auto found = item->children.find(path.substr(0, end));
    if (found == item->children.end()) return nullptr;
    item = &found->second;
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  return item;
}

Catalog::Changes Catalog::changes_since(const Catalog& previous) const {
  Changes changes;
  compare("", root_, previous.root_, changes);
  return changes;
}

}  // namespace vgerfs::fs

// The upper levels of the browse view, made from a list of snapshots:
//
//     snapshots/<host>/<source>/<time name>   and   latest -> the newest time name
//     ids/<id> -> ../snapshots/…              snapshots that belong to no line: directories
//     themselves
//
// A catalog is an immutable value; a newer list gives a newer catalog that carries over the cookies
// of the old one.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "fs/types.h"
#include "repo/repository.h"

namespace vgerfs::fs {

inline constexpr std::string_view kSnapshotsName = "snapshots";
inline constexpr std::string_view kIdsName = "ids";
inline constexpr std::string_view kLatestName = "latest";

struct CatalogItem {
  enum class Kind { directory, snapshot, link, unreadable };

  Kind kind = Kind::directory;
  std::uint64_t cookie = 0;  // among its siblings; never given to another name
  Timestamp time;            // when it last changed
  std::string text;          // link: its target; unreadable: why
  std::shared_ptr<const repo::Snapshot> snapshot;
  std::map<std::string, CatalogItem, std::less<>> children;
  std::uint64_t next_cookie = kFirstCookie;  // for the next child
};

class Catalog {
 public:
  /// The catalog before the first list: two empty directories.
  explicit Catalog(Timestamp now);
  /// `now` is when changed directories changed.
  Catalog(const Catalog& previous, const repo::SnapshotList& list, Timestamp now);

  /// By path without leading slash ("" is the root); null if there is none now.
  const CatalogItem* find(std::string_view path) const;

  /// What is no longer so since `previous`: names that came, went or lead elsewhere, by the path of
  /// their directory.
  using Changes = std::vector<std::pair<std::string, std::string>>;
  Changes changes_since(const Catalog& previous) const;

 private:
  CatalogItem root_;
};

/// "a/b" of "a" and "b"; "b" of "" and "b".
std::string join_path(std::string_view directory, std::string_view name);

}  // namespace vgerfs::fs

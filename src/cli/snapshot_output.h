// How snapshots, entries and records of a repository are shown: one place for all commands.
#pragma once

#include <string>

#include "cli/output.h"
#include "repo/snapshot_list.h"
#include "repo/tree.h"

namespace vgerfs::cli {

/// The members of a snapshot in --json; documented in vgerfs-admin(1).
Json snapshot_json(const repo::ListedSnapshot& listed);
/// "3fa1b2c3  host/source  2026-11-20T23.10.05Z", for sentences about one.
std::string snapshot_line(const repo::ListedSnapshot& listed);
/// Effective tags, and whether it is held: "weekly,keep (held)".
std::string marks_text(const repo::ListedSnapshot& listed);
Json statistics_json(const format::proto::Statistics& statistics);

/// An entry of a tree: type, path and attributes.
Json entry_json(std::string_view path, const repo::Entry& entry);
/// "file", "directory", "symlink", …
std::string_view type_name(repo::EntryType type) noexcept;
/// As ls -l: "-rw-r--r-- root root 1234 2026-11-20 23:10:05 path -> target".
std::string entry_line(std::string_view path, const repo::Entry& entry);

}  // namespace vgerfs::cli

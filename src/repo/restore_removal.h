// Removes from a restore's target what the snapshot does not have.
#pragma once

#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/fd.h"
#include "repo/chunk.h"
#include "repo/restore.h"
#include "repo/restore_report.h"
#include "repo/scan.h"
#include "repo/tree.h"

namespace vgerfs::repo {

/// Opens a directory of the target, links not followed; one of this user's own that is closed to
/// himself is opened to him first if `may_change`. Throws FileError.
Fd open_target_directory(int parent, const char* name, bool may_change);

/// Names are single ones in directories that are held open, and links are never followed: whatever
/// happens to the names meanwhile, nothing is removed but what lies in the target. Nor is anything
/// that lies on another file system than the target itself, which may be mounted there. What cannot
/// be removed is reported. One thread.
class RestoreRemoval {
 public:
  /// All must outlive it.
  RestoreRemoval(ChunkSource& source, const RestoreOptions& options, RestoreReport& report)
      : source_(source), options_(options), report_(report) {}

  /// Of a directory at `path` that nothing was restored into yet: removes the names that the tree
  /// does not have, and what is in directories that are something else in the tree. If the tree
  /// cannot be read to its end nothing is removed. The first call is for the target itself.
  void clear(int directory, const Entry& entry, const std::string& path);

 private:
  /// Where a directory is mounted: st_dev alone does not tell one bind mount from another.
  struct Mount {
    bool by_mount = false;
    std::uint64_t number = 0;
    friend bool operator==(const Mount&, const Mount&) = default;
  };
  static Mount mount_of(int fd);

  struct Doomed {
    std::string name;
    bool contents_only = false;
  };
  std::vector<Doomed> find(int directory, const Entry& entry, bool is_target);
  void remove(int directory, const Doomed& doomed, const std::string& path);
  /// False if something stays.
  bool remove_below(Fd directory, const std::string& path);
  bool remove_file(int directory, const char* name, const std::string& path,
                   const struct ::stat& there);
  bool remove_directory(int directory, const char* name, const std::string& path);
  /// The directory's own descriptor, for removing what is in it. Throws FileError.
  Fd enter(int directory, const char* name);
  void removed(const std::string& path, EntryType type, std::uint64_t bytes);
  void check_stop() const;

  ChunkSource& source_;
  const RestoreOptions& options_;
  RestoreReport& report_;
  std::optional<Mount> mount_;  // the target's
};

}  // namespace vgerfs::repo

// Gives files the attributes that their entries have: owner, mode, xattrs (ACLs and capabilities
// among them), times.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "repo/chunk.h"
#include "repo/file_entry.h"
#include "repo/tree.h"

namespace vgerfs::repo {

/// Something that this user may not do or this file system does not have, so that no file got it.
struct RestoreLimit {
  std::string what;  // "owners", "devices", "extended attributes security.*" …
  std::uint64_t files = 0;
  std::string first_path;
  std::string reason;
};

/// Collects limits by kind: they are reported once, not for each file. Thread-safe.
class RestoreLimits {
 public:
  void add(std::string_view what, std::string_view path, int error_number);
  std::vector<RestoreLimit> list() const;

 private:
  mutable std::mutex mutex_;
  std::map<std::string, RestoreLimit, std::less<>> limits_;  // guarded by mutex_
};

/// Thread-safe.
class AttributeWriter {
 public:
  /// Both must outlive it.
  AttributeWriter(ChunkSource& source, RestoreLimits& limits) : source_(source), limits_(limits) {}

  /// Everything but content. Xattrs that the entry does not have are removed, but for labels that
  /// the system gives. Set-id bits come after the owner, and not at all if he is another. What is
  /// refused for want of privilege or support is a limit; other failures throw FileError after the
  /// rest was done. `path` is for messages.
  void apply(int fd, Access access, const Entry& entry, const std::string& path) const;

 private:
  struct Target;
  bool set_owner(Target& target) const;
  void remove_foreign_xattrs(Target& target) const;
  void set_xattrs(Target& target, bool acls) const;
  void set_mode(Target& target, bool owner_is_right) const;
  void set_times(Target& target) const;

  ChunkSource& source_;
  RestoreLimits& limits_;
};

/// Whether a failure of the store concerns one file only: the store is there, some bytes are not as
/// they must be.
bool is_damage(const Error& error) noexcept;

}  // namespace vgerfs::repo

// The directory tree of a local repository: where objects lie, whether it is still the tree that
// was opened, and the translation of system calls' failures into what the storage port promises.
#pragma once

#include <sys/stat.h>

#include <array>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "backends/backend.h"
#include "base/fd.h"
#include "format/object_name.h"

namespace vgerfs::backends {

/// Objects that are being written have such names (docs/FORMAT.md section 2). `list` skips them.
inline constexpr std::string_view kTemporaryPrefix = ".tmp-";

/// Directory of an object, relative to the repository: "data/ab", "index", "." for the config.
std::string directory_of(const format::ObjectName& name);

/// "data/ab" for 0xab.
std::string pack_directory(std::byte first_byte);

/// The opened tree. It keeps the root and the five directories open and so notices when what lies
/// at the path is no longer what it opened (unmounted, renamed, deleted): then nothing counts as
/// absent. Immutable; many threads may use it.
class LocalDirectory {
 public:
  /// Throws no_repository if there is none, corrupt if a part of it is missing.
  explicit LocalDirectory(const std::string& path);

  int root_fd() const noexcept { return root_.get(); }
  const std::string& path() const noexcept { return path_; }
  /// Full path of an object or directory, for messages.
  std::string full_path(std::string_view relative) const;

  /// Throws unavailable if the root or the directory of `type` is not the one that was opened.
  void check_present(format::ObjectType type) const;

  /// The object's file, opened for reading; an empty Fd if it is certainly absent.
  Fd open_object(const format::ObjectName& name) const;
  std::optional<ObjectInfo> stat_object(const format::ObjectName& name) const;
  void list_objects(format::ObjectType type,
                    const std::function<void(const ObjectInfo&)>& each) const;
  /// Removes it durably; one that is absent is success.
  void remove_object(const format::ObjectName& name) const;
  /// Makes the names in a directory (relative to the root) durable.
  void sync(const std::string& directory) const;

  /// The error of a failed system call on something below the root. ENOENT becomes `unavailable`:
  /// for callers who know that what they asked for must be there.
  [[nodiscard]] Error failure(int error_number, std::string_view doing,
                              std::string_view relative) const;

 private:
  void list_directory(format::ObjectType type, const std::string& directory,
                      const std::function<void(const ObjectInfo&)>& each) const;

  std::string path_;
  Fd root_;
  std::array<Fd, std::size(format::kListedTypes)> directories_;
};

/// Time of last modification as the port shows it.
Timestamp modification_time(const struct stat& status);

}  // namespace vgerfs::backends

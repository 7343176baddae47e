// The files of one repository: a valid local repository (docs/FORMAT.md section 2), opened anew for
// each request, so that nothing is believed of a directory that somebody has moved away.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "format/object_name.h"

namespace vgerfs::server {

struct OpenObject {
  std::shared_ptr<const Fd> fd;
  std::uint64_t bytes = 0;
  std::int64_t stored_at_ns = 0;  ///< time of last modification, as clients of the directory see it
};

/// An object as listings show it.
struct ListedObject {
  format::ObjectName name;
  std::uint64_t bytes = 0;
  std::int64_t stored_at_ns = 0;
};

/// Works below a descriptor that it does not own. Many threads may use it.
class RepositoryFiles {
 public:
  explicit RepositoryFiles(int root) : root_(root) {}

  /// nullopt if it is certainly absent. Throws `corrupt` if it is no regular file.
  std::optional<OpenObject> open(const format::ObjectName& name) const;
  /// The directory in which an object lies; nullopt if that is absent.
  std::optional<Fd> directory_of(const format::ObjectName& name) const;
  /// The same, made if it is absent; durable once those of directories_of() are synced.
  Fd make_directory_of(const format::ObjectName& name) const;
  /// What an fsync of makes an object's name durable: its directory and those above it, with their
  /// paths, but for the root. Empty if the first is absent.
  std::vector<std::pair<std::string, Fd>> directories_of(const format::ObjectName& name) const;
  /// All objects of a type. Foreign names are skipped. Throws `unavailable` if the type's directory
  /// is missing: that is never an empty list.
  void list(format::ObjectType type, const std::function<void(const ListedObject&)>& each) const;

 private:
  void list_directory(format::ObjectType type, const std::string& path,
                      const std::function<void(const ListedObject&)>& each) const;

  int root_;
};

/// Time of last modification since 1970.
std::int64_t modified_ns(const struct stat& status);

/// The last part of an object's path: "config" or 64 hex digits.
std::string file_name(const format::ObjectName& name);

}  // namespace vgerfs::server

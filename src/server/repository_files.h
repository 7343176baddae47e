// The files of one repository: a valid local repository (docs/FORMAT.md section 2), opened anew for
// each request, so that nothing is believed of a directory that somebody has moved away.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/fd.h"
#include "format/object_name.h"

namespace vgerfs::server {

struct OpenObject {
  std::shared_ptr<const Fd> fd;
  std::uint64_t bytes = 0;
};

/// Works below a descriptor that it does not own. Many threads may use it.
class RepositoryFiles {
 public:
  explicit RepositoryFiles(int root) : root_(root) {}

  /// nullopt if it is certainly absent. Throws `corrupt` if it is no regular file.
  std::optional<OpenObject> open(const format::ObjectName& name) const;
  /// The directory in which an object lies; nullopt if that is absent.
  std::optional<Fd> directory_of(const format::ObjectName& name) const;
  /// The same, made durably if it is absent.
  Fd make_directory_of(const format::ObjectName& name) const;
  /// All objects of a type. Foreign names are skipped. Throws `unavailable` if the type's directory
  /// is missing: that is never an empty list.
  void list(format::ObjectType type,
            const std::function<void(const format::ObjectName&, std::uint64_t bytes)>& each) const;

 private:
  void list_directory(
      format::ObjectType type, const std::string& path,
      const std::function<void(const format::ObjectName&, std::uint64_t bytes)>& each) const;

  int root_;
};

/// The last part of an object's path: "config" or 64 hex digits.
std::string file_name(const format::ObjectName& name);

/// "data", "index", … to a type; nullopt for other words.
std::optional<format::ObjectType> parse_object_type(std::string_view text);

}  // namespace vgerfs::server

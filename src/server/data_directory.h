// The server's directory: repositories beside each other, and the server's own things in
// `.vgerfs-server/`, which no repository can be called:
//
//   .vgerfs-server/database.sqlite   what objects there are, tokens, trash (server/catalog.h)
//   .vgerfs-server/uploads/          objects on their way in
//   .vgerfs-server/trash/            removed objects
//   .vgerfs-server/copies/           of the database, one a day
//   .vgerfs-server/audit.log         what was refused or removed (server/audit_log.h)
//
// All on one file system: objects get their names by link(2) and lose them by rename(2).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "format/object_name.h"
#include "server/repository_name.h"

namespace vgerfs::server {

/// Name of a file in uploads/ or trash/: says whose object it is, so that a crash between the
/// directory and the database can be settled without a walk.
/// "<repository>.<token>.<type>.<id>.<random>".
struct ParkedName {
  std::int64_t repository = 0;
  std::int64_t token = 0;  ///< who sent it, or removed it
  format::ObjectName object;
  std::string random;

  static ParkedName make(std::int64_t repository, std::int64_t token,
                         const format::ObjectName& object);
  static std::optional<ParkedName> parse(std::string_view text);
  std::string text() const;
};

struct DiskSpace {
  std::uint64_t free_bytes = 0;  ///< for unprivileged users
  std::uint64_t total_bytes = 0;
};

/// Immutable once opened; many threads may use it.
class DataDirectory {
 public:
  /// Makes what is missing of it.
  explicit DataDirectory(const std::string& path);

  const std::string& path() const noexcept { return path_; }
  std::string database_path() const;
  std::string copies_path() const;
  std::string audit_path() const;
  int uploads() const noexcept { return uploads_.get(); }
  int trash() const noexcept { return trash_.get(); }
  DiskSpace disk_space() const;

  /// Holds off a second server on the same directory for as long as the result lives. Throws busy.
  Fd lock() const;

  /// nullopt if there is no such directory.
  std::optional<Fd> open_repository(const RepositoryName& name) const;
  /// Makes the directory of a repository, empty but for its layout, durably; again is success.
  Fd make_repository(const RepositoryName& name) const;

  /// Names in uploads/ or trash/.
  static void list_names(int directory, const std::function<void(const std::string&)>& each);

 private:
  std::string path_;
  Fd root_;
  Fd private_;
  Fd uploads_;
  Fd trash_;
};

}  // namespace vgerfs::server

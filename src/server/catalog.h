// What the server knows in its database: repositories, their objects, the trash. Lists, sizes and
// quotas come from here, so that a million objects need no walk. The directories are the truth:
// who changes both does it within one transaction, as server/object_store.h says.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/sqlite.h"
#include "format/object_name.h"
#include "server/repository_name.h"

namespace vgerfs::server {

/// Owners of objects that no token has added.
inline constexpr std::int64_t kConfiguredToken = 0;  ///< the configuration's token, or anybody
inline constexpr std::int64_t kUnknownOwner = -1;    ///< found in the directory

struct RepositoryRow {
  std::int64_t id = 0;
  std::string name;
  std::optional<std::int64_t> last_backup_at;  ///< seconds; when the last snapshot arrived
};

struct ObjectRow {
  format::ObjectName name;
  std::uint64_t bytes = 0;
  std::int64_t token = 0;
  std::int64_t stored_at_ns = 0;  ///< the file's time of last modification
  std::int64_t sequence = 0;
};

struct TrashRow {
  std::int64_t id = 0;
  std::int64_t repository = 0;
  format::ObjectName object;
  std::uint64_t bytes = 0;
  std::int64_t removed_at = 0;
  std::string file;  ///< in trash/
};

/// Objects and bytes of one repository, one owner, one type.
struct TotalRow {
  std::int64_t repository = 0;
  std::int64_t token = 0;
  format::ObjectType type = format::ObjectType::config;
  std::uint64_t objects = 0;
  std::uint64_t bytes = 0;
};

/// Statements over a connection that it does not own; one thread at a time. Changes want a
/// transaction around them.
class Catalog {
 public:
  explicit Catalog(Database& database) : database_(database) {}

  /// Makes the tables, or checks that they are of this version.
  static void make_schema(Database& database);

  std::optional<RepositoryRow> find_repository(const RepositoryName& name);
  std::optional<RepositoryRow> find_repository(std::int64_t id);
  std::vector<RepositoryRow> repositories();
  std::int64_t add_repository(const RepositoryName& name, std::int64_t now);

  std::optional<ObjectRow> find_object(std::int64_t repository, const format::ObjectName& name);
  void list_objects(std::int64_t repository, format::ObjectType type,
                    const std::function<void(const ObjectRow&)>& each);
  /// False, and nothing changed, if it is known already. The row's sequence is not looked at.
  bool add_object(std::int64_t repository, const ObjectRow& object, std::int64_t now);
  /// False if it was not known.
  bool remove_object(std::int64_t repository, const format::ObjectName& name);
  void remove_all_objects(std::int64_t repository);

  std::int64_t add_trash(const TrashRow& row);
  void remove_trash(std::int64_t id);
  std::optional<TrashRow> find_trash(std::int64_t id);
  bool has_trash_file(const std::string& file);
  std::vector<TrashRow> trash();
  /// Removed before this second.
  std::vector<TrashRow> trash_before(std::int64_t time, int at_most);
  std::uint64_t trash_bytes();

  std::vector<TotalRow> totals();

 private:
  std::int64_t next_sequence(std::int64_t repository);

  Database& database_;
};

}  // namespace vgerfs::server

// What the server knows in its database: repositories, their objects, the trash. Lists, sizes and
// quotas come from here, so that a million objects need no walk. The directories are the truth:
// who changes both does it within one transaction, as server/object_store.h says.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/sqlite.h"
#include "format/object_name.h"
#include "format/store_change.h"
#include "server/repository_name.h"

namespace vgerfs::server {

/// Owners of objects that no token has added.
inline constexpr std::int64_t kConfiguredToken = 0;  ///< the configuration's token, or anybody
inline constexpr std::int64_t kUnknownOwner = -1;    ///< found in the directory
inline constexpr std::int64_t kServerItself = -2;    ///< removes leases that are over

struct RepositoryRow {
  std::int64_t id = 0;
  std::string name;
  std::int64_t created_at = 0;                 ///< seconds
  std::optional<std::int64_t> last_backup_at;  ///< seconds; when the last snapshot arrived
  format::ChainHead head;                      ///< of its changes
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

/// An object that is not what it should be.
struct DamageRow {
  std::int64_t repository = 0;
  format::ObjectName object;
  std::int64_t found_at = 0;  ///< seconds
  std::string problem;
};

/// How far reading all objects of a repository again has come.
struct ScrubRow {
  std::optional<format::ObjectName> last;      ///< read last; none: a pass begins
  std::optional<std::int64_t> began_at;        ///< this pass
  std::optional<std::int64_t> complete_since;  ///< every object was read, or came, since then
};

/// What of one repository waits in the trash.
struct TrashTotalRow {
  std::int64_t repository = 0;
  std::uint64_t objects = 0;
  std::uint64_t bytes = 0;
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

  std::optional<RepositoryRow> find_repository(const RepositoryName& name);
  std::optional<RepositoryRow> find_repository(std::int64_t id);
  std::vector<RepositoryRow> repositories();
  std::int64_t add_repository(const RepositoryName& name, std::int64_t now);

  std::optional<ObjectRow> find_object(std::int64_t repository, const format::ObjectName& name);
  void list_objects(std::int64_t repository, format::ObjectType type,
                    const std::function<void(const ObjectRow&)>& each);
  /// False, and nothing changed, if it is known already. The row's sequence is not looked at.
  bool add_object(std::int64_t repository, const ObjectRow& object, std::int64_t now);
  /// `token`: who removes it. False if it was not known.
  bool remove_object(std::int64_t repository, const format::ObjectName& name, std::int64_t token,
                     std::int64_t now);

  /// The changes after number `since`, oldest first, until `each` returns false; without those that
  /// were forgotten.
  void changes_since(std::int64_t repository, std::uint64_t since,
                     const std::function<bool(const format::StoreChange&)>& each);
  /// The hash after a change that is not the last; nullopt if the next one is forgotten, or never
  /// was.
  std::optional<Sha256Digest> hash_at(std::int64_t repository, std::uint64_t sequence);
  /// Older ones of all repositories; the heads stay.
  void forget_changes_before(std::int64_t time);
  /// The repositories whose objects were changed through this catalog.
  const std::set<std::int64_t>& touched() const noexcept { return touched_; }

  /// In the order of types and names, after one of them.
  std::vector<ObjectRow> objects_after(std::int64_t repository,
                                       const std::optional<format::ObjectName>& last,
                                       std::size_t at_most);
  void set_checked(std::int64_t repository, const format::ObjectName& name, std::int64_t now);
  /// When the object was read last; 0: when it came.
  std::int64_t checked_at(std::int64_t repository, const format::ObjectName& name);
  ScrubRow scrub(std::int64_t repository);
  void set_scrub(std::int64_t repository, const ScrubRow& scrub);
  /// What was found first stays. It goes with its object.
  void set_damage(const DamageRow& damage);
  void clear_damage(std::int64_t repository, const format::ObjectName& name);
  std::vector<DamageRow> damages(std::int64_t repository, std::size_t at_most);
  std::uint64_t damage_count(std::int64_t repository);

  std::int64_t add_trash(const TrashRow& row);
  void remove_trash(std::int64_t id);
  std::optional<TrashRow> find_trash(std::int64_t id);
  bool has_trash_file(const std::string& file);
  std::vector<TrashRow> trash();
  /// Removed before this second.
  std::vector<TrashRow> trash_before(std::int64_t time, int at_most);
  std::vector<TrashTotalRow> trash_totals();

  std::vector<TotalRow> totals();

 private:
  std::int64_t record_change(std::int64_t repository, std::int64_t token,
                             format::StoreChange change);

  Database& database_;
  std::set<std::int64_t> touched_;
};

}  // namespace vgerfs::server

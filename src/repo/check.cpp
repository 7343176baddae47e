#include "repo/check.h"

#include <algorithm>
#include <map>
#include <set>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "repo/check_packs.h"
#include "repo/extents.h"
#include "repo/limits.h"
#include "repo/tree.h"

namespace vgerfs::repo {
namespace {

using format::ObjectType;

/// The check's working state; one thread.
class Checker {
 public:
  Checker(Repository& repository, const CheckOptions& options,
          const std::function<void(const CheckProgress&)>& progress)
      : repository_(repository), options_(options), progress_(progress) {}

  CheckResult run() {
    check_records();
    check_pack_list();
    if (options_.read_data) read_packs();
    check_snapshots();
    for (auto& [object, finding] : findings_) result_.findings.push_back(std::move(finding));
    std::stable_partition(
        result_.findings.begin(), result_.findings.end(),
        [](const Finding& finding) { return finding.severity == Severity::error; });
    return std::move(result_);
  }

 private:
  /// A directory of a tree on its way to be read.
  struct Directory {
    ChunkId node;
    std::string path;
  };

  Finding& finding(const std::string& object, Severity severity, const std::string& what) {
    Finding& found = findings_[object];
    if (found.object.empty()) {
      found = {.severity = severity,
               .object = object,
               .what = what,
               .affected = {},
               .affected_count = 0};
    } else if (severity == Severity::error) {
      found.severity = severity;
    }
    return found;
  }

  void check_stopped() const {
    if (options_.stop.stop_requested())
      throw Error{ErrorCode::interrupted, "the check was interrupted"};
  }

  /// Store failures stop the check; everything else is a finding.
  template <class Work>
  void examine(const std::string& object, Work work) {
    check_stopped();
    try {
      work();
    } catch (const Error& error) {
      if (error.code() == ErrorCode::unavailable || error.code() == ErrorCode::interrupted) throw;
      finding(object, Severity::error, error.what());
    }
  }

  void check_records() {
    std::vector<RecordId> records;
    repository_.backend().list(ObjectType::index, [&](const backends::ObjectInfo& info) {
      records.push_back(RecordId{info.name.id.bytes()});
    });
    for (const RecordId& id : records) {
      const format::ObjectName name = format::record_name(id);
      ++result_.records;
      examine(name.path(), [&] {
        const Bytes stored = backends::read_object(repository_.backend(), name, kMaxRecordBytes);
        if (open_record(stored, repository_.keyring()).ignored_claims) {
          finding(name.path(), Severity::note,
                  "makes claims that its author may not make; they are ignored");
        }
      });
    }
  }

  void check_pack_list() {
    std::unordered_map<PackId, std::uint64_t> stored;
    repository_.backend().list(ObjectType::pack, [&](const backends::ObjectInfo& info) {
      stored.emplace(PackId{info.name.id.bytes()}, info.stored_bytes);
    });
    repository_.index().for_each_pack(false, [&](const IndexedPack& indexed) {
      const PackDescription& pack = indexed.description;
      ++result_.packs;
      const auto found = stored.find(pack.id);
      if (found == stored.end()) {
        bad_packs_.insert(pack.id);
        finding(format::pack_name(pack.id).path(), Severity::error, "is missing from the store");
        return;
      }
      if (found->second != pack.stored_bytes) {
        bad_packs_.insert(pack.id);
        finding(format::pack_name(pack.id).path(), Severity::error,
                fmt::format("has {} bytes; its index record says {}", found->second,
                            pack.stored_bytes));
      }
      stored.erase(found);
    });
    for (const auto& [id, bytes] : stored) {
      finding(format::pack_name(id).path(), Severity::note,
              fmt::format("no index record names it ({} bytes; left by an interrupted session, or "
                          "its record is lost)",
                          bytes));
    }
  }

  void read_packs() {
    read_all_packs(repository_, options_.threads, options_.stop, [&](const PackReading& reading) {
      result_.read_bytes += reading.read_bytes;
      if (!reading.failure.empty()) {
        finding(format::pack_name(reading.pack).path(), Severity::error, reading.failure);
      }
      bad_chunks_.insert(reading.bad_chunks.begin(), reading.bad_chunks.end());
      progress_({"reading packs", ++packs_read_, result_.packs, result_.read_bytes});
    });
  }

  void check_snapshots() {
    // Names new records and snapshots of others; what it cannot open is in the list.
    repository_.refresh();
    const auto list = repository_.snapshots();
    for (const UnreadableSnapshot& unreadable : list->unreadable) {
      finding(format::snapshot_name(unreadable.id).path(), Severity::error, unreadable.reason);
    }
    for (const ListedSnapshot& listed : list->snapshots) {
      progress_({"walking trees", result_.snapshots, list->snapshots.size(), result_.read_bytes});
      ++result_.snapshots;
      snapshot_ = listed.snapshot->id;
      check_entry_of(listed.snapshot->root, "");
      while (!directories_.empty()) {
        const Directory next = std::move(directories_.back());
        directories_.pop_back();
        check_directory(next);
      }
    }
  }

  void check_directory(const Directory& directory) {
    check_stopped();
    try {
      DirectoryReader reader{source_, directory.node};
      while (const Entry* entry = reader.next()) {
        check_entry_of(
            *entry, directory.path.empty() ? entry->name() : directory.path + "/" + entry->name());
      }
    } catch (const Error& error) {
      if (error.code() == ErrorCode::unavailable || error.code() == ErrorCode::interrupted) throw;
      affected(format::snapshot_name(snapshot_).path(),
               fmt::format("a directory cannot be read: {}", error.what()), directory.path);
    }
  }

  void check_entry_of(const Entry& entry, const std::string& path) {
    for (const auto& xattr : entry.xattrs()) {
      if (!xattr.value_chunk().empty())
        check_chunk(ChunkKind::blob, ChunkId::from_bytes(xattr.value_chunk()), path);
    }
    if (const auto subtree = subtree_of(entry)) {
      if (visited_.insert(*subtree).second) directories_.push_back({*subtree, path});
    }
    if (entry.type() != format::proto::ENTRY_FILE) return;
    ++result_.files;
    try {
      // Each node once: a hostile list that shares nodes claims more extents than anybody can
      // visit.
      for_each_new_extent(source_, entry, good_extents_, [&](const Extent& extent) {
        return !extent.chunk || check_extent(extent, path);
      });
    } catch (const Error& error) {
      if (error.code() == ErrorCode::unavailable || error.code() == ErrorCode::interrupted) throw;
      affected(format::snapshot_name(snapshot_).path(),
               fmt::format("a file's extents cannot be read: {}", error.what()), path);
    }
  }

  /// Whether the chunk is good and holds the extent.
  bool check_extent(const Extent& extent, const std::string& path) {
    ++result_.chunk_references;
    const std::optional<std::uint32_t> bytes = check_chunk(ChunkKind::data, *extent.chunk, path);
    if (!bytes || extent.chunk_offset + extent.bytes <= *bytes) return bytes.has_value();
    affected(format::snapshot_name(snapshot_).path(), "a file's extent reaches beyond its chunk",
             path);
    return false;
  }

  /// Reports a chunk of which no copy is good. Its plaintext length, or nullopt if it is not known.
  std::optional<std::uint32_t> check_chunk(ChunkKind kind, const ChunkId& id,
                                           const std::string& path) {
    const auto known = good_chunks_.find(id);
    if (known != good_chunks_.end()) return known->second;
    const std::vector<ChunkPlace> places = repository_.index().find(id);
    const ChunkPlace* bad = nullptr;
    for (const ChunkPlace& place : places) {
      if (place.block.chunk_kind != kind) continue;
      bad = &place;
      if (bad_packs_.contains(place.pack)) continue;
      if (bad_chunks_.contains({place.pack, id})) continue;
      const std::uint32_t bytes = place.block.chunks[place.position].plain_bytes;
      good_chunks_.emplace(id, bytes);
      return bytes;
    }
    if (bad == nullptr) {
      affected(format::snapshot_name(snapshot_).path(),
               fmt::format("no index record names chunk {}", id.hex()), path);
    } else {
      affected(format::pack_name(bad->pack).path(),
               fmt::format("chunk {} is damaged", id.short_hex()), path);
    }
    return std::nullopt;
  }

  void affected(const std::string& object, const std::string& what, const std::string& path) {
    Finding& found = finding(object, Severity::error, what);
    ++found.affected_count;
    if (found.affected.size() < kMaxAffectedPaths) found.affected.push_back({snapshot_, path});
  }

  /// Reads metadata chunks and counts the nodes.
  class CountingSource final : public ChunkSource {
   public:
    CountingSource(ChunkReader& reader, CheckResult& result) : reader_(reader), result_(result) {}
    Bytes get(ChunkKind kind, const ChunkId& id) override {
      if (kind == ChunkKind::tree) ++result_.tree_nodes;
      return reader_.get(kind, id);
    }

   private:
    ChunkReader& reader_;
    CheckResult& result_;
  };

  Repository& repository_;
  const CheckOptions& options_;
  const std::function<void(const CheckProgress&)>& progress_;
  CheckResult result_;
  CountingSource source_{repository_.reader(), result_};
  std::map<std::string, Finding> findings_;  // by object
  std::unordered_set<PackId> bad_packs_;
  std::set<std::pair<PackId, ChunkId>> bad_chunks_;
  std::uint64_t packs_read_ = 0;
  SnapshotId snapshot_;
  std::vector<Directory> directories_;
  std::unordered_set<ChunkId> visited_;  // roots of directories
  ExtentNodeShapes good_extents_;        // nodes with no bad chunk below
  std::unordered_map<ChunkId, std::uint32_t> good_chunks_;
};

}  // namespace

bool CheckResult::has_errors() const noexcept {
  return std::any_of(findings.begin(), findings.end(),
                     [](const Finding& finding) { return finding.severity == Severity::error; });
}

CheckResult run_check(Repository& repository, const CheckOptions& options,
                      const std::function<void(const CheckProgress&)>& progress) {
  if (!repository.can_read()) {
    throw Error{ErrorCode::denied, "an ingest key cannot check a repository: it reads nothing",
                "use a full key"};
  }
  return Checker{repository, options, progress}.run();
}

}  // namespace vgerfs::repo

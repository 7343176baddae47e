// Reads what is stored again, long after it came: whether every object still has the bytes that its
// name says (level hash), and whether directory and database agree about names, sizes and the
// layout of packs (level structure). Needs no key, changes no object.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/clock.h"
#include "server/catalog.h"
#include "server/commit_queue.h"
#include "server/event_log.h"
#include "server/object_store.h"
#include "server/repository_turns.h"

namespace vgerfs::server {

/// It ends after the object that reaches one of the first two.
struct HashCheckLimits {
  std::uint64_t max_bytes = 0;
  std::chrono::seconds max_time{};
  std::uint64_t bytes_per_second = 0;  ///< 0: as fast as the disk
};

struct HashCheckResult {
  std::uint64_t objects = 0;
  std::uint64_t bytes = 0;
  std::vector<DamageRow> damaged;
  bool is_pass_complete = false;  ///< every object was read since the pass began
  bool was_stopped = false;
};

struct StructureCheckResult {
  std::uint64_t objects = 0;
  std::uint64_t packs = 0;  ///< whose header and table were read
  std::vector<DamageRow> damaged;
  std::uint64_t unknown_files = 0;  ///< in the directory alone: `rescan` takes them in
  std::uint64_t uploads = 0;        ///< files of uploads that run, or were left
  std::uint64_t missing_trash = 0;  ///< of the trash, whose file is gone
  bool was_stopped = false;
};

/// Thread-safe; one check of a repository at a time, others get Error{busy}. What it finds is in
/// the log and, until the object is whole again or removed, in the database.
class Verifier {
 public:
  /// All must outlive it.
  Verifier(ObjectStore& store, CommitQueue& queue, const EventLog& log, const Clock& clock)
      : store_(store), queue_(queue), log_(log), clock_(clock) {}

  /// Goes on where the last one ended, in the order of names, so that what was read the longest
  /// time ago comes first. What was read is remembered every few seconds.
  HashCheckResult check_hashes(const Repository& repository, const HashCheckLimits& limits,
                               const std::stop_token& stop);
  StructureCheckResult check_structure(const Repository& repository, const std::stop_token& stop);

 private:
  class Pacer;
  struct Reading;

  Reading read(const Repository& repository, const ObjectRow& object, Pacer& pacer,
               const std::stop_token& stop);
  void record(const Repository& repository, std::vector<Reading>& readings, ScrubRow& scrub,
              HashCheckResult& result);
  std::string examine(const Repository& repository, const ObjectRow& object, bool is_ours,
                      StructureCheckResult& result);
  void report(const Repository& repository, const DamageRow& damage);

  void look_around(const Repository& repository, StructureCheckResult& result);

  ObjectStore& store_;
  CommitQueue& queue_;
  const EventLog& log_;
  const Clock& clock_;
  RepositoryTurns turns_;
};

}  // namespace vgerfs::server

// Makes new packs of blocks of old ones, on the server's own disk, as a client's plan says. No key
// is needed: a block is sealed by itself. Removes nothing, and vouches for nothing but that the
// bytes are those of packs whose SHA-256 was their name.
//
// A plan names an operation. The new packs depend on the plan alone, so that one that was cut short
// makes the same ones when it comes again; one that was answered gets the same answer.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/clock.h"
#include "server/event_log.h"
#include "server/http_message.h"
#include "server/object_store.h"
#include "server/repository_turns.h"
#include "server/space_ledger.h"

namespace vgerfs::server {

/// What a compactor works with; all outlive it.
struct CompactorParts {
  ObjectStore& store;
  SpaceLedger& ledger;
  const EventLog& log;
  const Clock& clock;
};

/// Whoever asks, and within which limits.
struct CompactionRequest {
  Repository repository;
  Principal principal;
  SpaceLimits limits;
  std::uint64_t max_pack_bytes = 0;
};

/// Thread-safe. Blocks for the disk: a plan's sources are read from end to end.
class Compactor {
 public:
  explicit Compactor(const CompactorParts& parts) : parts_(parts) {}

  /// The answer to a plan's text, once all that it says is durable: names and sizes of the new
  /// packs, and which sources are damaged; a pack that needs such a one is not made. Memory: 1 MiB,
  /// and what the plan and the tables of one pack take.
  ///
  /// Throws before anything is made: HttpError 400, 413, 422 (parse_compaction_plan; a source that
  /// is absent, of another kind, or of which no whole blocks are taken), 409 if the operation was
  /// another one, 503 while one of this repository, or too many, are at work; Error{no_space}.
  Reply compact(const CompactionRequest& request, std::string_view text);

 private:
  /// Of all repositories: others use the disk, too.
  static constexpr std::size_t kMaxAtWork = 2;

  const CompactorParts parts_;
  RepositoryTurns turns_{kMaxAtWork};
};

}  // namespace vgerfs::server

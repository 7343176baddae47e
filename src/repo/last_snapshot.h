// The last snapshot of a (host, source) that this client made, kept in its state directory: a key
// that cannot read the repository needs it to go on from there.
#pragma once

#include <optional>
#include <string>

#include "base/clock.h"
#include "base/ids.h"
#include "crypto/random.h"
#include "crypto/secret.h"
#include "format/tree.pb.h"

namespace vgerfs::repo {

struct LastSnapshot {
  SnapshotId id;
  Timestamp time;
  format::proto::Entry root;
};

/// nullopt if there is no file. Throws corrupt if it is damaged or was sealed with another key: the
/// caller may go on without.
std::optional<LastSnapshot> read_last_snapshot(const std::string& path,
                                               const crypto::Secret& local_key,
                                               const RepositoryId& repository);
/// Seals it (local_seal.h) and replaces the file, atomically and durably (mode 0600).
void write_last_snapshot(const std::string& path, const LastSnapshot& snapshot,
                         const crypto::Secret& local_key, const RepositoryId& repository,
                         crypto::Random& random = crypto::system_random());

}  // namespace vgerfs::repo

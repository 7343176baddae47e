// Snapshot manifests (docs/FORMAT.md section 11).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "format/snapshot.pb.h"
#include "format/tree.pb.h"
#include "repo/index_record.h"
#include "repo/keyring.h"

namespace vgerfs::repo {

struct Snapshot {
  SnapshotId id;       // set by open_snapshot
  Certificate author;  // set by open_snapshot
  std::string host;
  std::string source;
  Timestamp time;
  std::vector<std::string> paths;
  format::proto::Entry root;
  std::optional<SnapshotId> parent;
  std::vector<std::string> tags;
  format::proto::Statistics statistics;
  std::string program;
  std::string trigger;
  SessionId session{};
  std::vector<RecordId> after_records;
  bool belongs_to_line = true;  // set by open_snapshot: the author may write for this host
};

Bytes seal_snapshot(const Snapshot& snapshot, const Keyring& keyring, const DataKey& data_key, crypto::Cipher cipher,
                    crypto::Random& random);
/// Needs role full (or the session's own data key). Throws corrupt, unsupported, denied.
Snapshot open_snapshot(const SnapshotId& id, ByteView stored, const Keyring& keyring);

}  // namespace vgerfs::repo

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
#include "repo/features.h"
#include "repo/index_record.h"
#include "repo/keyring.h"

namespace vgerfs::repo {

/// The kind of a snapshot whose root is a tree. Others are shown, not opened.
inline constexpr std::uint32_t kTreeSnapshot = 1;

struct Snapshot {
  SnapshotId id;       // set by open_snapshot
  Certificate author;  // set by open_snapshot
  std::uint32_t kind = kTreeSnapshot;
  std::string host;
  std::string source;
  Timestamp time;
  std::vector<std::string> paths;
  format::proto::Entry root;  // empty for a kind that is not opened
  std::optional<SnapshotId> parent;
  std::vector<std::string> tags;
  format::proto::Statistics statistics;
  std::string program;
  std::string trigger;
  SessionId session{};
  std::vector<RecordId> after_records;
  bool belongs_to_line = true;  // set by open_snapshot: the author may write for this host
  Supported supported;          // set by open_snapshot
};

/// Stored bytes, signed by the keyring's author. Throws usage for names or text that FORMAT.md does
/// not allow, or when there is too much of it. Whether the author may write for this host is not
/// checked here: sessions do, and readers.
Bytes seal_snapshot(const Snapshot& snapshot, const Keyring& keyring, const DataKey& data_key,
                    crypto::Cipher cipher, crypto::Random& random);
/// Needs role full (or the session's own data key). Throws corrupt (also if `stored` does not have
/// this id), unsupported, denied.
Snapshot open_snapshot(const SnapshotId& id, ByteView stored, const Keyring& keyring);

}  // namespace vgerfs::repo

// Why a signed object cannot be used: whoever wants to remove it must know.
#pragma once

#include <optional>
#include <string>

#include "backends/backend.h"
#include "base/bytes.h"
#include "base/ids.h"
#include "repo/keyring.h"

namespace vgerfs::repo {

enum class Verdict {
  readable,
  damaged,  ///< its bytes are not those that its name says
  foreign,  ///< nobody whom the root certified wrote it: it counts for nothing
  newer,    ///< one who is certified wrote it, with a newer program perhaps
  invalid,  ///< one who is certified wrote it, and it breaks the format
};

struct ObjectVerdict {
  Verdict verdict = Verdict::readable;
  std::string reason;                         ///< empty if readable
  std::optional<Role> author = std::nullopt;  ///< who wrote it, if it is newer or invalid
};

/// An object's bytes, whatever their hash, at most one more than `max_bytes`; nullopt if it is
/// gone. Throws what reading throws.
std::optional<Bytes> read_stored(backends::Backend& backend, const format::ObjectName& name,
                                 std::uint64_t max_bytes);

/// Of stored bytes. Never throws for what they say.
ObjectVerdict judge_record(const RecordId& id, ByteView stored, const Keyring& keyring);
ObjectVerdict judge_snapshot(const SnapshotId& id, ByteView stored, const Keyring& keyring);

}  // namespace vgerfs::repo

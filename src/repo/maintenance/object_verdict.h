// Why a signed object cannot be used: whoever wants to remove it must know.
#pragma once

#include <string>

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
  std::string reason;  ///< empty if readable
};

/// Of stored bytes. Never throws for what they say.
ObjectVerdict judge_record(const RecordId& id, ByteView stored, const Keyring& keyring);
ObjectVerdict judge_snapshot(const SnapshotId& id, ByteView stored, const Keyring& keyring);

}  // namespace vgerfs::repo

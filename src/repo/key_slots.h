// The key slots in a repository: listed, added, and replaced one by another.
#pragma once

#include <string>
#include <vector>

#include "repo/repository.h"

namespace vgerfs::repo {

struct UnreadableSlot {
  SlotId id;
  std::string reason;
};

/// What is in `keys/`.
struct SlotList {
  std::vector<SlotDescription> slots;  ///< oldest first
  std::vector<UnreadableSlot> unreadable;
};
/// Throws what listing and reading throw.
SlotList read_slots(Repository& repository);

/// Writes a slot for `bundle` durably, and reads it back: it opens with `credential`. Throws
/// corrupt if it does not.
SlotDescription add_slot(Repository& repository, const crypto::Secret& bundle,
                         const Credential& credential);

/// The slot in use gives way to one for `credential` that holds the same keys. The old one goes
/// when the new one is durable and has been read back: whatever fails, one of them opens the
/// repository. Throws as add_slot.
SlotDescription replace_slot(Repository& repository, const Credential& credential);

/// Puts a copy of a slot back, which may be there. Throws wrong_key if `credential` does not open
/// it as one of this repository, corrupt if it is none.
SlotId restore_slot(backends::Backend& backend, ByteView slot, const Credential& credential);

}  // namespace vgerfs::repo

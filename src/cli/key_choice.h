// The keys that a command line names, and how they are shown.
#pragma once

#include <string>
#include <string_view>

#include "cli/output.h"
#include "repo/key_slots.h"

namespace vgerfs::cli {

std::string_view kind_name(repo::SlotKind kind) noexcept;

/// What --json says of a key.
Json slot_json(const repo::SlotDescription& slot, bool current);

/// By the first digits of its id. Throws usage for several, not_found.
const repo::SlotDescription& choose_slot(const repo::SlotList& found, const std::string& prefix);

}  // namespace vgerfs::cli

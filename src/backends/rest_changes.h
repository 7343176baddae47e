// A server's history of changes as JSON (docs/PROTOCOL.md), read.
#pragma once

#include <string_view>
#include <vector>

#include "format/store_change.h"

namespace vgerfs::backends {

struct RestChanges {
  std::vector<format::StoreChange> changes;  ///< oldest first, without a gap
  format::ChainHead last;                    ///< after the last of these
  format::ChainHead head;                    ///< after all
};

/// Throws Error{unavailable} for what is no such answer.
RestChanges parse_rest_changes(std::string_view text);

/// Whether these changes lead from `before` to their `last`, link by link.
bool is_linked(const format::ChainHead& before, const RestChanges& changes);

}  // namespace vgerfs::backends

// Feature numbers: what an object asks of the client that uses it (docs/FORMAT.md section 13).
#pragma once

#include <string_view>

#include "format/common.pb.h"

namespace vgerfs::repo {

/// What this client may do beside reading while it relies on an object.
struct Supported {
  bool add = true;
  bool maintain = true;
  friend bool operator==(const Supported&, const Supported&) = default;
};

/// Throws unsupported if reading `what` needs a feature that this client does not know.
Supported check_features(const format::proto::Features& features, std::string_view what);

}  // namespace vgerfs::repo

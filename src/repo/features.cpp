#include "repo/features.h"

#include "base/error.h"

namespace vgerfs::repo {

Supported check_features(const format::proto::Features& features, std::string_view what) {
  // Version 1 defines no feature: every number is one that we do not know.
  if (!features.read().empty()) {
    throw Error{ErrorCode::unsupported,
                fmt::format("{} needs feature {} of a newer program", what, features.read(0)),
                "update vgerfs"};
  }
  return {.add = features.add().empty(), .maintain = features.maintain().empty()};
}

}  // namespace vgerfs::repo
